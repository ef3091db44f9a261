# SPDX-License-Identifier: Apache-2.0
"""A running `ullage watch`, for the tests of the daemon."""
import glob
import http.client
import json
import os
import re
import signal
import subprocess
import shutil
import tempfile
import time

from common import *


class Daemon:
    """`ullage watch` on a port of its own with a directory of its own; a context manager that ends it.

    config  the text of a configuration, or None
    """

    def __init__(self, config=None, data=None, wrapper=(), listen="127.0.0.1:0", **popen):
        self.directory = tempfile.mkdtemp(prefix="ullage-watch-")
        at_end(shutil.rmtree, self.directory, True)
        os.chmod(self.directory, 0o755)  # one of another user reads its configuration there; data has a mode of its own
        self.data = data or os.path.join(self.directory, "data")
        self.config = os.path.join(self.directory, "ullage.yaml") if config is not None else None
        if config is not None:
            self.configure(config)
        self.log = os.path.join(self.directory, "log")
        self.listen = listen
        self.argv = [*map(str, wrapper), ULLAGE, "watch", "--listen", listen, "--data", self.data,
                     *(["--config", self.config] if self.config else [])]
        self.popen = popen
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.popen)
        at_end(self.close)
        self.pid = self.process.pid
        said = self.wait_for_log(r"watching \d+ process.*; listening on \S*?(?::(\d+))?\n", before)
        self.port = int(said[1] or 0)  # 0: a unix socket

    def configure(self, text):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)

    def reload(self, text):
        before = len(self.text())
        self.configure(text)
        self.process.send_signal(signal.SIGHUP)
        return self.wait_for_log(r"config (reloaded|refused)[^\n]*", before)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_for_log(self, pattern, after=0, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = re.search(pattern, self.text()[after:])
            if found:
                return found
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.text()[-2000:]}")
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in the log: {self.text()[-2000:]}")

    def get(self, path, headers=None):
        """Status and text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def json(self, path):
        status_, text = self.get(path)
        equal(f"status of {path}", status_, 200)
        return json.loads(text)

    def target(self, pid):
        """The row of a process, or None."""
        rows = [t for t in self.json("/api/v1/targets")["targets"] if t["pid"] == pid]
        return rows[0] if rows else None

    def wait_for_target(self, pid, condition=lambda t: True, timeout=30):
        end = time.monotonic() + timeout
        row = None
        while time.monotonic() < end:
            row = self.target(pid)
            if row and condition(row):
                return row
            time.sleep(0.1)
        raise AssertionError(f"pid {pid} did not become so: {row}; {self.text()[-1500:]}")

    def snapshots(self):
        return sorted(glob.glob(os.path.join(self.data, "snapshots", "**", "*.ullage"), recursive=True))

    def stop(self):
        """Ends it as systemd would; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
