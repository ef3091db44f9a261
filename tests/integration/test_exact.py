# SPDX-License-Identifier: Apache-2.0
"""An idle target's account is exact: to the kilobyte for the kernel, to the byte for the runtime."""
import os

from idle import *

ALL_OF = ["1.22", "1.26"]
EXPERIMENTS = [("1.25", "greentea"), ("1.25", "nogreentea"), ("1.25", "noswissmap"),
               ("1.27", "nogreentea"), ("1.27", "norandheap")]
HARDEST = [(v, "cgopie") for v in VERSIONS if v not in ALL_OF]
CHOSEN = HARDEST + [(v, k) for v in ALL_OF for k in VARIANTS if has_variant(v, k)] + EXPERIMENTS


@test(each=CHOSEN, tries=2)
def idle_account(version, variant):
    idle(version, variant)


@test(each=["1.19", "1.27"])
def idle_account_in_other_namespaces(version):
    root_only()
    idle(version, "cgopie", wrapper=["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"])


@test(each=["1.19", "1.23", "1.27"])
def idle_account_after_half_is_freed(version):
    """Free spans, released pages, and spans with holes."""
    with start(version, "stripped") as target:
        equal("answer", target.ask("free"), "ok")
        wait_until_idle(target)
        account = ullage_json("map", target.pid)
        check_complete(account)
        check_counters(account)
        equal("rss", account["rss_bytes"], rollup(target.pid))
        check(classes(account)["go.heap.free"] > HEAP // 20, "no holes in the heap")
        worst = check_memstats(account, target.stats())
        figure("worst error of MemStats, half freed", version, "stripped", worst[0])


@test(each=["1.19", "1.24", "1.27"])
def idle_account_without_any_gc_goal(version):
    """GOGC=off; goroutines on threads of their own."""
    with go_target(version, "cgopie", "-heap", 8 << 20, "-gogc", "-1", "-threads", 20) as target:
        wait_until_idle(target)
        account = ullage_json("map", target.pid)
        check_complete(account)
        check_counters(account)
        equal("gc_percent", account["runtime"]["gc_percent"], -1)
        check(account["runtime"]["threads"] > 20, "threads are missing")
        check(classes(account)["c.stack"] > 20 * 4096, "the threads have no stacks")
