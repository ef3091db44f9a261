# SPDX-License-Identifier: Apache-2.0
"""Goroutines of live processes: their stacks are what runtime.Stack prints, and the target is not stopped."""
import json
import re
import resource

from ullagetest import *

HEADER = re.compile(r"goroutine (\d+)(?: gp=\S+)?(?: m=\S+)?(?: mp=\S+)? \[([^\]]*)\]:")
PLACE = re.compile(r"\t(.*):(\d+)(?: \+0x[0-9a-f]+)?$")
ELIDED = re.compile(r"\.\.\.(\d+ frames|additional frames) elided\.\.\.")


def function_of(line):
    """The name in "main.(*server).recv(0xc000012345, {0x1, 0x2})": without the arguments."""
    depth = 0
    for i in range(len(line) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(line[i], 0)
        if depth == 0:
            return line[:i]
    return line


def parse_dump(text):
    """{goroutine: (state, [(function, file, line)...], created by)} of what runtime.Stack printed; None: some left out."""
    goroutines = {}
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        head = HEADER.match(lines[0])
        frames, created, i = [], None, 1
        while i < len(lines):
            if ELIDED.match(lines[i]):
                frames.append(None)
                i += 1
                continue
            place = PLACE.match(lines[i + 1])
            where = (place[1], int(place[2]))
            if lines[i].startswith("created by "):
                created = (re.sub(r" in goroutine \d+$", "", lines[i][len("created by "):]), *where)
            else:
                frames.append((function_of(lines[i]), *where))
            i += 2
        goroutines[int(head[1])] = (head[2], frames, created)
    return goroutines


def live(pid):
    return ullage_json("goroutines", pid, "--group", "none", "--system", "--top", "1000000")


def place_of(frame):
    return frame and (frame["function"], frame["file"], frame["line"])


def stack_of(group):
    return [place_of(f) for f in group["stack"]]


def same_stack(ours, theirs):
    """Whether our frames are theirs; of a stack whose middle or end they left out, what they printed of it."""
    if None not in theirs:
        silent = len(theirs) > 90  # to 1.20 it ends after 100 frames, hidden ones included, without a word
        return ours[:len(theirs)] == theirs if silent else ours == theirs
    cut = theirs.index(None)
    head, tail = theirs[:cut], theirs[cut + 1:]
    return ours[:len(head)] == head and (not tail or ours[-len(tail):] == tail)


def first_difference(ours, theirs):
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return f"frame {at} of {len(ours)}, {len(theirs)}: {ours[at:at + 2]} is not {theirs[at:at + 2]}"


def states_agree(group, state):
    words = state.split(", ")
    name = re.sub(r" \((leaked|scan|durable)\)", "", words[0])
    mine = group["wait_reason"] if group["state"] == "waiting" else group["state"]
    return (name == (mine or "waiting") and ("locked to thread" in words) == ("locked_to_thread" in group["flags"])
            and ("(durable)" in words[0]) == ("durable" in group["flags"]))


def compare(target):
    """Compare every goroutine but the one that prints; gives how many there were, and what differs."""
    theirs = parse_dump(json.loads(target.ask("stacks")))
    document = live(target.pid)
    ours = {g["id"]: g for g in document["groups"] if "system" not in g["flags"]}
    differences = []
    for goroutine, (state, frames, created) in theirs.items():
        if state.startswith("running"):
            continue
        group = ours.get(goroutine)
        if not group:
            differences.append(f"{goroutine} is missing")
        elif not same_stack(stack_of(group), frames):
            differences.append(f"{goroutine} [{state}]: {first_difference(stack_of(group), frames)}")
        elif place_of(group["created_by"]) != created and goroutine != 1:
            differences.append(f"{goroutine}: created by {group['created_by']}, not {created}")
        elif not states_agree(group, state):
            differences.append(f"{goroutine}: {group['state']} {group['wait_reason']} {group['flags']}, not {state}")
    equal("goroutines", sorted(ours), sorted(theirs))
    equal("goroutines_total", document["goroutines_total"], int(target.ask("total")))
    return len(theirs), differences, ours


@test(each=[(v, "stripped") for v in VERSIONS] + [("1.19", "cgopie"), ("1.24", "cgo"), ("1.27", "cgopie")])
def stacks_are_those_of_runtime_stack(version, variant):
    with go_target(version, variant, program="gor") as target:
        count, differences, _ = compare(target)
        figure("goroutines compared with runtime.Stack", version, variant, count)
        figure("goroutines that differ", version, variant, len(differences))
        if differences:
            raise AssertionError(f"{len(differences)} of {count} goroutines differ: " + "\n".join(differences[:5]))




@test(each=["1.25", "1.27"])
def bubbles_are_told(version):
    env = dict(os.environ, GODEBUG="asynctimerchan=0")  # a bubble needs the new timers
    with go_target(version, "stripped", "bubble", program="gor", env=env) as target:
        _, differences, ours = compare(target)
        equal("differences", differences, [])
        bubble = [g for g in ours.values() if "bubble" in g["flags"]]
        durable = sorted(g["wait_reason"] for g in bubble if "durable" in g["flags"])
        check({"chan receive", "select", "sync.Cond.Wait", "sync.WaitGroup.Wait"} <= set(durable), f"{durable}")
        check(any(g["state"] == "syscall" for g in bubble), "one of them is in a system call")


@test(each=["1.19", "1.23", "1.24", "1.27"])
def labels_descriptors_and_flags_are_those_of_the_target(version):
    with go_target(version, "stripped", program="gor") as target:
        target.gc()
        target.gc()
        time.sleep(0.2)  # so that the one that answers waits for its input again
        groups = live(target.pid)["groups"]
        labels = [g["labels"] for g in groups if g["labels"]]
        check({"tenant": "blue", "path": "/v1/users"} in labels, f"labels are {labels}")
        check({f"key{10 + i}": f"value{i}" for i in range(20)} in labels, f"labels are {labels}")
        equal("goroutines with labels", len(labels), 2)
        types = {f["function"]: g["wait_type"] for g in groups for f in g["stack"][:1]}
        equal("types", [types[f"main.{f}"] for f in
                        ("(*server).recv", "(*server).send", "(*pair[...]).get", "(*server).choose", "pipeRead")
                        if f"main.{f}" in types], ["string", "[64]uint8", "[]int", None])
        polled = [g for g in groups if g["wait_reason"] == "IO wait"]
        equal("in IO wait", len(polled), 4)
        for g in polled:
            socket_name = os.readlink(f"/proc/{target.pid}/fd/{g['fd']}")
            check(socket_name.startswith("socket:"), f"descriptor {g['fd']} is {socket_name}")
        equal("descriptors", len({g["fd"] for g in polled}), 4)
        ends = sorted(re.sub(r":\d+", "", g["peer"]) for g in polled)
        equal("peers", ends, ["tcp 127.0.0.1"] * 2 + ["tcp 127.0.0.1 LISTEN"] * 2)
        equal("with a deadline", sum("deadline" in g["flags"] for g in polled), 1)
        equal("without a deadline", sum("no_deadline" in g["flags"] for g in polled), 3)
        waiting = [g for g in groups if g["state"] == "waiting" and "system" not in g["flags"]]
        unknown = [g["id"] for g in waiting if g["wait_seconds"]["min"] is None]
        equal("without a wait time, after two GCs", unknown, [])
        in_syscall = [g for g in groups if g["state"] == "syscall"]
        check(any(f["function"] == "main.pipeRead" for g in in_syscall for f in g["stack"]), "pipeRead is in a syscall")


@test(each=["1.19", "1.27"])
def wait_times_are_lower_bounds(version):
    """A GC that sees a goroutine wait notes the end of the GC before: that is no bound, the end of its own is."""
    def waits(target, function):
        return [g["wait_seconds"]["min"] for g in live(target.pid)["groups"]
                if any(f["function"] == function for f in g["stack"])]

    with go_target(version, "stripped", program="gor") as target:
        equal("wait times before a GC", waits(target, "main.(*server).waitGroup"), [None])
        target.gc()
        time.sleep(2)
        started = time.monotonic()
        target.ask("many 1")  # this waits for a second before it answers
        target.gc()
        ended = time.monotonic()
        time.sleep(1)
        asked = time.monotonic()
        [old] = waits(target, "main.(*server).waitGroup")
        young = [g["wait_seconds"]["min"] for g in live(target.pid)["groups"]
                 if g["created_by"] and g["created_by"]["function"] == "main.serve"]
        now = time.monotonic()
        within("of one that waits since the start", old, asked - ended - 0.05, now - started + 0.05)
        within("of one that waits for two seconds", young[0], asked - ended - 0.05, now - started)
        equal("goroutines that were made", len(young), 1)


@test(each=["1.19", "1.27"])
def stacks_of_what_moves_are_never_torn(version):
    """Each of these stacks has as many frames, of two sizes: a mixture of two moments would show."""
    with go_target(version, "stripped", program="gor") as target:
        target.ask("churn")
        whole = moving = 0
        for _ in range(5):
            for g in live(target.pid)["groups"]:
                if not g["created_by"] or g["created_by"]["function"] != "main.churn":
                    continue
                functions = [f["function"] for f in g["stack"]]
                if len(functions) == 1 and functions[0].startswith("main.churn."):
                    continue  # the one that wakes the others, or one that has not begun
                if "moving" in g["flags"]:
                    equal("stack of what moves", functions, [])
                    moving += 1
                    continue
                hops = [f for f in functions if f in ("main.left", "main.right")]
                others = {f for f in functions} - {"main.left", "main.right", "main.turn", "main.churn.func1"}
                check("cut" not in g["flags"] and not others, f"{functions} {g['flags']} {g['state']}")
                within("depth", len(hops), 24 if g["wait_reason"] == "chan receive" else 0, 24)
                whole += 1
        figure("stacks of goroutines that never stand still", version, "whole", whole)
        figure("stacks of goroutines that never stand still", version, "not taken", moving)
        check(whole > 1000, f"only {whole} stacks could be taken")


@test(each=["1.24"], timeout=120)
def a_hundred_thousand_goroutines_take_little(version):
    with go_target(version, "stripped", "ticking", program="gor") as target:
        target.ask("many 100000", timeout=100)
        target.ask("gap")
        time.sleep(0.3)
        quiet = int(target.ask("gap"))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        document = ullage_json("goroutines", target.pid)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = int(target.ask("gap"))
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        equal("goroutines_total", document["goroutines_total"], int(target.ask("total")))
        figure("CPU seconds for 100,000 goroutines", version, "all", cpu)
        figure("longest pause of the target, ms", version, "alone", quiet / 1e6)
        figure("longest pause of the target, ms", version, "while read", busy / 1e6)
        check(cpu < 2, f"{cpu} s of CPU")


def against_endpoint(name, theirs, ours):
    """Compare with what the program itself says at /debug/pprof; what went on in between is left out."""
    compared, differences = 0, []
    for goroutine, (state, frames, created) in theirs.items():
        group = ours.get(goroutine)
        if not group or not states_agree(group, state) or "moving" in group["flags"]:
            continue
        compared += 1
        if not same_stack(stack_of(group), frames):
            differences.append(f"{goroutine}: {first_difference(stack_of(group), frames)}")
        elif goroutine != 1 and place_of(group["created_by"]) != created:
            differences.append(f"{goroutine}: created by {group['created_by']}, not {created}")
    figure("goroutines of real programs", name, "compared", compared)
    figure("goroutines of real programs", name, "different", len(differences))
    equal("differences", differences, [])
    check(compared * 10 >= len(theirs) * 8, f"{compared} of {len(theirs)} stood still")


@test(each=PROGRAMS, timeout=120, tries=2)
def stacks_of_real_programs_are_whole_and_theirs(name):
    with Program(name) as program:
        time.sleep(0.5)
        theirs = parse_dump(program.fetch("goroutine?debug=2")) if program.pprof else None
        groups = live(program.pid)["groups"]
        moving = [g for g in groups if "moving" in g["flags"]]
        cut = [g for g in groups if "cut" in g["flags"]]
        figure("goroutines of real programs", name, "all", len(groups))
        figure("goroutines of real programs", name, "moving", len(moving))
        equal("stacks that do not reach their end", [stack_of(g)[-1:] for g in cut], [])
        empty = [g["id"] for g in groups if not g["stack"] and g not in moving]
        equal("stacks without a frame", empty, [])
        if theirs:
            against_endpoint(name, theirs, {g["id"]: g for g in groups})
