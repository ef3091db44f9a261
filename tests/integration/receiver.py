# SPDX-License-Identifier: Apache-2.0
"""A server that is told of incidents, and answers as a test wants it."""
import http.server
import threading

from ullagetest import *


class Receiver:
    """A server that answers as `answers` say, one after the other; the last again and again. It keeps what came.

    An answer is a status, "hang" (no answer), "close" (without one), or (status, headers).
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies, self.headers, self.times, self.paths = [], [], [], []
        self.over = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                receiver.take(self)

            def do_GET(self):  # pylint: disable=invalid-name
                receiver.take(self)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who has waited long enough is gone
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        at_end(self.close)

    def take(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.times.append(time.monotonic())
        self.headers.append(request.headers)
        self.paths.append(request.path)
        self.bodies.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "hang":
            self.over.wait(60)
        elif answer != "close":
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            text = b"because of a test" if status >= 400 else b""
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text)

    def incidents(self):
        return [json.loads(body) for body in self.bodies]

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
