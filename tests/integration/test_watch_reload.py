# SPDX-License-Identifier: Apache-2.0
"""`ullage watch` gets another configuration while incidents and actions are under way."""
from receiver import *
from watching import *


def policies(group, *rows):
    """A configuration; each row is (name, mode, [(name of an action, its URL)], whom). Its targets have long taken a MiB."""
    text = f"targets: [{{cgroup: '{group.name}'}}]\nsampling: {{discover: 500ms}}\npolicies:\n"
    for name, mode, hooks, *whom in rows:
        text += f"  - name: {name}\n    mode: {mode}\n    limit: 1MiB\n    match: {{name: {(whom or ['*'])[0]!r}}}\n    actions:\n"
        text += "".join(f"      - {{kind: webhook, name: {action}, url: '{url}', retries: 0}}\n" for action, url in hooks)
    return text


def eventually(what, found, want, timeout=60):
    end = time.monotonic() + timeout
    while found() != want and time.monotonic() < end:
        time.sleep(0.05)
    equal(what, found(), want)


def told(receiver):
    return [(i["policy"], i["status"]) for i in receiver.incidents()]


@test
def who_was_told_of_an_incident_is_told_its_end_when_another_policy_takes_over():
    receiver = Receiver(200)
    hooks = [("hook", receiver.url)]
    row = ("first", "act", hooks)
    with Cgroup() as group, go_target("1.24", "stripped", cgroup=group) as target, Daemon(policies(group, row)) as daemon:
        story = [("first", "firing")]
        daemon.wait_for_target(target.pid, lambda t: t["state"] == "open")
        eventually("told", lambda: told(receiver), story)
        daemon.reload(policies(group, row))
        for policy, mode in (("second", "act"), ("second", "canary"), ("second", "act")):
            ends = [(story[-1][0], "resolved")] if story[-1][1] == "firing" else []
            story += ends + ([(policy, "firing")] if mode == "act" else [])
            daemon.reload(policies(group, (policy, mode, hooks)))
            eventually(f"told after the reload to {policy}, {mode}", lambda: told(receiver), list(story))
            equal("health", daemon.get(f"/health/{target.pid}")[0], 503 if mode == "act" else 200)
        target.process.kill()
        eventually("told at the end", lambda: told(receiver), [*story, ("second", "resolved")])
        equal("incidents", len({i["incident"] for i in receiver.incidents()}), 1)


def counted(daemon):
    """(action, outcome): how often, of what is not 0."""
    line = r'^ullage_actions_total\{action="([^"]+)",kind="webhook",outcome="(\w+)"\} (\d+)$'
    found = re.findall(line, daemon.get("/metrics")[1], re.M)
    return {(action, outcome): int(n) for action, outcome, n in found if n != "0"}


@test
def what_is_counted_of_an_action_goes_with_its_name():
    good, bad = Receiver(200), Receiver(404)
    rows = ("first", "act", [("good", good.url), ("bad", bad.url)])
    with Cgroup() as group, go_target("1.24", "stripped", cgroup=group), Daemon(policies(group, rows)) as daemon:
        want = {("good", "done"): 1, ("bad", "failed"): 1}
        eventually("counted", lambda: counted(daemon), want)
        check(re.search(r"warning +action .*bad of .*HTTP 404", daemon.text()), "what failed is no warning: " + daemon.text())
        crowd = [(f"other-{n}", "act", [(f"idle-{n}-{i}", good.url) for i in range(16)], "nobody") for n in range(2)]
        daemon.reload(policies(group, *crowd, ("first", "act", [("bad", bad.url), ("good", good.url)])))
        eventually("counted in another order, behind 32 others", lambda: counted(daemon), want)
        equal("series", daemon.get("/metrics")[1].count("\nullage_actions_total{"), 34 * 3)


@test
def who_found_no_room_in_the_queue_is_told_when_there_is():
    receiver = Receiver("hang")
    hooks = "".join(f"      - {{kind: webhook, name: hook-{i}, url: '{receiver.url}', retries: 0, timeout: 60s}}\n" for i in range(16))
    with Cgroup() as group:
        crowd = [subprocess.Popen(["sleep", "600"], preexec_fn=group.enter) for _ in range(70)]
        for process in crowd:
            at_end(process.kill)
        with Daemon(f"targets: [{{cgroup: '{group.name}', go_only: false}}]\n"
                    "sampling: {steps: [{below: 100%, interval: 1s}]}\n"
                    "policies:\n  - name: all\n    mode: act\n    limit: 64KiB\n    match: {go_only: false}\n"
                    f"    actions:\n{hooks}") as daemon:
            daemon.wait_for_log("actions wait to be done already: nobody is told of")
            receiver.answers = [200]
            receiver.over.set()
            eventually("incidents that a hook was told of",
                       lambda: len({i["incident"] for i in receiver.incidents() if i["status"] == "firing"}), len(crowd))
            check("ullage_actions_dropped_total 0" not in daemon.get("/metrics")[1], "nothing was refused")


@test
def what_a_reload_cannot_change_is_said():
    with Daemon("targets: [{name: nobody}]\n") as daemon:
        before = len(daemon.text())
        daemon.reload("targets: [{name: nobody}]\ndata: /elsewhere\nlisten: 127.0.0.1:9\nkernel: {log: true}\n")
        said = daemon.wait_for_log(r"config: kernel.log: .* started again", before)
        check("config: data" not in daemon.text()[before:], "what the command line says does not change: " + daemon.text()[before:])
        said = daemon.reload("a: 1\nb: 2\nc: 3\n")[0]
        check("ullage.yaml:1:1: a: " in said and said.endswith("(and 2 more)"), said)
        for line in ("2:1: b: ", "3:1: c: "):
            check(f"ullage.yaml:{line}" in daemon.text(), daemon.text())
        check(re.search(r"error +config refused", daemon.text()), daemon.text())
