# SPDX-License-Identifier: Apache-2.0
"""Reachable bytes against the collector's own heapMarked; garbage before it is collected; heaps that move."""
from reach_cases import *

HEAP = 24 << 20


@test(each=[(v, "stripped") for v in VERSIONS] + [("1.22", "noallocheaders"), ("1.25", "greentea"), ("1.26", "nogreentea"),
            ("1.24", "cgopie"), ("1.21", "arenas"), ("1.27", "arenas")])
def objects_of_all_shapes(version, variant):
    after_a_collection(version, variant, "-heap", HEAP)


@test(each=["1.19", "1.26"])
def a_heap_of_a_megabyte(version):
    after_a_collection(version, "stripped", "-heap", 1 << 20)


@test(each=["1.21", "1.27"])
def a_map_and_a_list_of_nodes(version):
    after_a_collection(version, "stripped", "-nodes", 100000, program="hp")


@test(each=VERSIONS)
def garbage_is_told_before_it_is_collected(version):
    """Half of the knots are dropped while the collector is off: what the walk finds, the next collection marks."""
    with go_target(version, "stripped", "-heap", HEAP, program="web") as target:
        before = owners_of(target)
        target.ask("drop")
        target.read_line()
        dropped = owners_of(target)
        target.ask("gc")
        settle(target)  # finalizers of what was dropped run, and allocate
        after = owners_of(target)
    check(dropped["reachable_bytes"] < before["reachable_bytes"] * 0.75, "dropping made no garbage")
    check(dropped["floating_bytes"] > before["reachable_bytes"] * 0.25, "the garbage does not float")
    close("reachable", dropped["reachable_bytes"], after["heap_marked_bytes"], 0.002)
    check_reach(after, f"{version} dropped")


@test(each=[("1.19", ""), ("1.23", "--stop"), ("1.26", ""), ("1.27", "--stop=full")])
def a_heap_that_churns(version, stop):
    """Two goroutines allocate without end and hold little: what is reachable stays what was built before."""
    with go_target(version, "stripped", "-heap", HEAP, program="web") as target:
        still = owners_of(target)["reachable_bytes"]
    with go_target(version, "stripped", "-heap", HEAP, "-churn", 2, program="web") as target:
        for _ in range(3):
            seen = owners_of(target, *([stop] if stop else []))
            figure("reachable while it churns, of what it is without", f"{version} {stop}", "",
                   seen["reachable_bytes"] / still)
            close("reachable", seen["reachable_bytes"], still, 0.05)
            if stop == "--stop=full":
                equal("inconsistencies", seen["inconsistencies"], 0)
