# SPDX-License-Identifier: Apache-2.0
"""Large targets: right, and in little memory of our own."""
import json
import re
import time

from account import *

ALONE = True  # a heap of 8 GiB
OWN = 32 << 20


def check_own_memory(name, rss, peak):
    allowed = OWN + rss // 200
    figure("memory of ullage, MiB", name, "peak", peak / (1 << 20))
    figure("memory of ullage, MiB", name, "allowed", allowed / (1 << 20))
    check(peak <= allowed, f"{peak} bytes were used for a target of {rss}, {allowed} allowed")


def large_account(name, target):
    before = left_alone(target.pid)
    text, peak = peak_memory("map", target.pid, "--json")
    account = json.loads(text)
    equal("the target afterwards", left_alone(target.pid), before)
    check_complete(account)
    check_counters(account)
    equal("rss", account["rss_bytes"], rollup(target.pid))
    figure("memory of ullage, MiB", name, "target", account["rss_bytes"] / (1 << 20))
    figure("memory of ullage, MiB", name, "took ms", account["elapsed_ms"])
    check_own_memory(name, account["rss_bytes"], peak)
    return account


@test(each=["1.19", "1.27"], tries=2)
def twenty_thousand_mappings(version):
    with go_target(version, "stripped", "-maps", 20000) as target:
        wait_until_idle(target)
        account = large_account(f"20,000 mappings, go{version}", target)
        within("mmap.anon", classes(account)["mmap.anon"], 20000 * 4096, 20000 * 4096 + (1 << 20))


@test(each=["1.19", "1.27"], tries=2)
def a_hundred_thousand_goroutines(version):
    with go_target(version, "stripped", "-goroutines", 100000, program="big") as target:
        settle(target)
        account = large_account(f"100,000 goroutines, go{version}", target)
        equal("goroutines", account["runtime"]["goroutines"], 100001)
        equal("waiting", account["runtime"]["goroutines_by_status"]["waiting"], 100000)
        stacks = owners(account, "go.stack.inuse")
        close("stacks of two kinds", stacks["main.startOne"] / stacks["main.startTwo"], 2, 0.05)
        check(stacks["main.startOne"] + stacks["main.startTwo"] > 100000 * 2048 * 0.95, "stacks are missing")


@test(each=["1.24"], timeout=300, tries=2)
def a_heap_of_8_gib(version):
    with open("/proc/meminfo", encoding="ascii") as f:
        available = int(re.search(r"^MemAvailable:\s+(\d+)", f.read(), re.M).group(1)) * 1024
    if available < 10 << 30:
        skip(f"10 GiB of memory are needed, {available >> 30} are there")
    with go_target(version, "stripped", "-heap", 8 << 30, program="big", ready_timeout=200) as target:
        settle(target)
        account = large_account("heap of 8 GiB", target)
        within("go.heap.live", classes(account)["go.heap.live"], 8 << 30, (8 << 30) * 1.01)


@test
def a_heap_of_small_objects():
    """Many spans and many sites: what is kept of each counts."""
    with go_target("1.27", "stripped", "-heap", 512 << 20, "-object", 24, program="big") as target:
        settle(target)
        account = large_account("heap of small objects", target)
        check(account["runtime"]["spans"] > 50000, "too few spans for this test")
