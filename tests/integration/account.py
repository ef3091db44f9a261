# SPDX-License-Identifier: Apache-2.0
"""The account that `ullage map` gives of a Go process: its fields, and how it is held against the truth."""
import collections
import datetime
import os
import sys
import time

from common import *

BYTES = "int"
UNKNOWN = "int?"
SCHEMA = {
    "schema": "str", "pid": "int", "comm": "str", "exe": "str", "time": "str", "elapsed_ms": "number",
    "stopped_ms": "number", "error_bound_bytes": BYTES, "rss_bytes": BYTES, "swap_bytes": BYTES,
    "pss_bytes": UNKNOWN, "unexplained_bytes": BYTES, "returnable_bytes": BYTES,
    "go": {
        "version": "str", "module": "str?", "vcs_revision": "str?", "build_id": "str?", "stripped": "bool",
        "pie": "bool", "cgo": "bool", "experiments": ["str"], "godebug": "dict"},
    "integrity": {
        "exe_matches_disk": "bool?", "text_modified_bytes": BYTES, "probes": "int",
        "foreign_exec_mappings": ["any"], "preloaded": ["str"]},
    "classes": [{
        "class": "str", "resident_bytes": BYTES, "virtual_bytes": BYTES, "swap_bytes": BYTES, "huge_bytes": BYTES,
        "lazyfree_bytes": BYTES}],
    "runtime": {
        "heap_alloc_bytes": BYTES, "heap_inuse_bytes": BYTES, "heap_idle_bytes": BYTES,
        "heap_released_bytes": BYTES, "heap_objects": "int", "stack_inuse_bytes": BYTES,
        "total_alloc_bytes": BYTES, "mallocs": "int", "frees": "int", "gc_percent": "int", "memory_limit_bytes": UNKNOWN, "gomaxprocs": "int",
        "cpu_quota": "number?", "goroutines": "int", "goroutines_by_status": "dict", "threads": "int"},
    "gc": {
        "count": "int", "forced": "int", "last": "str?", "phase": "str", "interval_seconds": "number?",
        "pause_p50_ms": "number?", "pause_p99_ms": "number?", "pause_total_ms": "number", "cpu_fraction": "number",
        "heap_goal_bytes": UNKNOWN, "heap_marked_bytes": BYTES},
    "cgroup": {
        "version": "int", "path": "str", "limit_bytes": UNKNOWN, "limit_path": "str?", "high_bytes": UNKNOWN,
        "usage_bytes": UNKNOWN, "working_set_bytes": UNKNOWN, "swap_bytes": UNKNOWN, "headroom_bytes": UNKNOWN,
        "events": "dict", "stat": {
            "anon": UNKNOWN, "file": UNKNOWN, "inactive_file": UNKNOWN, "shmem": UNKNOWN, "kernel": UNKNOWN,
            "slab": UNKNOWN, "sock": UNKNOWN, "pagetables": UNKNOWN, "percpu": UNKNOWN},
        "processes": [{"pid": "int", "comm": "str", "go": "bool?", "rss_bytes": BYTES}],
        "balance": [{"step": "str", "bytes": BYTES}], "unexplained_bytes": UNKNOWN},
    "address_space": {
        "span_bytes": BYTES, "regions": "int", "gaps": "int", "mean_gap_bytes": BYTES, "page_table_bytes": BYTES,
        "vma_limit_ratio": "number"},
    "owners": [{"class": "str", "owner": "str", "resident_bytes": BYTES}],
    "notes": ["str"],
}
TYPES = {"int": int, "number": (int, float), "str": str, "bool": bool, "dict": dict, "any": object}

# Field of the account, in parts and names, and of runtime.MemStats; times the factor.
MEMSTATS = [
    ("runtime", "heap_alloc_bytes", "HeapAlloc", 1), ("runtime", "heap_inuse_bytes", "HeapInuse", 1),
    ("runtime", "heap_idle_bytes", "HeapIdle", 1), ("runtime", "heap_released_bytes", "HeapReleased", 1),
    ("runtime", "heap_objects", "HeapObjects", 1), ("runtime", "stack_inuse_bytes", "StackInuse", 1),
    ("runtime", "total_alloc_bytes", "TotalAlloc", 1), ("runtime", "mallocs", "Mallocs", 1),
    ("runtime", "frees", "Frees", 1), ("gc", "count", "NumGC", 1), ("gc", "forced", "NumForcedGC", 1),
    ("gc", "pause_total_ms", "PauseTotalNs", 1e-6), ("gc", "cpu_fraction", "GCCPUFraction", 1),
    ("gc", "heap_goal_bytes", "NextGC", 1),
]


def check_schema(value, schema=None, name="the account"):
    """Every field of the contract is there and has its type."""
    schema = SCHEMA if schema is None else schema
    if isinstance(schema, dict):
        check(isinstance(value, dict), f"{name} is {value!r}, not an object")
        for key, part in schema.items():
            check(key in value, f"{name} lacks {key}")
            check_schema(value[key], part, f"{name}.{key}")
    elif isinstance(schema, list):
        check(isinstance(value, list), f"{name} is {value!r}, not a list")
        for i, row in enumerate(value):
            check_schema(row, schema[0], f"{name}[{i}]")
    elif value is not None or not schema.endswith("?"):
        right = isinstance(value, TYPES[schema.rstrip("?")]) and (schema == "bool" or schema == "bool?" or
                                                                  not isinstance(value, bool))
        check(right, f"{name} is {value!r}, not {schema}")


def classes(account):
    """Resident bytes by class; 0 for one that is not listed."""
    return collections.defaultdict(int, ((r["class"], r["resident_bytes"]) for r in account["classes"]))


def owners(account, name):
    """Resident bytes by owner, of one class."""
    return {r["owner"]: r["resident_bytes"] for r in account["owners"] if r["class"] == name}


def check_moving(account):
    """Of a target that moved: what does not add up is told, with its sign, and the bound covers it."""
    held = sum(r["resident_bytes"] for r in account["classes"] if r["class"] != "unexplained")
    equal("classes and unexplained", held + account["unexplained_bytes"], account["rss_bytes"])
    check(abs(account["unexplained_bytes"]) <= account["error_bound_bytes"], "the error bound is too small")


def check_complete(account):
    """The classes add up to Rss, and each list of owners to its class."""
    check_schema(account)
    account_adds_up(account)
    equal("unexplained", account["unexplained_bytes"], 0)
    equal("class unexplained", classes(account)["unexplained"], 0)
    for name, resident in classes(account).items():
        listed = sum(owners(account, name).values())
        check(listed in (0, resident), f"the owners of {name} hold {listed}, not {resident}")


def check_counters(account):
    """What was added up span by span is what the runtime counted."""
    runtime = account["runtime"]
    equal("heap_inuse", runtime["heap_inuse_bytes"], runtime["heap_inuse_counter_bytes"])
    equal("stack_inuse", runtime["stack_inuse_bytes"], runtime["stack_inuse_counter_bytes"])
    held = sum(v for k, v in classes(account).items() if k in ("go.heap.live", "go.heap.dead"))
    check(held <= runtime["heap_alloc_bytes"], f"{held} bytes of objects are resident, more than were allocated")
    equal("goroutines by status", sum(account["runtime"]["goroutines_by_status"].values()), runtime["goroutines"])


def check_memstats(account, stats, tolerance=0.005):
    """The target's own runtime.MemStats; returns (the worst relative error, its field)."""
    errors = [(close(name, account[part][ours], stats[name] * factor, tolerance), name)
              for part, ours, name, factor in MEMSTATS]
    last = stats["LastGC"] / 1e9
    if last:
        told = datetime.datetime.fromisoformat(account["gc"]["last"].replace("Z", "+00:00")).timestamp()
        check(abs(told - last) < 0.002, f"the last GC was at {last}, not at {told}")
    return max(errors)


def left_alone(pid):
    """What must be the same before and after: pages, page tables, state, tracer."""
    return {name: status(pid, name) for name in ("VmRSS", "VmPTE", "VmSwap", "State", "TracerPid")}


def processor_time(pid):
    """Nanoseconds that the threads of a process have run."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def runnable(pid):
    """Does a thread run, or wait for a processor? On a loaded machine that may take long, and no time passes for it."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8", errors="replace") as f:
            if f.read().rsplit(")", 1)[1].split()[0] == "R":
                return True
    return False


def wait_until_idle(target):
    """Start-up, the first use of a command and the runtime's clearing up are over."""
    target.stats()
    quiet, last = 0, -1
    for _ in range(200):
        now = processor_time(target.pid)
        quiet = quiet + 1 if now == last and not runnable(target.pid) else 0
        if quiet == 3:
            return
        last = now
        time.sleep(0.04)
    raise AssertionError("the target does not become idle")


def settle(target):
    """No thread of a target that answers nothing runs any more."""
    last = -1
    for _ in range(100):
        now = processor_time(target.pid)
        if now == last and not runnable(target.pid):
            return
        last = now
        time.sleep(0.1)


MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(*arguments):
    """Run the tool; (its standard output, the most memory it had resident)."""
    # before its exec a process counts as large as the one that started it: so that is a small one
    result = run([sys.executable, "-S", "-E", "-c", MEASURE, ULLAGE, *arguments])
    equal("status", result.status, 0)
    return result.out, int(result.err.split()[-1]) * 1024
