# SPDX-License-Identifier: Apache-2.0
"""What a policy's chain does, told by a real actor to real servers, files and commands."""
import signal as signals

from receiver import *

PROBE = os.path.join(os.path.dirname(ULLAGE), "tests", "probes", "watch_actions")


class Actor:
    """The probe: links are (kind, name, where...) with options as keywords behind."""

    def __init__(self, *links):
        words = []
        for kind, name, options, *where in links:
            words += ["--", kind, name, options.get("timeout", 2000), options.get("retries", 0),
                      "dry" if options.get("dry") else "do", options.get("token", "-"), *where]
        self.target = Target([PROBE, *words])
        equal("first line", self.target.ready, "ready")
        self.kept = []

    def line(self, word, timeout=30):
        """Fields of the next line that begins with that word; others are kept."""
        for i, fields in enumerate(self.kept):
            if fields[0] == word:
                return self.kept.pop(i)
        while True:
            fields = self.target.read_line(timeout).split("\t")
            if fields[0] == word:
                return fields
            self.kept.append(fields)

    def post(self, line, want="yes"):
        self.target.send(line)
        fields = self.line("posted")
        equal(line, fields[1], want)
        return fields

    def outcome(self, timeout=30):
        _, action, incident, how, tries, flags, text, output = self.line("outcome", timeout)
        return {"action": action, "incident": incident, "how": how, "tries": int(tries), "flags": flags,
                "text": text, "output": output}

    def outcomes(self, n):
        return {o["action"]: o for o in (self.outcome() for _ in range(n))}

    def rehearse(self):
        self.target.send("rehearse")
        self.line("rehearsed")
        return list(iter(self.target.read_line, "."))

    def pids(self):
        """Of the actor and what it runs."""
        below, found = {self.target.pid}, []
        for _ in range(3):
            for pid, parent in list(parents()):
                if parent in below and pid not in below:
                    below.add(pid)
                    found.append(pid)
        return found

    def finish(self):
        """The end of its input; waits for its end."""
        self.target.process.stdin.close()
        equal("exit status", self.target.process.wait(20), 0)


def in_folder(name=""):
    folder = tempfile.mkdtemp(prefix="ullage-act-")
    at_end(shutil.rmtree, folder, True)
    return os.path.join(folder, name)


def lines_of(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


@test(timeout=60)
def what_a_killed_actor_had_to_do_is_done_by_the_next():
    hanging, receiver, path = Receiver("hang", 200), Receiver(200), in_folder("line")
    actor = Actor(("webhook", "hook", {"timeout": 60000}, hanging.url), ("file", "file", {}, path),
                  ("alertmanager", "alerts", {}, receiver.url))
    actor.post("fire a warning")
    equal("who is done first", sorted(actor.outcome()["action"] for _ in range(2)), ["alerts", "file"])
    killed = next(pid for pid in actor.pids() if status(pid, "Name") == "ullage-act")
    os.kill(killed, signals.SIGKILL)
    told = actor.outcome()
    check(told["action"] == "actor" and "was killed by signal 9" in told["text"], told)
    told = actor.outcome()
    check(told["action"] == "actor" and "has begun again, with 1 actions" in told["text"], told)
    equal("what was under way", {k: v for k, v in actor.outcome().items() if k in ("action", "how")},
          {"action": "hook", "how": "done"})
    equal("what was done is not done twice", open(path, encoding="utf-8").read().count("\n"), 1)
    actor.post("resolve a ok")
    ended = actor.outcomes(3)
    equal("ends", {o["how"] for o in ended.values()}, {"done"})
    check(any("endsAt" in alert for body in receiver.incidents() for alert in body), "the alert was not ended")
    actor.finish()


@test
def incident_is_told_once_per_state_and_at_its_end():
    receiver, path = Receiver(200), in_folder("incidents.jsonl")
    actor = Actor(("webhook", "hook", {}, receiver.url), ("file", "file", {}, path))
    for line in ("fire a warning", "fire a warning", "fire a critical", "fire a critical", "resolve a ok",
                 "resolve a ok", "resolve never ok", "fire a warning"):
        actor.post(line)
    for outcome in (actor.outcome() for _ in range(8)):
        equal(str(outcome), (outcome["how"], outcome["tries"]), ("done", 1))
    want = [("firing", "warning"), ("firing", "critical"), ("resolved", "ok"), ("firing", "warning")]
    equal("order in the file", [(i["status"], i["state"]) for i in lines_of(path)], want)
    equal("order at the webhook", [(i["status"], i["state"]) for i in receiver.incidents()], want)
    equal("mode of the file", os.stat(path).st_mode & 0o777, 0o600)
    incident = receiver.incidents()[0]
    equal("schema", incident["schema"], "ullage.incident/1")
    equal("hostile name", incident["target"]["comm"], "sick\"\ufffd\n")
    equal("limit", incident["target"]["limit_bytes"], 100 << 20)
    equal("unknown is null", incident["target"]["rss_bytes"], None)
    equal("kind of body", receiver.headers[0]["Content-Type"], "application/json")
    check("Authorization" not in receiver.headers[0], "a token was sent, and there is none")
    actor.finish()


@test
def server_that_refuses_is_asked_again_and_one_that_says_no_is_not():
    busy, wrong = Receiver(500, (429, {"Retry-After": "1"}), 200), Receiver(400)
    actor = Actor(("webhook", "busy", {"retries": 3}, busy.url), ("webhook", "wrong", {"retries": 3}, wrong.url))
    actor.post("fire a warning")
    outcomes = actor.outcomes(2)
    equal("busy", (outcomes["busy"]["how"], outcomes["busy"]["tries"]), ("done", 3))
    equal("wrong", (outcomes["wrong"]["how"], outcomes["wrong"]["tries"]), ("failed", 1))
    equal("why", outcomes["wrong"]["text"], "HTTP 400: because of a test")
    check(busy.times[1] - busy.times[0] >= 0.25, "no back-off")
    check(busy.times[2] - busy.times[1] >= 1, "Retry-After is not kept")
    actor.finish()


@test
def one_that_hangs_blocks_nobody():
    hanging, closing, good = Receiver("hang"), Receiver("close"), Receiver(200)
    actor = Actor(("webhook", "hanging", {"timeout": 1500, "retries": 1}, hanging.url),
                  ("webhook", "closing", {"retries": 1}, closing.url), ("webhook", "good", {}, good.url),
                  ("command", "sleeping", {"timeout": 1500}, "/bin/sleep", "60"))
    began = time.monotonic()
    for i in range(20):
        actor.post(f"fire incident-{i} warning")
    check(time.monotonic() - began < 1.4, "the caller waits")
    good_ones = 0
    while good_ones < 20:
        outcome = actor.outcome()
        good_ones += outcome["action"] == "good"
        check(outcome["action"] not in ("hanging", "sleeping"), f"the hanging ones came first: {outcome}")
    check(time.monotonic() - began < 1.4, "a link waits for another")
    slow = {}
    while len(slow) < 3:
        outcome = actor.outcome()
        slow.setdefault(outcome["action"], outcome)
    equal("hanging", (slow["hanging"]["how"], slow["hanging"]["tries"]), ("failed", 2))
    check(slow["hanging"]["text"].startswith("timed out after 1.5 s"), slow["hanging"]["text"])
    equal("closing", (slow["closing"]["how"], slow["closing"]["tries"]), ("failed", 2))
    equal("sleeping", (slow["sleeping"]["how"], slow["sleeping"]["text"]),
          ("failed", "timed out after 1.5 s and was killed"))


@test
def queue_is_bounded_and_says_so():
    receiver = Receiver("hang")
    actor = Actor(("webhook", "hook", {"timeout": 60000}, receiver.url))
    _, ok, waiting, dropped = actor.post("flood 3000", "no")
    equal("waiting", int(waiting), 1024)
    equal("dropped", int(dropped), 3000 - 1024)
    check(ok == "no" and len(receiver.bodies) <= 4, f"{len(receiver.bodies)} connections at a time")


@test
def redirect_is_not_followed_and_a_token_goes_nowhere_else():
    elsewhere = Receiver(200)
    receiver = Receiver((307, {"Location": elsewhere.url}))
    token = in_folder("token")
    with open(token, "w", encoding="ascii") as f:
        f.write("s3cret\n")
    actor = Actor(("webhook", "hook", {"token": token}, receiver.url),
                  ("webhook", "ftp", {}, "ftp://127.0.0.1/x"), ("webhook", "file", {}, "file:///etc/passwd"))
    actor.post("fire a warning")
    outcomes = actor.outcomes(3)
    equal("redirected", (outcomes["hook"]["how"], outcomes["hook"]["tries"]), ("failed", 1))
    equal("requests elsewhere", len(elsewhere.bodies), 0)
    equal("token", receiver.headers[0]["Authorization"], "Bearer s3cret")
    for name in ("ftp", "file"):
        check("only http and https" in outcomes[name]["text"], outcomes[name]["text"])
    with open(token, "w", encoding="ascii") as f:
        f.write("a\rX-Evil: 1")
    actor.post("fire a critical")
    outcomes = actor.outcomes(3)
    check("no header can hold" in outcomes["hook"]["text"], outcomes["hook"]["text"])
    equal("requests", len(receiver.bodies), 1)
    actor.finish()


@test
def command_gets_the_incident_and_little_else():
    script = in_folder("tell")
    with open(script, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nenv | sort >" + script + ".env; cat >" + script + ".json; printf '%s\\n' \"$1\"; echo loud >&2\n"
                "ls /proc/self/fd | tr '\\n' ' '; ps -o pgid= $$ | tr -d ' ' | grep -qx $$ && echo leads; exit 3\n")
    os.chmod(script, 0o755)
    actor = Actor(("command", "tell", {}, script, "$(reboot); *"), ("command", "flood", {}, "/bin/sh", "-c", "yes | head -c 9999999"),
                  ("command", "gone", {}, script + "-not"), ("command", "name", {}, "cat"),
                  ("command", "ends", {}, "/bin/sh", "-c", "sleep 60 & kill -SEGV $$"))
    actor.post("fire a warning")
    outcomes = actor.outcomes(5)
    check(outcomes["tell"]["text"].startswith("exit status 3 after "), outcomes["tell"]["text"])
    equal("output", outcomes["tell"]["output"].split(" "), ["$(reboot);", "*", "loud", "0", "1", "2", "3", "leads", ""])
    with open(script + ".env", encoding="utf-8") as f:
        names = {line.split("=")[0] for line in f} - {"PWD", "OLDPWD", "SHLVL", "_"}
    equal("environment", names, {"PATH", "LANG", "ULLAGE_INCIDENT", "ULLAGE_ALERTNAME", "ULLAGE_POLICY", "ULLAGE_STATUS"})
    equal("input", lines_of(script + ".json")[0]["incident"], "a")
    equal("much output", (outcomes["flood"]["how"], len(outcomes["flood"]["output"])), ("done", 2048))
    check("No such file" in outcomes["gone"]["text"], outcomes["gone"]["text"])
    check("named by its path" in outcomes["name"]["text"], outcomes["name"]["text"])
    equal("by a signal", outcomes["ends"]["text"], "killed by signal 11 (SEGV)")
    actor.finish()


@test
def timeout_kills_the_whole_group():
    mark = in_folder("mark")
    actor = Actor(("command", "tree", {"timeout": 600}, "/bin/sh", "-c",
                   f"trap '' TERM; sleep 61 & echo $! >{mark}; sleep 62"))
    actor.post("fire a warning")
    equal("end", actor.outcome()["text"], "timed out after 0.6 s and was killed")
    with open(mark, encoding="ascii") as f:
        pid = int(f.read())
    eventually("the child in the background is killed", lambda: not alive(pid))
    actor.finish()


def alive(pid):
    try:
        return status(pid, "State")[0] != "Z"
    except (OSError, KeyError):
        return False


def eventually(what, condition, timeout=20):
    end = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < end, f"never: {what}")
        time.sleep(0.02)


@test
def dry_run_says_what_and_does_nothing():
    receiver, path = Receiver(200), in_folder("x.jsonl")
    actor = Actor(("webhook", "hook", {}, receiver.url), ("file", "file", {"dry": True}, path),
                  ("command", "command", {}, "/bin/touch", path))
    actor.post("canary a open")
    outcomes = actor.outcomes(3)
    equal("flags", {o["flags"] for o in outcomes.values()}, {"dry"})
    equal("texts", [outcomes[n]["text"] for n in ("hook", "file", "command")],
          [f"would post to {receiver.url}", f"would append to {path}", f"would run /bin/touch {path}"])
    check(not os.path.exists(path) and not receiver.bodies, "something was done")
    actor.finish()


@test
def files_that_cannot_be_written_are_told():
    folder = in_folder()
    os.symlink("/etc/passwd", folder + "link")
    os.mkfifo(folder + "fifo")
    actor = Actor(*(("file", name, {}, path) for name, path in (
        ("link", folder + "link"), ("fifo", folder + "fifo"), ("missing", folder + "no/such"), ("full", "/dev/full"))))
    actor.post("fire a warning")
    outcomes = actor.outcomes(4)
    for name, text in (("link", "symbolic link"), ("fifo", "fifo"), ("missing", "No such file"), ("full", "not a regular file")):
        equal(name, outcomes[name]["how"], "failed")
        check(text in outcomes[name]["text"], outcomes[name]["text"])
    actor.finish()


@test
def rehearsal_finds_what_will_not_work():
    good = Receiver(200)
    path = in_folder("new.jsonl")
    actor = Actor(("webhook", "good", {}, good.url), ("webhook", "nobody", {}, "http://127.0.0.1:9/"),
                  ("alertmanager", "name", {}, "http://no-such-host.invalid/"), ("file", "file", {}, path),
                  ("file", "folder", {}, "/proc/nonesuch/x"), ("command", "command", {}, "/etc/passwd"),
                  ("command", "dry", {"dry": True}, "/nonesuch"), ("webhook", "token", {"token": "/nonesuch"}, good.url))
    problems = actor.rehearse()
    equal("problems of", sorted(p.split("action ")[1].split(":")[0] for p in problems),
          ["command", "folder", "name", "nobody", "token"])
    equal("requests", len(good.bodies), 0)
    check(not os.path.exists(path), "a rehearsal has left a file")
    actor.target.send("later")
    equal("without waiting", sorted(actor.outcome()["action"] for _ in range(5)),
          ["command", "folder", "name", "nobody", "token"])
    actor.finish()


@test
def actor_ends_with_the_daemon():
    actor = Actor(("command", "sleeping", {"timeout": 60000}, "/bin/sleep", "60"))
    actor.post("fire a warning")
    eventually("the command runs", lambda: len(actor.pids()) == 3)
    pids = actor.pids()
    acts = next(pid for pid in pids if status(pid, "Name") == "ullage-act")
    equal("threads before", status(acts, "Threads"), 1)
    equal("capabilities", status(acts, "CapEff"), 0)
    equal("no new ones", status(acts, "NoNewPrivs"), 1)
    equal("descriptors", sorted(os.readlink(f"/proc/{acts}/fd/{fd}").split(":")[0] for fd in ("0", "3")),
          ["/dev/null", "socket"])
    os.kill(actor.target.pid, signals.SIGKILL)
    for pid in pids:
        eventually(f"process {pid} ends", lambda pid=pid: not alive(pid))


@test
def reload_keeps_alerts_and_orders():
    receiver = Receiver(200)
    actor = Actor(("webhook", "hook", {}, receiver.url))
    actor.post("fire a warning")
    actor.target.send("reload")
    actor.post("fire a warning")
    actor.post("resolve a ok")
    equal("outcomes", [actor.outcome()["how"] for _ in range(2)], ["done", "done"])
    equal("told", [i["status"] for i in receiver.incidents()], ["firing", "resolved"])
    actor.finish()


# ---- a real Alertmanager ---------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def alertmanager():
    program = shutil.which("prometheus-alertmanager")
    if not program:
        skip("prometheus-alertmanager is not here (tools/setup brings it)")
    folder, port = in_folder(), free_port()
    with open(folder + "am.yml", "w", encoding="ascii") as f:
        f.write("route:\n  receiver: none\nreceivers:\n  - name: none\n")
    process = subprocess.Popen([program, f"--config.file={folder}am.yml", f"--storage.path={folder}data",
                                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    at_end(process.wait)
    at_end(process.kill)
    url = f"http://127.0.0.1:{port}"
    eventually("Alertmanager listens", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 60)
    return url


def amtool(url):
    done = subprocess.run(["amtool", "alert", "query", "-o", "json", "--alertmanager.url", url],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else []


@test(timeout=120)
def alertmanager_shows_an_alert_while_it_lasts():
    url = alertmanager()
    actor = Actor(("alertmanager", "am", {"retries": 3}, url + "/"))
    actor.post("fire a warning")
    equal("told", actor.outcome()["text"], "HTTP 200")
    alerts = amtool(url)
    equal("alerts", len(alerts), 1)
    labels = alerts[0]["labels"]
    equal("labels", {k: labels[k] for k in ("alertname", "severity", "cgroup", "build", "policy")},
          {"alertname": "UllageNearLimit", "severity": "warning", "cgroup": "/system.slice/sick.service",
           "build": "build/1", "policy": "all"})
    check("92" in alerts[0]["annotations"]["summary"], alerts[0]["annotations"])
    actor.post("fire a critical")
    actor.post("fire b critical")  # another process of the same service: the same labels
    equal("told", {actor.outcome()["text"] for _ in range(2)}, {"HTTP 200"})
    equal("the other severity took its place", [a["labels"]["severity"] for a in amtool(url)], ["critical"])
    actor.post("resolve a ok")
    check("another incident" in actor.outcome()["text"], "an alert that lasts was ended")
    equal("it lasts for the other", len(amtool(url)), 1)
    actor.post("resolve b ok")
    equal("told", actor.outcome()["text"], "HTTP 200")
    eventually("the alert has ended", lambda: not amtool(url))
    actor.finish()
