# SPDX-License-Identifier: Apache-2.0
"""Roots of the heap: their names, what each holds, goroutines that nobody can wake, finalizers."""
import time

from ullagetest import *

MIB = 1 << 20
STUCK = {"main.ask": 150, "main.request": 30, "main.start": 1}  # of the program stuck


def stuck(owners):
    return sum(row["count"] for row in owners["stuck"])


def root(owners, **wanted):
    """The one root with these members; a string is looked for in the member."""
    found = [r for r in owners["roots"]
             if all(text in (r.get(key) or "") for key, text in wanted.items())]
    check(len(found) == 1, f"{len(found)} roots have {wanted}")
    return found[0]


@test(each=[(v, "stripped") for v in VERSIONS] + [("1.19", "cgopie"), ("1.24", "plain"), ("1.26", "nogreentea")])
def who_is_stuck(version, variant):
    """Locks, channels, conditions, selects and those that wait for each other; none that somebody may still wake."""
    with go_target(version, variant, program="rooted") as target:
        owners = ullage_json("owners", target.pid, "--top", 1000)
        known = target.known()
        check(not owners["notes"], owners["notes"])
        for row in owners["stuck"]:
            equal("made in", row["created_by"]["function"], "main.startStuck")
        equal("stuck", stuck(owners), known["Stuck"])
        own = int(target.ask("leaks"))
        if own >= 0:
            equal("the runtime's own search", stuck(owners), own)
        figure("goroutines that nobody can wake", version, variant, stuck(owners))
        keeps = sum(row["retained_bytes"] for row in owners["stuck"])
        within("bytes that they keep", keeps, known["Payload"], known["Payload"] + 65536)


@test(each=[("1.19", "stripped"), ("1.22", "pie"), ("1.25", "stripped"), ("1.27", "stripped")])
def who_is_stuck_by_site(version, variant):
    with go_target(version, variant, program="stuck") as target:
        for option in [], ["--stop"], ["--stop=full"]:
            owners = ullage_json("owners", target.pid, *option)
            counts = {}
            for row in owners["stuck"]:
                site = row["created_by"]["function"]
                counts[site] = counts.get(site, 0) + row["count"]
            equal("stuck", counts, STUCK)


@test(each=[(v, "stripped") for v in VERSIONS])
def finalizers(version, variant):
    with go_target(version, variant, program="rooted") as target:
        owners = ullage_json("owners", target.pid)
        known, found = target.known(), owners["finalizers"]
        within("set", found["set"], known["Finalized"] + known["InCycles"], known["Finalized"] + known["InCycles"] + 3)
        equal("cycles", found["cycles"], known["InCycles"])
        equal("queued", found["queued"], known["Queued"])
        equal("blocked", found["blocked"], True)
        equal("at", found["at"], "main.blockInFinalizer")
        equal("resurrected", found["resurrected"], 0)
        within("cleanups", found["cleanups"], known["Cleanups"], known["Cleanups"] + 3)  # files have one since 1.25


@test(each=[("1.19", "stripped"), ("1.21", "pie"), ("1.22", "nosect"), ("1.23", "stripped"), ("1.24", "cgopie"),
            ("1.25", "stripped"), ("1.26", "pie"), ("1.27", "stripped")])
def globals_are_named_by_code(version, variant):
    """A stripped binary: the functions that refer to a variable say what it is for."""
    with go_target(version, variant, program="rooted") as target:
        owners = ullage_json("owners", target.pid, "--top", 10000)
        root(owners, kind="global", used_by="main.fillSessions")
        root(owners, kind="global", used_by="main.fillCache")
        root(owners, kind="global", used_by="main.fillDropped")
        holders = root(owners, kind="stack", name="main.holdInStack created by main.startHolders")
        equal("goroutines", holders["goroutines"], target.known()["Holders"])
        check(holders["file"].endswith("rooted/main.go") and holders["line"], "no place of the go statement")
        root(owners, kind="timer", name="main.startTimers.func1")
        root(owners, kind="finalizer", name="finalizer main.finalize")
        root(owners, kind="finalizer", name="waits to be finalized by main.blockInFinalizer")
        if target.known()["Cleanups"]:
            root(owners, kind="finalizer", name="cleanup main.clean")
        for name in "runtime.allgs", "runtime.allp", "runtime.allm":
            root(owners, kind="other", name=name)


@test(each=[(v, "stripped") for v in VERSIONS])
def what_each_root_retains(version, variant):
    with go_target(version, variant, program="rooted") as target:
        owners = ullage_json("owners", target.pid, "--top", 10000)
        for blocks, wanted in [(4, {"used_by": "main.fillSessions"}), (2, {"used_by": "main.fillCache"}),
                               (1, {"used_by": "main.fillDropped"}), (3, {"name": "main.holdInStack created by"}),
                               (1, {"name": "main.startTimers.func1"}), (1, {"name": "finalizer main.finalize"})]:
            close(str(wanted), root(owners, **wanted)["retained_bytes"], blocks * MIB, 0.01)
        several = [r for r in owners["roots"] if r["name"] == "(several roots)"]
        check(sum(r["retained_bytes"] for r in several) < MIB // 4, f"held by several: {several}")
        # the record of a goroutine, what it waits on, and its channel are its own, and not those of runtime.allgs
        waits = root(owners, name="main.holdOther created by")
        check(waits["retained_objects"] >= 3 * waits["goroutines"], waits)


@test(each=[("1.19", "plain"), ("1.24", "cgo"), ("1.27", "plain")])
def globals_are_named_by_symbol(version, variant):
    with go_target(version, variant, program="rooted") as target:
        owners = ullage_json("owners", target.pid, "--top", 10000)
        for name in "main.sessions", "main.cache", "main.dropped":
            root(owners, kind="global", name=name)


@test(each=[("1.19", "stripped"), ("1.22", "stripped"), ("1.24", "stripped"), ("1.27", "stripped")])
def what_is_dropped_floats(version, variant):
    """Reachable is what the last collection marked; what was let go since is garbage, without another collection."""
    with go_target(version, variant, program="rooted") as target:
        before = ullage_json("owners", target.pid)
        error = before["reachable_bytes"] - before["heap_marked_bytes"]
        figure("reachable less marked, bytes", version, variant, error)
        check(abs(error) <= 65536, f"{error} bytes more than the collector marked")
        target.ask("garbage")
        after = ullage_json("owners", target.pid)
        close("dropped", before["reachable_bytes"] - after["reachable_bytes"], MIB, 0.01)


@test(each=[("1.19", "stripped"), ("1.21", "pie"), ("1.22", "stripped"), ("1.23", "pie"), ("1.24", "cgopie"),
            ("1.25", "stripped"), ("1.26", "stripped"), ("1.27", "pie")])
def what_a_stack_no_longer_needs_floats(version, variant):
    """The stack maps of functions tell which words are alive: old pointers that still lie there hold nothing."""
    with go_target(version, variant, program="rooted") as target:
        before = ullage_json("owners", target.pid)
        target.ask("stale")
        after = ullage_json("owners", target.pid)
        grown = after["reachable_bytes"] - before["reachable_bytes"]
        figure("reachable because of stale pointers, bytes", version, variant, grown)
        check(grown < MIB // 2, f"{grown} bytes are reachable from words that are not alive")
        close("floating", after["floating_bytes"] - before["floating_bytes"], 4 * MIB, 0.01)
