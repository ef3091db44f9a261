# SPDX-License-Identifier: Apache-2.0
"""A real browser for tests of pages: chromium without a window, driven over a pipe (its DevTools protocol).

    with Browser() as page:
        page.open("/tmp/flame.html")
        page.keys("/", *"main", "Enter")
        page.click(100, 200)
        equal("title", page.run("document.title"), "heap")
        equal("errors", page.errors, [])
"""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

from ullagetest import Skip, at_end

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--remote-debugging-pipe"]
CODES = {"Enter": 13, "Escape": 27, "Backspace": 8, "Home": 36, "End": 35, "ArrowLeft": 37, "ArrowUp": 38,
         "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}


class Browser:
    """One page. `errors` are exceptions, refused resources and console errors; `requests` what it asked of the network."""

    def __init__(self, width=1200, height=900, dark=False):
        program = shutil.which("chromium")
        if not program:
            raise Skip("chromium is not installed: tools/setup browser")
        self.errors, self.requests, self._buffer, self._id = [], [], b"", 0
        self._profile = tempfile.mkdtemp(prefix="ullage-browser-")
        command_read, self._write = os.pipe()
        self._read, answer_write = os.pipe()

        def plumb():  # the protocol's descriptors are 3 and 4
            a, b = os.dup(command_read), os.dup(answer_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True, close_fds=False, preexec_fn=plumb)
        os.close(command_read)
        os.close(answer_write)
        at_end(self.close)
        target = next(t for t in self._wait_targets() if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _wait_targets(self):
        self._session = None
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = self.call("Target.getTargets")["targetInfos"]
            if any(t["type"] == "page" for t in found):
                return found
            time.sleep(.1)
        raise AssertionError("chromium opened no page in 60 s")

    def _message(self, timeout):
        end = time.monotonic() + timeout
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                return None
            more = os.read(self._read, 1 << 20)
            if not more:
                raise AssertionError("chromium ended")
            self._buffer += more
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return method

    def call(self, method, timeout=60, **params):
        """A command of the protocol, and its result."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while True:
            answer = self._message(max(end - time.monotonic(), 0))
            if answer is None:
                raise AssertionError(f"{method} took longer than {timeout} s")
            if answer.get("id") == self._id:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def open(self, path):
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            where = self.run("document.readyState + ' ' + location.protocol")
            if where == "complete chrome-error:":
                raise AssertionError(f"{path} cannot be opened")
            if where == "complete file:":
                return
            time.sleep(.02)
        raise AssertionError(f"{path} was not loaded in 60 s")

    def run(self, script):
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def settle(self):
        """After two frames everything that was asked for is drawn."""
        self.run("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def keys(self, *names):
        for key in names:
            event = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key.upper()) if key.isalnum() and len(key) == 1 else 0)}
            if len(key) == 1:
                event["text"] = key
            elif key == "Enter":
                event["text"] = "\r"
            self.call("Input.dispatchKeyEvent", type="keyDown", **event)
            self.call("Input.dispatchKeyEvent", type="keyUp", **event)
        self.settle()

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def box(self, selector):
        """left, top, width, height."""
        return self.run(f"(({{x, y, width, height}}) => [x, y, width, height])"
                        f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def close(self):
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            os.close(self._write)
            os.close(self._read)
            shutil.rmtree(self._profile, ignore_errors=True)
