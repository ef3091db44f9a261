# SPDX-License-Identifier: Apache-2.0
"""An idle target of any version and variant: its account is exact. For test_exact and matrix_variants."""
import os
import tempfile

from account import *

HEAP = 64 << 20
GOROUTINES = 500
MAPPED = 16 << 20
MALLOCED = 24 << 20
FILE = 4 << 20
STRIPPED = set(VARIANTS) - {"plain", "cgo"}
PIE = {"pie", "cgopie"}
CGO = {"cgo", "cgopie"}


def has_variant(version, variant):
    """Whether this Go knows the GOEXPERIMENT of a variant; cheaper than a test that is skipped."""
    since = {"greentea": (25, 99), "nogreentea": (25, 99), "noallocheaders": (22, 22), "noswissmap": (24, 25),
             "norandheap": (26, 99), "arenas": (20, 99)}
    low, high = since.get(variant, (0, 99))
    return low <= int(version.split(".")[1]) <= high


def start(version, variant, **keywords):
    with tempfile.NamedTemporaryFile(prefix="ullage-mapped-", delete=False) as f:
        f.write(b"\xaa" * FILE)
    at_end(os.unlink, f.name)
    malloc = ["-cgo-malloc", MALLOCED] if variant in CGO else []
    return go_target(version, variant, "-heap", HEAP, "-goroutines", GOROUTINES, "-mmap", MAPPED, "-file", f.name,
                     *malloc, **keywords)


def check_image(account, version, variant):
    go = account["go"]
    check(go["version"].startswith(f"go{version}"), f"version {go['version']}")
    equal("stripped", go["stripped"], variant in STRIPPED)
    equal("pie", go["pie"], variant in PIE)
    equal("cgo", go["cgo"], variant in CGO)
    if variant != "nobuildinfo":
        equal("module", go["module"], "ullage.test/targets/truth")
    if "greentea" in variant or variant.startswith("no") and variant not in ("nosect", "nobuildinfo"):
        named = {"noallocheaders": "noallocheaders", "noswissmap": "noswissmap", "greentea": "greenteagc",
                 "nogreentea": "nogreenteagc", "norandheap": "norandomizedheapbase64"}[variant]
        if not (variant == "greentea" and int(version.split(".")[1]) > 25):  # the default since
            equal("experiments", go["experiments"], [named])
    equal("exe_matches_disk", account["integrity"]["exe_matches_disk"], True)
    equal("changed text", account["integrity"]["text_modified_bytes"], 0)


def check_known(account, variant):
    held = classes(account)
    equal("file.mapped", held["file.mapped"], FILE)
    within("mmap.anon", held["mmap.anon"], MAPPED, MAPPED + (1 << 20))
    malloced = held["c.heap"] + held["c.heap.inuse"] + held["c.heap.free"]
    if variant in CGO:
        within("c.heap", malloced, MALLOCED, MALLOCED + (1 << 20))
    else:
        equal("c.heap", malloced, 0)
    for name in ("go.data", "file.text", "go.meta.spans", "go.meta.caches", "go.meta.gc", "go.meta.profile",
                 "go.stack.inuse", "kernel"):
        check(held[name] > 0, f"{name} is 0")
    within("go.heap.live", held["go.heap.live"], HEAP * 0.8, HEAP * 1.2)


def idle(version, variant, **keywords):
    with start(version, variant, **keywords) as target:
        wait_until_idle(target)
        rss = rollup(target.pid)
        before = left_alone(target.pid)
        rows = [ullage_json("map", target.pid) for _ in range(3)]
        equal("the target after three runs", left_alone(target.pid), before)
        stats = target.stats()
        worst = max(check_memstats(account, stats) for account in rows)
        figure("unexplained bytes, idle", version, variant, rows[0]["unexplained_bytes"])
        figure("span sum against the runtime's counter, bytes", version, variant,
               rows[0]["runtime"]["heap_inuse_bytes"] - rows[0]["runtime"]["heap_inuse_counter_bytes"])
        figure("worst error of MemStats", version, variant, worst[0])
        for account in rows:
            check_complete(account)
            equal("rss", account["rss_bytes"], rss)
            check_counters(account)
            equal("goroutines", account["runtime"]["goroutines"], stats["NumGoroutine"])
            equal("goroutines of the target", stats["NumGoroutine"], GOROUTINES + 1)
            equal("threads", account["runtime"]["threads"], len(os.listdir(f"/proc/{target.pid}/task")))
            equal("stopped_ms", account["stopped_ms"], 0)
            equal("error bound", account["error_bound_bytes"], 0)
        check_image(rows[0], version, variant)
        check_known(rows[0], variant)
