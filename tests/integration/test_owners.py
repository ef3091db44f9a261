# SPDX-License-Identifier: Apache-2.0
"""Who holds what: functions for the heap and stacks, packages for code, libraries, threads."""
import os
import re

from account import *

HEAP = 64 << 20
SHARES = {"main.fillSlices": 0.3, "main.fillList": 0.2, "main.fillLarge": 0.2}
SESSIONS = ["main.newSession", "main.fillSessions", "strconv.FormatInt", "internal/strconv.FormatInt",
            "strconv.Itoa", "internal/strconv.Itoa"]


def start(version, variant, *args):
    return go_target(version, variant, "-heap", HEAP, "-goroutines", 400, *args)


@test(each=[("1.19", "cgopie"), ("1.22", "stripped"), ("1.24", "nosect"), ("1.26", "pie"), ("1.27", "cgopie"),
            ("1.25", "nobuildinfo")])
def allocation_sites(version, variant):
    """Every allocation is sampled, so that chance has no part in the shares of the known mixture."""
    with start(version, variant, "-profrate", 1) as target:
        wait_until_idle(target)
        account = ullage_json("map", target.pid)
        check_complete(account)
        live, total = owners(account, "go.heap.live"), classes(account)["go.heap.live"]
        # what is not resident is taken from all sites alike, so shares are what can be compared
        for name, share in SHARES.items():
            error = relative_error(live.get(name, 0), total * share)
            figure("error of allocation sites", name, f"{version} {variant}", error)
            check(error < 0.08, f"{name} holds {live.get(name, 0)} of {total}, not {share:.0%}")
        sessions = sum(live.get(name, 0) for name in SESSIONS)
        figure("error of allocation sites", "sessions", f"{version} {variant}", relative_error(sessions, total * 0.3))
        close("the sessions", sessions, total * 0.3, 0.15)
        rest = live.get("(not sampled)", 0)
        check(rest < total * 0.1, f"{rest} of {total} bytes have no site")


@test
def the_rest_is_not_sampled():
    """At the usual rate the sites are an estimate, and a row holds what they do not cover."""
    with start("1.24", "stripped") as target:
        wait_until_idle(target)
        account = ullage_json("map", target.pid)
        check_complete(account)
        live = owners(account, "go.heap.live")
        close("main.fillLarge", live["main.fillLarge"], HEAP * 0.2, 0.4)
        equal("sum", sum(live.values()), classes(account)["go.heap.live"])


@test(each=[("truth", "-profrate=0"), ("minimal", "")])
def without_a_profile(name, option):
    """Switched off (what was sampled before stays), and not linked in at all."""
    with go_target("1.24", "stripped", option, program=name) as target:
        account = ullage_json("map", target.pid)
        check_complete(account)
        rest = owners(account, "go.heap.live")["(not sampled)"]
        check(rest > classes(account)["go.heap.live"] * 0.8, f"only {rest} bytes are not sampled")
        check(any("sampl" in note or "profil" in note for note in account["notes"]), "no note says why")


@test(each=[(v, "cgopie") for v in VERSIONS])
def creators_of_goroutines(version, variant):
    with start(version, variant) as target:
        account = ullage_json("map", target.pid)
        stacks = owners(account, "go.stack.inuse")
        check(stacks["main.startGoroutines"] > 400 * 2048 * 0.9, f"only {stacks['main.startGoroutines']} bytes")
        check(max(stacks, key=stacks.get) == "main.startGoroutines", "it does not lead")


@test
def threads_and_libraries():
    with start("1.24", "cgopie", "-threads", 10, "-cgo-malloc", 8 << 20) as target:
        account = ullage_json("map", target.pid)
        tasks = os.listdir(f"/proc/{target.pid}/task")
        stacks = owners(account, "c.stack")
        for task in tasks:
            named = [owner for owner in stacks if re.search(rf"\b{task}\b", owner)]
            check(named or int(task) == target.pid, f"thread {task} has no stack")
        check("main thread" in stacks, "the stack of the main thread is missing")
        for name in ("file.text", "file.data"):
            check(any(owner.startswith("libc.so") for owner in owners(account, name)), f"libc is not in {name}")


@test(each=[("1.19", "stripped"), ("1.22", "plain"), ("1.24", "cgopie"), ("1.27", "cgopie")])
def packages_of_code(version, variant):
    with start(version, variant) as target:
        text = owners(ullage_json("map", target.pid), "file.text")
        for package in ("runtime", "main", "strconv"):
            check(any(owner == package or owner == "internal/" + package for owner in text), f"{package} is missing")
        check(max(text, key=text.get) != "(between functions)", "the code is not divided")


@test
def packages_of_data():
    """With symbols, the packages that hold the Go image's data."""
    with start("1.24", "plain") as target:
        data = owners(ullage_json("map", target.pid), "go.data")
        check(data.get("runtime", 0) > 16384, f"runtime holds {data.get('runtime')}")
        check("main" in data, "main is missing")
