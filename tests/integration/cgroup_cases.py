# SPDX-License-Identifier: Apache-2.0
"""The balance of a cgroup: what is charged to it and is in no Go process's RSS. The same for v1 and v2."""
import os
import subprocess
import time

from account import *

BYTES = 48 << 20
# Kind of cgcause, and the words in the steps that must name it on v1 and on v2.
CAUSES = {
    "anon": ("other processes", "other processes"),
    "tmpfs": ("tmpfs", "tmpfs"),
    "file": ("page cache", "page cache"),
    "slab": ("kernel", "kernel"),
    "unix": ("kernel", "kernel"),
    "pipe": ("kernel", "kernel"),
    "pgtable": ("kernel", "page tables"),
    "sock": (None, "socket"),
}


# Data of a socket is kept in blocks, of which a third may be unused.
MOST = {"unix": 1.45, "sock": 1.45}


def file_to_read():
    """A file of the host's, which is page cache when read; what a virtual machine writes would be tmpfs."""
    path = os.path.join(CACHE, "page-cache-cause")
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.truncate(BYTES)
    return path


def forget_file(path):
    """Whoever read it before has been charged for its pages."""
    with open(path, "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def step(account, words):
    return sum(r["bytes"] for r in account["cgroup"]["balance"] if words in r["step"])


def small_go(group):
    return go_target("1.24", "cgopie", "-heap", 16 << 20, cgroup=group)


def settled(pid):
    """The kernel's counts lag: each processor keeps a few dozen pages, and v2's flush comes every two seconds."""
    time.sleep(2.1)
    return ullage_json("map", pid)


def check_balance(account, group):
    part = account["cgroup"]
    equal("path", part["path"], group.name)
    equal("version", part["version"], group.version)
    total = sum(r["bytes"] for r in part["balance"]) + part["unexplained_bytes"]
    equal("the steps and what is unexplained", total, part["usage_bytes"])
    equal("first step", part["balance"][0]["bytes"], account["runtime"]["heap_alloc_bytes"])
    allowed = max(part["usage_bytes"] // 50, 1 << 20)
    check(abs(part["unexplained_bytes"]) <= allowed, f"{part['unexplained_bytes']} bytes are unexplained")
    stat = part["stat"]
    equal("working set", part["working_set_bytes"], max(part["usage_bytes"] - stat["inactive_file"], 0))


def cause(kind):
    with Cgroup() as group, small_go(group) as target:
        words = CAUSES[kind][group.version - 1]
        if words is None:
            skip(f"cgroup v{group.version} has {kind} in a counter of its own")
        wait_until_idle(target)
        before = settled(target.pid)
        check_balance(before, group)
        if kind == "file":
            forget_file(file_to_read())
        with c_target("cgcause", kind, BYTES, *([file_to_read()] if kind == "file" else []), cgroup=group) as other:
            after = settled(target.pid)
            check_balance(after, group)
            pids = {r["pid"]: r for r in after["cgroup"]["processes"]}
            equal("processes", set(pids), {target.pid, other.pid})
            equal("Go", (pids[target.pid]["go"], pids[other.pid]["go"]), (True, False))
        grown = after["cgroup"]["usage_bytes"] - before["cgroup"]["usage_bytes"]
        named = step(after, words) - step(before, words)
        figure("balance: growth by cause, MiB", f"v{group.version} {kind}", "asked", BYTES >> 20)
        figure("balance: growth by cause, MiB", f"v{group.version} {kind}", "usage", grown / (1 << 20))
        figure("balance: growth by cause, MiB", f"v{group.version} {kind}", "step", named / (1 << 20))
        figure("balance: growth by cause, MiB", f"v{group.version} {kind}", "unexplained",
               after["cgroup"]["unexplained_bytes"] / (1 << 20))
        within("growth of the step", named, BYTES * 0.8, BYTES * MOST.get(kind, 1.2))
        close("growth of the step against that of the usage", named, grown, 0.1)
        close("rss of the Go process", after["rss_bytes"], before["rss_bytes"], 0.02)
        if kind == "file":
            pressure = after["cgroup"]["working_set_bytes"] - before["cgroup"]["working_set_bytes"]
            check(pressure < BYTES // 5, f"page cache that was read once adds {pressure} to the working set")


def limit_of_an_ancestor():
    with Cgroup("ullage-outer", limit=256 << 20) as outer:
        inner = Cgroup.__new__(Cgroup)
        inner.version, inner.name, inner.path = outer.version, outer.name + "/inner", outer.path + "/inner"
        if outer.version == 2:
            outer.write("cgroup.subtree_control", "+memory")
        os.mkdir(inner.path)
        at_end(inner.close)
        with small_go(inner) as target:
            part = settled(target.pid)["cgroup"]
            equal("path", part["path"], inner.name)
            equal("limit", part["limit_bytes"], 256 << 20)
            equal("limit_path", part["limit_path"], outer.name)
            inner.write("memory.limit_in_bytes" if inner.version == 1 else "memory.max", 128 << 20)
            part = ullage_json("map", target.pid)["cgroup"]
            equal("limit", part["limit_bytes"], 128 << 20)
            equal("limit_path", part["limit_path"], inner.name)
            equal("headroom", part["headroom_bytes"], part["limit_bytes"] - part["working_set_bytes"])
            if inner.version == 2:
                inner.write("memory.high", 100 << 20)
                equal("high", ullage_json("map", target.pid)["cgroup"]["high_bytes"], 100 << 20)
        inner.close()


def an_out_of_memory_kill_is_counted():
    with Cgroup(limit=64 << 20) as group, small_go(group) as target:
        equal("kills before", ullage_json("map", target.pid)["cgroup"]["events"]["oom_kill"], 0)
        if group.version == 2:
            group.write("memory.swap.max", 0)
        victim = [build("c", "plain", "cgcause"), "anon", 256 << 20]

        def enter_as_first_choice():
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as f:
                f.write("1000")
            group.enter()

        ended = subprocess.run([str(a) for a in victim], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               preexec_fn=enter_as_first_choice, timeout=60, check=False).returncode
        equal("end of the victim", ended, -signal.SIGKILL)
        equal("kills after", ullage_json("map", target.pid)["cgroup"]["events"]["oom_kill"], 1)
