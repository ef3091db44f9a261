# SPDX-License-Identifier: Apache-2.0
"""Timers of live processes: as many of each kind as the target made."""
import collections
import resource

from ullagetest import *

NUMBERS = {"after": 211, "method": 101, "waited": 47, "idle": 31, "lost": 29, "sleep": 53, "context": 67, "conn": 17}
OLD, NEW, MIXED = "pre-1.23", "1.23", {"1.23", "1.24", "1.25", "1.26"}
CASES = [(v, None) for v in VERSIONS] + [(v, a) for v in sorted(MIXED) for a in (0, 1, 2)]


def timing(version, asynchronous=None, **numbers):
    counts = [numbers.get(name, 0) for name in NUMBERS]
    env = dict(os.environ)
    env.pop("GODEBUG", None)
    if asynchronous is not None:
        env["GODEBUG"] = f"asynctimerchan={asynchronous}"
    return go_target(version, "stripped", *counts, program="timing", env=env)


def by_callback(document):
    """{(kind, callback, holder, whole seconds between): count}, without the runtime's own."""
    found = collections.Counter()
    for t in document["timers"]:
        function = t["callback"]["function"]
        if function.startswith("runtime.") and t["kind"] == "other" and function != "runtime.goroutineReady":
            continue
        found[t["kind"], function, t["holder"], int(t["period_seconds"] or 0)] += t["count"]
    return found


def expected(document, n):
    """What must be there: a timer with a channel that nobody waits for is in no heap by the new rule."""
    idle = 0 if document["semantics"] == NEW else 1
    context_function = next((t["callback"]["function"] for t in document["timers"]
                             if t["callback"]["function"].startswith("context.")), "context.WithDeadline")
    return {key: count for key, count in {
        ("afterfunc", "main.afterFuncs.func1", None, 0): n["after"],
        ("afterfunc", "main.(*session).expire", None, 0): n["method"],
        ("timer", "time.sendTime", "main.waitOnce", 0): n["waited"],
        ("ticker", "time.sendTime", "main.waitTicking", 1800): n["waited"],
        ("timer", "time.sendTime", None, 0): n["idle"] * idle,
        ("ticker", "time.sendTime", None, 600): n["idle"] * idle,
        ("ticker", "time.sendTime", None, 1200): n["lost"] * idle,
        ("other", "runtime.goroutineReady", "main.sleepLong", 0): n["sleep"],
        ("deadline", context_function, None, 0): n["context"],
        ("deadline", "runtime.netpollReadDeadline", None, 0): n["conn"],
        ("deadline", "runtime.netpollWriteDeadline", None, 0): n["conn"],
    }.items() if count}


@test(each=CASES)
def numbers_are_those_the_target_made(version, asynchronous):
    with timing(version, asynchronous, **NUMBERS) as target:
        target.ask("gc")
        document = ullage_json("timers", target.pid)
        rule = NEW if version == "1.27" or version in MIXED and asynchronous in (0, 2) else OLD
        equal("semantics", document["semantics"], rule)
        equal("semantics_from", document["semantics_from"],
              "the runtime's variable" if version in MIXED else "the version")
        equal("timers", dict(by_callback(document)), expected(document, NUMBERS))
        equal("total", document["timers_total"], sum(t["count"] for t in document["timers"]))
        equal("complete", document["complete"], True)
        wrong = [t for t in document["timers"]
                 if t["collectable"] != (rule == NEW and t["callback"]["function"] == "time.sendTime")]
        equal("collectable against the rule", wrong, [])
        figure("timers counted exactly", version, asynchronous if asynchronous is not None else "default",
               document["timers_total"])


@test(each=["1.19", "1.22", "1.23", "1.27"])
def stopped_timers_do_not_count(version):
    with timing(version, after=1000, method=500) as target:
        equal("before", sum(by_callback(ullage_json("timers", target.pid)).values()), 1500)
        target.ask("stop")
        equal("after", sum(by_callback(ullage_json("timers", target.pid)).values()), 750)


@test
def text_names_callbacks_and_the_rule():
    with timing("1.24", 1, after=5000, waited=3) as target:
        text = ullage("timers", target.pid).out
        for words in ("5,006 timers", "as before Go 1.23", "main.afterFuncs.func1 main.go:", "main.waitTicking"):
            check(words in text, f"no '{words}' in {text}")


@test
def a_snapshot_shows_the_same():
    with timing("1.26", 1, **NUMBERS) as target:
        path = os.path.join(tempfile.mkdtemp(prefix="ullage-"), "timers.ullage")
        at_end(shutil.rmtree, os.path.dirname(path), True)
        ullage("snap", target.pid, "-o", path)
        live, saved = ullage_json("timers", target.pid), ullage_json("timers", path)
        equal("timers", by_callback(saved), by_callback(live))
        equal("semantics", saved["semantics"], live["semantics"])
        top = ullage_json("timers", path, "--top", 2)["timers"]
        equal("with --top", [t["count"] for t in top], [t["count"] for t in saved["timers"][:2]])


@test(each=["1.22", "1.26"])
def a_hundred_thousand_timers_take_little(version):
    with timing(version, 1, after=100000) as target:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        document = ullage_json("timers", target.pid)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        within("timers", document["timers_total"], 100000, 100010)
        figure("CPU seconds for 100,000 timers", version, "all", cpu)
        check(cpu < 2, f"{cpu} s of CPU")


@test(each=["prometheus-1.19", "prometheus-1.24", "etcd-1.24"], timeout=120)
def real_programs_have_timers(name):
    with Program(name) as program:
        time.sleep(1)
        document = ullage_json("timers", program.pid)
        figure("timers of real programs", name, "count", document["timers_total"])
        figure("timers of real programs", name, "semantics", document["semantics"])
        check(document["timers_total"] > 0, "no timer at all")
        for t in document["timers"]:
            check(t["callback"] and t["callback"]["function"], f"no callback: {t}")
        equal("semantics", document["semantics"], OLD)
