/* SPDX-License-Identifier: Apache-2.0 */
import java.lang.ref.SoftReference;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/* Holds as many sessions as each line of its standard input asks for, in all the ways that a test knows; "ready" follows. */
public class Holders {
	static final class Session {
		final byte[] payload = new byte[1000];
	}

	static final class Node {
		Node next;
		final byte[] payload = new byte[40];
	}

	/* Known only to a thread's local variable. */
	static final class Local {
		final byte[] payload = new byte[5000];
	}

	/* Held by both of two statics. */
	static final class Shared {
		final byte[] payload = new byte[3000];
	}

	static final Map<String, Session> CACHE = new HashMap<>();
	static Node list;
	static final List<Shared> left = new ArrayList<>(), right = new ArrayList<>();
	static final List<SoftReference<long[]>> soft = new ArrayList<>();
	static final List<WeakReference<short[]>> weak = new ArrayList<>();
	static final ThreadLocal<char[]> perThread = new ThreadLocal<>();
	static final Map<String, String> wasLarge = new HashMap<>();
	static final List<String> roomy = new ArrayList<>(10000);

	static void hold(int count) {
		while (CACHE.size() < count)
			CACHE.put("session-" + CACHE.size(), new Session());
		for (int i = left.size(); i < count / 10; i++) {
			Node n = new Node();
			n.next = list;
			list = n;
			Shared s = new Shared();
			left.add(s);
			right.add(s);
			soft.add(new SoftReference<>(new long[100]));
			weak.add(new WeakReference<>(new short[100]));
		}
		for (int i = 0; i < 5000; i++)
			wasLarge.put("k" + i, "");
		wasLarge.keySet().removeIf(k -> !k.equals("k1"));
		roomy.add("one");
	}

	static void serve() {
		Local local = new Local();
		perThread.set(new char[7000]);
		synchronized (local) {
			try {
				local.wait();
			} catch (InterruptedException e) {
				System.out.println(local.payload.length);
			}
		}
	}

	public static void main(String[] args) throws Exception {
		for (int i = 0; i < 3; i++) {
			Thread t = new Thread(Holders::serve, "worker-" + i);
			t.setDaemon(true);
			t.start();
		}
		var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			hold(Integer.parseInt(line.trim()));
			System.out.println("ready");
			System.out.flush();
		}
	}
}
