# SPDX-License-Identifier: Apache-2.0
"""What test_cgroup.py runs in a virtual machine: cgroup v2, swap, and kernel 6.1, which has no PAGEMAP_SCAN."""
import os

import cgroup_cases
import fds_cases
from account import *


@test(each=list(cgroup_cases.CAUSES), tries=2)
def balance_names_the_cause(kind):
    cgroup_cases.cause(kind)


@test(tries=2)
def limit_of_an_ancestor():
    cgroup_cases.limit_of_an_ancestor()


@test(tries=2)
def an_out_of_memory_kill_is_counted():
    cgroup_cases.an_out_of_memory_kill_is_counted()


@test(each=["lives", "open"])
def cgroups_left_behind(how):
    fds_cases.cgroups_left_behind(how)


@test(each=["1.19", "1.27"], tries=2)
def idle_account_is_exact(version):
    with go_target(version, "cgopie", "-heap", 24 << 20, "-mmap", 4 << 20, "-cgo-malloc", 4 << 20) as target:
        wait_until_idle(target)
        rss, before = rollup(target.pid), left_alone(target.pid)
        account = ullage_json("map", target.pid)
        equal("the target afterwards", left_alone(target.pid), before)
        check_complete(account)
        check_counters(account)
        equal("rss", account["rss_bytes"], rss)
        check_memstats(account, target.stats())


@test(tries=2)
def what_is_in_swap_stays_there():
    with Cgroup() as group, go_target("1.24", "cgopie", "-heap", 48 << 20, "-mmap", 32 << 20, cgroup=group) as target:
        wait_until_idle(target)
        try:
            group.write("memory.reclaim", 48 << 20)
        except OSError:
            pass  # it could not reclaim all of it
        swapped = status(target.pid, "VmSwap")
        check(swapped > 8 << 20, f"only {swapped} bytes were swapped out")
        before = left_alone(target.pid)
        account = ullage_json("map", target.pid)
        equal("the target afterwards", left_alone(target.pid), before)
        equal("swap_bytes", account["swap_bytes"], swapped)
        equal("swap by class", sum(r["swap_bytes"] for r in account["classes"]), swapped)
        account_adds_up(account)
        equal("rss", account["rss_bytes"], rollup(target.pid))
        equal("swap of the cgroup", account["cgroup"]["swap_bytes"], int(group.read("memory.swap.current")))


@test
def reading_memory_leaves_swap_alone():
    unit_test = os.path.join(ROOT, "build", "src", "test_proc_mem")
    result = run(["env", "CMOCKA_MESSAGE_OUTPUT=TAP", unit_test], timeout=300)
    check("swapped_pages_are_left_there" in result.out + result.err, "the test of swapped pages did not run")
    check("# SKIP" not in result.out + result.err and result.status == 0, result.out + result.err)
