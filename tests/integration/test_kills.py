# SPDX-License-Identifier: Apache-2.0
"""Kills for lack of memory, many and fast: each is recorded once, with its victim, its limit, and what it was at last."""
import contextlib
import threading

from watching import *

MIB = 1 << 20
LIMIT = 48 * MIB
SIDECAR = "import time; time.sleep(2); x = []\nwhile True: x.append(bytearray(1 << 20)); time.sleep(.01)"


def eater(group, after, **keywords):
    """Takes all there is, after so long."""
    argv = [build("1.24", "plain", "climb"), "-kind", "mmap", "-rate", str(1 << 40), "-after", after]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=group.enter, **keywords)
    at_end(process.kill)
    return process


def sidecar(group):
    process = subprocess.Popen(["python3", "-c", SIDECAR], preexec_fn=group.enter)
    at_end(process.kill)
    return process


def remove_at_once(process, group):
    process.wait()
    end = time.monotonic() + 10
    while os.path.isdir(group.path) and time.monotonic() < end:
        with contextlib.suppress(OSError):
            os.rmdir(group.path)


def kills(daemon, groups):
    names = {g.name for g in groups}
    rows = daemon.json("/api/v1/events?limit=1000&kind=oom_kill")["events"]
    return [e for e in rows if e["cgroup_path"] in names]


def counted(rows):
    """How many: one that has a name, or so many as are told together."""
    numbers = [re.search(r"the kernel killed (\d+) process", e["text"]) for e in rows]
    return sum(int(n[1]) if n else 1 for n in numbers)


def of(rows, process):
    return [e for e in rows if f"(pid {process.pid})" in e["text"]]


# Names and last figures are those of looks, which a machine that is busy with other tests may come too late for.
@test(timeout=120, tries=2)
def every_kill_is_recorded_once_and_by_name():
    with Daemon("") as daemon:
        together = [Cgroup(limit=LIMIT) for _ in range(10)]
        removed = [Cgroup(limit=LIMIT) for _ in range(10)]
        unseen = [Cgroup(limit=LIMIT) for _ in range(5)]
        shared, loop = Cgroup(limit=64 * MIB), Cgroup(limit=LIMIT)
        calm = [subprocess.Popen([build("1.24", "plain", "climb"), "-kind", "idle"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, preexec_fn=g.enter) for g in (shared, loop)]
        for process in calm:
            at_end(process.kill)
        victims = [eater(g, "8s") for g in together]
        lost = [eater(g, "8s") for g in removed]
        removers = [threading.Thread(target=remove_at_once, args=pair) for pair in zip(lost, removed)]
        for thread in removers:
            thread.start()
        for group in unseen:  # dead before anyone can have looked
            eater(group, "0s").wait()
        beside = [sidecar(shared)]
        beside[0].wait()
        beside.append(sidecar(shared))
        for _ in range(5):
            eater(loop, "100ms").wait()
        for process in [*victims, *beside]:
            process.wait()
        for thread in removers:
            thread.join()
        deadline = time.monotonic() + 20
        groups = [*together, *removed, *unseen, shared, loop]
        while counted(kills(daemon, groups)) < 32 and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(3)  # nothing is told twice
        rows = kills(daemon, groups)
        for group, process in [*zip(together, victims), *zip(removed, lost)]:
            mine = of(rows, process)
            told = [e["text"] for e in rows if e["cgroup_path"] == group.name]
            check(len(mine) == 1, f"{len(mine)} records of {process.pid} in {group.name}: {told}; {daemon.text()[-9000:]}")
            equal("its cgroup", mine[0]["cgroup_path"], group.name)
            check(group.name in mine[0]["text"] and "48.0 MiB" in mine[0]["text"], mine[0]["text"])
            check("the working set of its cgroup was" in mine[0]["text"], mine[0]["text"])
        for process in beside:
            mine = of(rows, process)
            check(len(mine) == 1 and "python3" in mine[0]["text"] and shared.name in mine[0]["text"], (process.pid, rows))
        for group in unseen:
            equal("kills of what was not watched", counted([e for e in rows if e["cgroup_path"] == group.name]), 1)
        equal("kills of the loop", counted([e for e in rows if e["cgroup_path"] == loop.name]), 5)
        equal("kills", counted(rows), 32)
        named = sum(bool(re.search(r"\(pid \d+\)", e["text"])) for e in rows)
        figure("kills", "recorded of 32", "kills", counted(rows))
        figure("kills", "with a name", "kills", named)
        for process in calm:
            equal("the calm ones live", process.poll(), None)
