# SPDX-License-Identifier: Apache-2.0
"""What tests of `ullage record` share: a window that is opened and closed by hand, and the truth of tests/targets/offheap.

A truth entry names a kind, the Go function and the C function that it called (either may be ""), bytes and count.
"""
from common import *

MAPPED = ["mmap", "mmap-go", "mmap-go-free", "untouched", "part", "grow", "break", "file", "deleted", "shared", "lost"]
MALLOCED = ["malloc", "mixed", "inlined", "own", "calloc", "realloc", "aligned", "cxx", "nofp", "callback", "free"]
ALL = ["break", *[c for c in MAPPED if c != "break"], *MALLOCED, "threads"]
STACK = 1.2  # a thread's stack has a guard, which the truth does not have


class Recording:
    """`ullage record` of targets, which has begun when this is made, and is ended by end()."""

    def __init__(self, *args, wrapper=()):
        self.process = subprocess.Popen([*map(str, wrapper), ULLAGE, "record", *map(str, args), "--json", "--for", "5m"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)
        at_end(self.kill)
        self.said = self.process.stderr.readline()
        while "recording" not in self.said:
            line = self.process.stderr.readline()
            if not line:
                status = self.process.wait()
                text = self.said.strip()
                if status in (4, 5):
                    skip(f"nothing can be recorded here: {text}")
                raise AssertionError(f"ullage record ended with {status}: {text}")
            self.said += line

    def end(self, expect=0):
        """Interrupt it, and what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.result(expect)

    def result(self, expect=0):
        """Wait for its own end."""
        out, err = self.process.communicate(timeout=60)
        equal(f"exit status ({err.strip()[-500:]})", self.process.returncode, expect)
        return json.loads(out)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def record_of(target, *args, seconds=0):
    """(truth, record) of a window in which the target does its cases; those without an end go on for `seconds`."""
    recording = Recording(target.pid, *args)
    equal("answer to start", target.ask("start"), "ok")
    time.sleep(seconds)
    truth = json.loads(target.ask("stop"))
    return truth, recording.end()


def site_of(row):
    return row["site"]["function"] if row["site"] else ""


def functions(row):
    return [f["function"] for f in row["stack"]]


def rows_of(record, entry):
    """The outstanding rows that a truth entry is about."""
    def fits(row):
        if row["kind"] != entry["kind"] or site_of(row) != entry["function"]:
            return False
        return entry["function"] or entry["entry"] in functions(row)
    return [row for row in record["outstanding"] if fits(row) and row["by"] == "program"]


def total(rows, key):
    return sum(row[key] for row in rows)


def check_entry(record, entry, exact):
    """One truth entry against the record."""
    name = f"{entry['case']} ({entry['function'] or entry['entry']})"
    rows = rows_of(record, entry)
    most = STACK if entry.get("at_least") else 1
    if entry["bytes"]:
        check(rows, f"nothing is said of {name}: "
              f"{[(r['kind'], r['by'], site_of(r), r['entry'], r['bytes']) for r in record['outstanding']]}")
    if entry["kind"] == "mmap" or exact:
        within(f"bytes of {name}", total(rows, "bytes"), entry["bytes"], entry["bytes"] * most)
        equal(f"count of {name}", total(rows, "count"), entry["count"])
        equal(f"width of the interval of {name}", total(rows, "high_bytes") - total(rows, "low_bytes"), 0)
    within(f"truth of {name}", entry["bytes"], total(rows, "low_bytes") / most, total(rows, "high_bytes"))
    if rows and entry["entry"]:
        equal(f"C function of {name}", {row["entry"] for row in rows}, {entry["entry"]})
    if rows and "what" in entry:
        equal(f"memory of {name}", {row["what"] for row in rows}, {entry["what"]})


def check_named(record, truth):
    """No block and no mapping of the program's is blamed on somebody who is not in the truth."""
    known = {e["function"] for e in truth}
    for row in record["outstanding"]:
        if row["kind"] in ("mmap", "malloc") and row["by"] == "program" and row["what"] != "stack" and site_of(row):
            check(site_of(row) in known, f"{row['bytes']} bytes of {row['kind']} are blamed on "
                  f"{site_of(row)}: {' < '.join(map(str, functions(row)))}")


def check_truth(record, truth, exact=True):
    for entry in truth:
        check_entry(record, entry, exact)
    check_named(record, truth)
    equal("lost events", record["lost"], 0)


def breakpoints(pid):
    """Bytes of text in which a process differs from its files: where probes are."""
    changed = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            words = line.split(maxsplit=5)
            if len(words) < 6 or "x" not in words[1] or not words[5].startswith("/"):
                continue
            start, end = (int(x, 16) for x in words[0].split("-"))
            memory.seek(start)
            here = memory.read(end - start)
            with open(words[5].strip(), "rb") as f:
                f.seek(int(words[2], 16))
                there = f.read(end - start)
            if here[:len(there)] != there:
                changed += sum(a != b for a, b in zip(here, there))
    return changed


def wait_for(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.05)
