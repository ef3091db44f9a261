# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: targets, the tool, comparisons, and a runner.

    from ullagetest import *

    @test(each=[("1.19", "plain"), ("1.27", "cgopie")])
    def account_is_complete(version, variant):
        with go_target(version, variant, "-heap", "64000000") as target:
            account = ullage_json("map", target.pid)
            equal("unexplained", account["unexplained_bytes"], 0)
            error = close("heap", account["runtime"]["heap_alloc_bytes"], target.stats()["HeapAlloc"], 0.005)
            figure("error of heap_alloc", version, variant, error)

    main()
"""
import argparse
import collections
import contextlib
import fcntl
import fnmatch
import glob
import http.client
import itertools
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
TARGETS = os.path.join(ROOT, "tests", "targets")
CACHE = os.environ.get("ULLAGE_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                                                        "ullage")
ULLAGE = os.path.abspath(os.environ.get("ULLAGE", os.path.join(ROOT, "build", "ullage")))
VERSIONS = ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"]
VARIANTS = ["plain", "stripped", "pie", "cgo", "cgopie", "nosect", "nobuildinfo", "greentea",
            "nogreentea", "noallocheaders", "noswissmap", "norandheap"]
PROGRAMS = ["prometheus-1.19", "prometheus-1.24", "etcd-1.19", "etcd-1.24", "caddy",
            "dockerd-1.19", "dockerd-1.24", "esbuild"]


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Timeout(Exception):
    """The test took longer than it may."""


def skip(reason):
    raise Skip(reason)


# ---- targets -------------------------------------------------------------------------------

def build(version, variant, program="truth"):
    """Path of a built target; skips when this Go version does not have the variant. The time is not the test's.

    In a virtual machine, where asking a compiler for its version takes seconds, what the host has is taken as it is.
    """
    there = os.path.join(CACHE, "targets", f"{version}-{variant}", program)
    if "ULLAGE_VM" in os.environ and os.access(there, os.X_OK):
        return there
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    locks = os.path.join(CACHE, "locks")
    os.makedirs(locks, exist_ok=True)
    try:
        with open(os.path.join(locks, f"{version}-{variant}-{program}"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second job finds it built, and replaces nothing under the first
            done = subprocess.run([os.path.join(TARGETS, "build"), version, variant, program], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=900, check=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
    if done.returncode == 77:
        raise Skip(done.stderr.strip())
    if done.returncode != 0:
        raise AssertionError(f"target does not build: {done.stderr.strip()}")
    return done.stdout.strip()


def public_copy(path):
    """A copy that any user may execute, in a directory that is removed at the end of the test."""
    directory = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, directory, True)
    os.chmod(directory, 0o755)
    return shutil.copy(path, directory)


class Target:
    """A process that prints "ready PID" and answers lines. A context manager that kills it.

    wrapper  a command that runs it, such as ["unshare", "--pid", "--fork"]; pid is then that of
             the innermost process as seen from here
    cgroup   a Cgroup it starts in
    Further keywords go to subprocess.Popen (env, cwd, user, group, pass_fds...).
    """

    def __init__(self, argv, wrapper=(), cgroup=None, ready_timeout=120, **popen):
        self._errors = tempfile.TemporaryFile()
        self._buffer = b""
        enter = cgroup.enter if cgroup else None
        self.process = subprocess.Popen([*map(str, wrapper), *map(str, argv)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self._errors, bufsize=0,
                                        start_new_session=True, preexec_fn=enter, **popen)
        self.pid = self.process.pid
        at_end(self.close)
        try:
            self.ready = self.read_line(ready_timeout)
        except BaseException:
            self.close()
            raise
        if wrapper:
            self.pid = innermost(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

    def read_line(self, timeout=60):
        end = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"target {self.process.args[0]} did not answer in {timeout} s")
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                raise AssertionError(f"target {self.process.args[0]} ended: {self.errors()}")
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def ask(self, line, timeout=60):
        """One command, one line of answer."""
        self.send(line)
        return self.read_line(timeout)

    def stats(self):
        return json.loads(self.ask("stats"))

    def known(self):
        return json.loads(self.ask("known"))

    def gc(self):
        equal("answer to gc", self.ask("gc"), "ok")

    def signal(self, number):
        """After SIGSTOP none of its threads runs any more, which on a busy machine takes a while."""
        os.kill(self.pid, number)
        while number == signal.SIGSTOP and not is_stopped(self.pid):
            time.sleep(0.001)

    def close(self):
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            with contextlib.suppress(OSError):
                stream.close()


def go_target(version, variant, *args, program="truth", **keywords):
    return Target([build(version, variant, program), *args], **keywords)


def c_target(program, *args, **keywords):
    return Target([build("c", "plain", program), *args], **keywords)


class Program:
    """A Go program nobody here wrote (PROGRAMS), on loopback. pprof is the URL or None."""

    def __init__(self, name):
        self.process = subprocess.Popen([os.path.join(TARGETS, "programs"), "start", name],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        at_end(self.close)
        try:
            line = self.process.stdout.readline().split()
            if len(line) != 2:
                raise AssertionError(f"{name} did not start: {self.process.stderr.read().strip()}")
        except BaseException:
            self.close()
            raise
        self.pid = int(line[0])
        self.pprof = None if line[1] == "-" else line[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fetch(self, path):
        """Text of an endpoint below pprof, such as "heap?debug=1"."""
        return self.fetch_bytes(path).decode()

    def fetch_bytes(self, path):
        """What an endpoint below pprof answers, such as "heap"."""
        if self.pprof is None:
            raise Skip("this program has no pprof endpoint")
        url = urllib.parse.urlsplit(self.pprof)
        if url.scheme == "http":
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
            base = url.path
        else:  # http+unix:///directory/socket/debug/pprof
            connection = http.client.HTTPConnection("localhost", timeout=60)
            connection.sock = socket.socket(socket.AF_UNIX)
            name, base = url.path.split("/debug/", 1)
            connection.sock.connect(name)
            base = "/debug/" + base
        connection.request("GET", f"{base}/{path}")
        data = connection.getresponse().read()
        connection.close()
        return data

    def stats(self):
        """The runtime.MemStats that stand behind a heap profile."""
        found = re.findall(r"^# (\w+) = (\d+)$", self.fetch("heap?debug=1"), re.MULTILINE)
        return {name: int(value) for name, value in found}

    def goroutines(self):
        """Number of goroutines, the one that answers among them."""
        return int(re.search(r"total (\d+)", self.fetch("goroutine?debug=1")).group(1))

    def close(self):
        if self.process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.close()  # the end of its input makes it stop the program and clean up
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def program(name):
    return Program(name)


def innermost(pid):
    """The last process of a chain of only children (what a wrapper started)."""
    while True:
        child = [p for p, parent in parents() if parent == pid]
        if not child:
            return pid
        pid = child[0]


def parents():
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, "rb") as f:
                text = f.read()
        except OSError:
            continue
        yield int(path.split("/")[2]), int(text.rsplit(b")", 1)[1].split()[1])


# ---- what the kernel says --------------------------------------------------------------------

def is_stopped(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{task}/stat", "rb") as f:
            if f.read().rpartition(b")")[2].split()[0] not in (b"T", b"Z", b"X"):
                return False
    return True


def status(pid, field):
    """A field of /proc/PID/status; sizes in bytes."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        for line in f:
            name, _, value = line.partition(":")
            if name == field:
                words = value.split()
                if len(words) == 2 and words[1] == "kB":
                    return int(words[0]) * 1024
                return int(value) if value.strip().isdigit() else value.strip()
    raise KeyError(field)


def rollup(pid, field="Rss"):
    """A field of /proc/PID/smaps_rollup in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise KeyError(field)


class Cgroup:
    """A memory cgroup of our own, v1 or v2; a context manager that kills what is left in it."""

    numbers = itertools.count()

    def __init__(self, name="ullage-test", limit=None):
        v1 = "/sys/fs/cgroup/memory"
        self.version = 1 if os.path.exists(v1 + "/memory.usage_in_bytes") else 2
        base = v1 if self.version == 1 else "/sys/fs/cgroup"
        if self.version == 2:
            with open(base + "/cgroup.controllers", encoding="ascii") as f:
                if "memory" not in f.read().split():
                    raise Skip("no memory controller in cgroup v2, and no cgroup v1")
            with open(base + "/cgroup.subtree_control", "w", encoding="ascii") as f:
                f.write("+memory")
        self.name = f"/{name}-{os.getpid()}-{next(Cgroup.numbers)}"
        self.path = base + self.name
        try:
            os.mkdir(self.path)
        except OSError as e:
            raise Skip(f"cannot make a cgroup: {e}") from e
        at_end(self.close)
        if limit is not None:
            self.write("memory.limit_in_bytes" if self.version == 1 else "memory.max", limit)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def enter(self):
        """Move the calling process in."""
        self.write("cgroup.procs", 0)

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="ascii") as f:
            return f.read()

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as f:
            f.write(str(value))

    def usage(self):
        return int(self.read("memory.usage_in_bytes" if self.version == 1 else "memory.current"))

    def stat(self):
        return {k: int(v) for k, v in (line.split() for line in self.read("memory.stat").splitlines())}

    def close(self):
        for _ in range(100):
            if not os.path.isdir(self.path):
                return
            for pid in self.read("cgroup.procs").split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                return
            time.sleep(0.05)
        raise AssertionError(f"cgroup {self.path} cannot be removed")


# ---- the tool --------------------------------------------------------------------------------

Result = collections.namedtuple("Result", "status out err seconds")


def run(argv, timeout=120, **keywords):
    """Run a command to its end: Result(status, out, err, seconds); status is -N after signal N."""
    start = time.monotonic()
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, check=False, **keywords)
    return Result(done.returncode, done.stdout.decode(errors="replace"),
                  done.stderr.decode(errors="replace"), time.monotonic() - start)


def ullage(*args, expect=0, **keywords):
    """Run the tool; `expect` is the exit status it must end with, None for any but a signal."""
    result = run([ULLAGE, *args], **keywords)
    wrong = result.status < 0 if expect is None else result.status != expect
    if wrong:
        raise AssertionError(f"ullage {' '.join(map(str, args))}: status {result.status}, "
                             f"expected {expect}: {result.err.strip()[-2000:]}")
    return result


def ullage_json(*args, **keywords):
    """Run the tool with --json and return the one object it prints."""
    text = ullage(*args, "--json", **keywords).out
    try:
        return json.loads(text)
    except ValueError as e:
        raise AssertionError(f"not JSON ({e}): {text[:300]}") from e


def vm(kernel, *argv, memory=None, timeout=600):
    """Run a command in a virtual machine with Debian's kernel 6.1 or 6.12 and cgroup v2."""
    size = ["-m", memory] if memory else []
    return run([os.path.join(ROOT, "tests", "vm", "run"), "-k", kernel, *size, "--", *argv], timeout=timeout)


# ---- comparisons -----------------------------------------------------------------------------

def relative_error(measured, truth):
    """Distance over the truth; 0 when both are 0."""
    if measured == truth:
        return 0.0
    return abs(measured - truth) / abs(truth) if truth else float("inf")


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(name, measured, truth):
    if measured != truth:
        difference = ""
        if isinstance(measured, (int, float)) and isinstance(truth, (int, float)):
            difference = f", difference {measured - truth}"
        raise AssertionError(f"{name} is {measured!r}, not {truth!r}{difference}")


def close(name, measured, truth, tolerance):
    """Within a relative tolerance; returns the relative error."""
    error = relative_error(measured, truth)
    if error > tolerance:
        raise AssertionError(f"{name} is {measured}, the truth {truth}: {error:.4%} off, {tolerance:.4%} allowed")
    return error


def within(name, measured, low, high):
    if not low <= measured <= high:
        raise AssertionError(f"{name} is {measured}, not in [{low}, {high}]")


def outside(measured, low, high):
    """Distance to an interval as a ratio of its upper end; 0 inside."""
    return max(low - measured, measured - high, 0) / high if high else 0.0


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


# ---- the runner ------------------------------------------------------------------------------

Case = collections.namedtuple("Case", "name function arguments timeout tries alone")
_tests = []
_cleanups = []
_figures = {}
_current = []


def at_end(function, *args):
    """Call a function when the current test is over, whatever its end; must bear a second call."""
    _cleanups.append((function, args))


def test(function=None, *, each=None, timeout=180, tries=1, alone=False):
    """Register a test; with `each`, one for every tuple of arguments.

    `tries` is for tests whose subject moves by itself (a churning heap, the kernel's lazy counters): a failure is shown,
    and only the last try counts. `alone` is for tests that measure time, or look at the whole machine: no other runs
    beside them. A file says `ALONE = True` for all of its tests.
    """
    def register(f):
        for arguments in [()] if each is None else each:
            arguments = arguments if isinstance(arguments, tuple) else (arguments,)
            label = "-".join(map(str, arguments))
            name = f"{f.__name__}[{label}]" if label else f.__name__
            _tests.append(Case(name, f, arguments, timeout, tries, alone or f.__globals__.get("ALONE", False)))
        return f
    return register if function is None else register(function)


def figure(table, row, column, value):
    """Note a figure: shown behind the test's line, and in a table of that name at the end."""
    cells = _figures.setdefault(table, {})
    cells.setdefault(str(row), {})[str(column)] = value
    _current.append(f"{table} {show(value)}")


def show(value):
    if not isinstance(value, float):
        return str(value)
    return "0" if value == 0 else f"{value:.3g}"


def print_figures(figures):
    for table, rows in figures.items():
        columns = list(dict.fromkeys(c for cells in rows.values() for c in cells))
        lines = [["", *columns]] + [[r, *(show(cells.get(c, "-")) for c in columns)] for r, cells in rows.items()]
        width = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
        print(f"\n{table}")
        for line in lines:
            print("  " + "  ".join(line[0].ljust(width[0]) if i == 0 else cell.rjust(width[i])
                                   for i, cell in enumerate(line)))


def clean_up():
    errors = []
    while _cleanups:
        function, args = _cleanups.pop()
        try:
            function(*args)
        except Exception as e:  # pylint: disable=broad-except
            errors.append(f"cleaning up: {e}")
    return errors


def place(error):
    """The test's own line an exception came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != os.path.abspath(__file__)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""


def run_one(function, arguments, timeout):
    """Outcome ("ok", "FAIL" or "skip") and its reason."""
    def late(*_):
        raise Timeout(f"longer than {timeout:g} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    outcome, reason = "ok", ""
    try:
        function(*arguments)
    except Skip as e:
        outcome, reason = "skip", str(e) or "no reason given"
    except (AssertionError, Timeout, subprocess.TimeoutExpired) as e:
        outcome, reason = "FAIL", place(e) + str(e)
    except Exception as e:  # pylint: disable=broad-except
        outcome, reason = "FAIL", f"{place(e)}{type(e).__name__}: {e}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    errors = clean_up()
    if errors and outcome == "ok":
        outcome, reason = "FAIL", "; ".join(errors)
    return outcome, reason


def run_case(case, slow):
    """The outcome, after a line that tells it."""
    start = time.monotonic()
    for left in reversed(range(case.tries)):
        _current.clear()
        outcome, reason = run_one(case.function, case.arguments, case.timeout * slow)
        if outcome != "FAIL" or not left:
            break
        print(f"again {case.name}: {reason}", flush=True)
    detail = ", ".join([f"{time.monotonic() - start:.1f} s", *_current])
    print(f"{outcome} {case.name} ({detail})" + (f": {reason}" if reason else ""), flush=True)
    return outcome


def conclude(count, figures):
    """Print the tables and the closing line, and exit: 0 when something was run and nothing failed."""
    print_figures(figures)
    print(f"\n{count['ok']} passed, {count['FAIL']} failed, {count['skip']} skipped")
    sys.exit(1 if count["FAIL"] or not sum(count.values()) else 0)


def parse_options(argv):
    parser = argparse.ArgumentParser(description="Run tests; ends with 'N passed, N failed, N skipped'.")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN",
                        help="run tests whose name contains or matches this (may be repeated)")
    parser.add_argument("--alone", choices=["yes", "no"], help="only those that run alone, or only the others")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR", help="multiply every timeout")
    parser.add_argument("--results", metavar="FILE", help="write figures, counts and times as JSON and do not print them")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the registered tests and exit: 0 when none failed."""
    options = parse_options(argv)

    def wanted(case):
        named = not options.only or any(p in case.name or fnmatch.fnmatch(case.name, p) for p in options.only)
        return named and options.alone in (None, "yes" if case.alone else "no")

    chosen = [case for case in _tests if wanted(case)]
    if options.list:
        print("\n".join(case.name for case in chosen))
        sys.exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    count, began = collections.Counter(), time.monotonic()
    try:
        for case in chosen:
            count[run_case(case, options.slow)] += 1
    finally:
        clean_up()
    if not options.results:
        conclude(count, _figures)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with open(options.results, "w", encoding="utf-8") as f:
        json.dump({"count": count, "figures": _figures, "took": time.monotonic() - began,
                   "cpu": sum(u.ru_utime + u.ru_stime for u in used)}, f)
