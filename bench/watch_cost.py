# SPDX-License-Identifier: Apache-2.0
"""What `ullage watch` costs: its own CPU time and memory, its captures, and the latency of a program that it watches.

The parts of bench/run's "watching", for a quiet machine of two cores: less than six minutes together.
"""
import array
import contextlib
import math
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", d) for d in ("lib", "integration")]
from ullagetest import ULLAGE, build, go_target, parents, rollup, status, ullage_json  # noqa: E402
from watching import Daemon  # noqa: E402

BENCH_LOAD = os.path.join(ROOT, "build", "src", "bench_load")
BENCH_SENSE = os.path.join(ROOT, "build", "src", "bench_sense")
BENCH_STORE = os.path.join(ROOT, "build", "src", "bench_store")

NOBODY = "targets:\n  - name: nobody-has-this-name\n"
MINIMAL = "targets:\n  - name: minimal\n"
OFTEN = """sampling:
  go: 50ms
  steps:
    - below: 100%
      interval: 50ms
"""
NEAR = "policies:\n  - name: all\n    limit: 2MiB\n"


# ---- of the daemon itself --------------------------------------------------------------------

def processes(daemon):
    """The daemon and those parts of it that stay."""
    found, of = [daemon.pid], list(parents())
    for pid in found:
        found += [p for p, parent in of if parent == pid and name(p).startswith("ullage-")]
    return found


def name(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as f:
        return f.read().strip()


def cpu(pid):
    """CPU seconds of a process, exactly, and of its children that have ended."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        own = int(f.read().split()[0]) / 1e9
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return own + (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")


def share(daemon, seconds, each_second=lambda: None):
    """The part of one core that all of its processes take together."""
    pids = processes(daemon)
    before = sum(map(cpu, pids))
    began = time.monotonic()
    for n in range(seconds):
        each_second()
        time.sleep(max(0, began + n + 1 - time.monotonic()))
    return (sum(map(cpu, pids)) - before) / (time.monotonic() - began)


def say_memory(what, daemon):
    rows = [(name(p), rollup(p), rollup(p, "Pss"), rollup(p, "Private_Dirty") + rollup(p, "Private_Clean"))
            for p in processes(daemon)]
    rows.append(("together", *(sum(r[i] for r in rows) for i in (1, 2, 3))))
    for row in rows:
        print(f"{what:12} {row[0]:12} Rss {row[1] / 2**20:5.1f}  Pss {row[2] / 2**20:5.1f}  private {row[3] / 2**20:5.1f} MiB")
    sys.stdout.flush()


@contextlib.contextmanager
def minimal(n):
    """So many Go programs that do nothing."""
    path = build("1.24", "stripped", "minimal")
    started = [subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(n)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def sense(seconds):
    """Shares of a core that looking alone takes, by what is looked at."""
    mine = {}
    for what, looks in (("fast", "1"), ("with Go's figures", "3")):
        text = subprocess.run([BENCH_SENSE, str(seconds), looks, "minimal"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"(\d+) targets, discovery ([\d.]+) us a round, looks ([\d.]+) us a round", text)
        mine[what] = (float(found[2]) + float(found[3])) / 1e6
        print(f"looks, {what:17}           {mine[what]:7.3%} of a core (discovery {float(found[2]):.0f} us, looks "
              f"{float(found[3]):.0f} us), {found[1]} targets", flush=True)
    return mine


def whole(seconds):
    """The same of the daemon as it is without a configuration."""
    with Daemon(MINIMAL) as daemon:
        time.sleep(20)  # what is done once, and more often while a process has only just begun
        quiet = share(daemon, seconds)
        size = []
        scraped = share(daemon, seconds, lambda: size.append(len(daemon.get("/metrics")[1])))
        print(f"the daemon                         {quiet:7.3%} of a core; scraped each second {scraped:7.3%}, "
              f"{size[-1] / 1e6:.2f} MB a page", flush=True)
        say_memory("200 targets", daemon)
    return quiet, scraped


def idle():
    with Daemon(NOBODY) as daemon:
        time.sleep(3)
        say_memory("idle", daemon)


def often(seconds):
    """Every 50 ms, and near a limit: there Go's figures are read with each look, and more is kept."""
    for n in (1, 10, 50):
        with minimal(n):
            said = []
            for config in (OFTEN, OFTEN + NEAR):
                with Daemon(MINIMAL + config) as daemon:
                    time.sleep(6 + n / 10)  # each has its snapshot
                    said.append(share(daemon, seconds))
        print(f"{n:3} targets each 50 ms: {said[0]:7.3%} of a core ({said[0] / n / 20 * 1e6:5.1f} us a look), over the limit "
              f"{said[1]:7.3%} ({said[1] / n / 20 * 1e6:5.1f} us)", flush=True)


# ---- captures --------------------------------------------------------------------------------

HEAPS = (("64 MiB heap", ("-heap", str(64 << 20), "-object", "1024")),
         ("1 GiB heap", ("-heap", str(1 << 30), "-object", "1024")),
         ("100,000 goroutines", ("-goroutines", "100000")))


def captures():
    """One row for each kind of capture and each heap."""
    print("capture             of                     CPU ms  wall ms    bytes  peak MiB")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "file")
        for what, args in HEAPS:
            with go_target("1.24", "plain", *args, program="big", ready_timeout=120) as target:
                for kind, words in (("map", ["map", target.pid, "--json", "-o", path]),
                                    ("heap profile", ["heap", target.pid, "--pprof", path, "-o", os.devnull]),
                                    ("goroutines", ["goroutines", target.pid, "--json", "-o", path]),
                                    ("snapshot", ["snap", target.pid, "-o", path])):
                    capture(kind, what, words, path)
                stopped = ullage_json("map", target.pid)["stopped_ms"]
            print(f"{'':20}{what:20} stopped for {stopped} ms", flush=True)


def capture(kind, what, words, path):
    began = time.monotonic()
    process = subprocess.Popen([ULLAGE, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, how, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(how)
    wall = time.monotonic() - began
    print(f"{kind:20}{what:20} {1e3 * (used.ru_utime + used.ru_stime):8.0f} {1e3 * wall:8.0f} {os.path.getsize(path):9}"
          f" {used.ru_maxrss / 1024:8.0f}", flush=True)


# ---- latency ---------------------------------------------------------------------------------

def p99(samples):
    return sorted(samples)[int(len(samples) * 0.99)]


def slot(port, rate, seconds):
    out = subprocess.run([BENCH_LOAD, str(port), str(rate), str(seconds)], capture_output=True, check=True).stdout
    return array.array("I", out)


def interval(logs):
    """95 % of what the mean of such ratios is, by drawing them again and again."""
    chance = random.Random(1)
    means = sorted(statistics.mean(chance.choices(logs, k=len(logs))) for _ in range(4000))
    return math.exp(means[100]), math.exp(means[-101])


def latency(rounds, rate=2000, seconds=2):
    """Watched, not, not, watched: the daemon stands still where it does not watch."""
    with go_target("1.24", "stripped", program="answering") as target, \
            Daemon("targets:\n  - name: answering\n" + OFTEN) as daemon:
        port = int(target.ready.split()[2])
        row = daemon.wait_for_target(target.pid, lambda t: t["interval_ms"] == 50)
        slot(port, rate, seconds)
        logs, all_ = [], {True: array.array("I"), False: array.array("I")}
        looks = cpu(daemon.pid)
        for n in range(rounds):
            took = {True: array.array("I"), False: array.array("I")}
            for watched in (True, False, False, True) if n % 2 else (False, True, True, False):
                for pid in processes(daemon):
                    os.kill(pid, signal.SIGCONT if watched else signal.SIGSTOP)
                time.sleep(0.3)
                took[watched] += slot(port, rate, seconds)
            logs.append(math.log(p99(took[True]) / p99(took[False])))
            for watched, samples in took.items():
                all_[watched] += samples
        for pid in processes(daemon):
            os.kill(pid, signal.SIGCONT)
        looks = (cpu(daemon.pid) - looks) / (rounds * 2 * seconds)
        low, high = interval(logs)
        print(f"p99 of {rate} requests/s watched each {row['interval_ms']} ms: {math.exp(statistics.mean(logs)):.4f} of unwatched "
              f"(95 %: {low:.4f} to {high:.4f}, {rounds} rounds); all together {p99(all_[True]) / p99(all_[False]):.4f}")
        for watched, samples in sorted(all_.items()):
            ordered = sorted(samples)
            print(f"  {'watched' if watched else 'not':8} p50 {ordered[len(ordered) // 2] / 1e3:7.0f} us  p99 "
                  f"{p99(ordered) / 1e3:7.0f} us  p99.9 {ordered[int(len(ordered) * .999)] / 1e3:7.0f} us")
        print(f"  the daemon took {looks:.3%} of a core while it watched", flush=True)


def store():
    print(subprocess.run([BENCH_STORE, "200", "300"], capture_output=True, text=True, check=True).stdout, end="", flush=True)
