/* SPDX-License-Identifier: Apache-2.0 */
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/* Holds as many sessions as each line of its standard input asks for, each with a payload; "ready" follows. */
public class Sessions {
	static final class Session {
		final String name;
		final byte[] payload;
		final long created;
		int uses;

		Session(int i, int payloadBytes) {
			name = "session-" + i;
			payload = new byte[payloadBytes];
			created = i;
		}
	}

	static final class Node {
		Node next;
		int value;
		boolean flag;
	}

	static final Map<Integer, Session> sessions = new HashMap<>();
	static final List<long[]> grids = new ArrayList<>();
	static final Node[] lists = new Node[64];

	static void hold(int count, int payloadBytes, int nodes) {
		while (sessions.size() < count)
			sessions.put(sessions.size(), new Session(sessions.size(), payloadBytes));
		while (grids.size() < 7)
			grids.add(new long[777]);
		for (int i = 0; i < nodes; i++) {
			Node n = new Node();
			n.next = lists[i & 63];
			lists[i & 63] = n;
		}
	}

	public static void main(String[] args) throws Exception {
		var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			String[] words = line.trim().split(" ");
			hold(Integer.parseInt(words[0]), Integer.parseInt(words[1]), Integer.parseInt(words[2]));
			System.out.println("ready");
			System.out.flush();
		}
	}
}
