# SPDX-License-Identifier: Apache-2.0
"""`ullage watch` on real processes under real limits: what it warns of, keeps and tells, and what it is silent about."""
import contextlib
import sys

from watching import *

MIB = 1 << 20
LEAK = ["-mode", "slice", "-life", "120s"]


def leaking(group, steps, version="1.24", **keywords):
    return go_target(version, "stripped", *LEAK, "-steps", steps, program="sick", cgroup=group, **keywords)


def wait_for_end(target, timeout=60):
    target.process.wait(timeout)


def events(daemon, **wanted):
    rows = daemon.json("/api/v1/events?limit=1000")["events"]
    return [e for e in rows if all(e.get(k) == v for k, v in wanted.items())]


@test
def once_shows_what_would_be_watched():
    with Cgroup(limit=256 * MIB) as group, go_target("1.24", "stripped", cgroup=group) as target:
        rows = ullage_json("watch", "--once")["targets"]
        row = [t for t in rows if t["pid"] == target.pid][0]
        equal("limit", row["limit_bytes"], 256 * MIB)
        equal("state", row["state"], "ok")
        check(row["limit_source"].endswith("memory.limit_in_bytes") or row["limit_source"].endswith("memory.max"),
              row["limit_source"])
        text = ullage("watch", "--once").out
        check(re.search(rf"{target.pid} +truth +ok .* 256 MiB", text), text)


@test
def limits_that_are_hidden_are_said_to_be():
    def once(hide):
        shown = run(["unshare", "--mount", "sh", "-c", hide + ' && exec "$@"', "sh", ULLAGE, "watch", "--once", "--json"])
        answer = json.loads(shown.out)
        return [t for t in answer["targets"] if t["pid"] == target.pid][0], "; ".join(answer["notes"])

    if os.getuid() != 0:
        raise Skip("mounts need root")
    with Cgroup(limit=256 * MIB) as group, go_target("1.24", "stripped", cgroup=group) as target:
        row, notes = once("umount -R /sys/fs/cgroup")
        equal("limit and its source", (row["limit_bytes"], row["limit_source"]), (None, "MemAvailable"))
        check("memory cgroups of some processes are not visible from here" in notes, notes)
        row, notes = once(f"mount --bind {group.path} {os.path.dirname(group.path)}")  # as a container has it
        equal("limit", row["limit_bytes"], 256 * MIB)
        check(f"no cgroup above {group.name} is visible from here" in notes, notes)
        row, notes = once("true")
        check(f"above {group.name}" not in notes, notes)


@test
def processes_that_procfs_hides_are_said_to_be():
    if os.getuid() != 0:
        raise Skip("mounts need root")
    for options, hides in ("hidepid=2", True), ("hidepid=2,gid=65534", False):  # where gid= is not said it is root's group
        shell = f'mount -t proc -o {options} proc /proc && exec setpriv --regid 65534 --clear-groups "$@"'
        with Daemon(wrapper=["unshare", "--mount", "sh", "-c", shell, "sh"]) as daemon:
            equal(f"a note of {options}", "/proc is mounted with hidepid" in daemon.text(), hides)


@test(timeout=120)
def who_grows_below_a_shared_limit_is_named():
    config = "targets: [{name: cgcause, go_only: false}, {name: climb}]"
    with Cgroup(limit=96 * MIB) as group, Daemon(config) as daemon:
        def start(*argv):
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=group.enter)
            at_end(process.wait)
            at_end(process.kill)
            return process.pid

        flat = start(build("c", "plain", "cgcause"), "anon", str(16 * MIB))
        grows = start(build("1.24", "plain", "climb"), "-kind", "mmap", "-rate", str(4 * MIB), "-life", "60s")
        told = {}
        for name, pid in ("flat", flat), ("grows", grows):
            row = daemon.wait_for_target(pid, lambda t: t["state"] != "ok", timeout=60)
            told[name] = [e["text"] for e in events(daemon, kind="alarm", target=row["id"])]
        who = rf"; it was climb \(pid {grows}\), by .* in \d+ s, not this process$"
        check(any(re.search(who, text) for text in told["flat"]), told)
        check(not any("it was" in text for text in told["grows"]), told)


ACTING = """targets:
  - name: sick
policies:
  - name: all
    mode: act
    actions:
      - {{kind: file, name: lines, path: {path}}}
      - {{kind: command, name: hears, argv: [/bin/sh, -c, "cat >/dev/null; echo heard"], dry_run: false}}
"""


def one_incident(path, pid):
    """What actions were told of a leak that ended in a kill: one incident, each state of it once, and its end; and the kill."""
    with open(path, encoding="utf-8") as f:
        told = [json.loads(line) for line in f]
    told = [t for t in told if t["target"]["pid"] == pid]
    memory = [t for t in told if t["alertname"] == "UllageMemory"]
    equal("incidents", len({t["incident"] for t in memory}), 1)
    equal("beginnings", len({t["started"] for t in memory}), 1)
    firing = [t["state"] for t in memory if t["status"] == "firing"]
    check(firing and firing == sorted(set(firing), key=["warning", "critical", "open"].index), f"told of states {firing}")
    equal("the end", [t["state"] for t in memory if t["status"] == "resolved"], ["ok"])
    equal("the kill", [t["status"] for t in told if t["alertname"] == "UllageOomKill"], ["firing"])


@test(timeout=150)
def a_kill_is_foreseen_and_remembered():
    lines = os.path.join(tempfile.mkdtemp(prefix="ullage-told-"), "lines")
    at_end(shutil.rmtree, os.path.dirname(lines), True)
    with Cgroup(limit=96 * MIB) as group, Daemon(ACTING.format(path=lines)) as daemon:
        with leaking(group, 800) as target:  # 3.2 MiB/s: it lives some 25 s
            pid = target.pid
            row = daemon.wait_for_target(pid, lambda t: t["state"] != "ok", timeout=60)
            left = row["limit_bytes"] - row["working_set_bytes"]
            check(left > 0, "warned when it was over")
            check(row["reason"], "no reason")
            wait_for_end(target)
        kills = until(lambda: events(daemon, kind="oom_kill", target=row["id"]), "no kill was recorded")
        check(any(re.search(rf"pid {pid}\).*; just before, the working set .* of 96.0 MiB, its RSS", e["text"]) for e in kills), kills)
        alarms = [e for e in events(daemon) if e["kind"] == "alarm" and e["target"] == row["id"]]
        check(alarms and min(e["time"] for e in alarms) < kills[0]["time"], "no alarm came before the kill")
        shots = [e for e in events(daemon, kind="snapshot") if e["target"] == row["id"]]
        check(shots and shots[-1]["time"] < kills[0]["time"], "no snapshot came before the kill")
        equal("detail of a snapshot", (shots[-1]["detail"]["path"], shots[-1]["detail"]["kind"]), (shots[-1]["text"], "snapshot"))
        shown = ullage_json("show", shots[-1]["text"])
        equal("pid in the snapshot", shown["identity"]["pid"], pid)
        until(lambda: any('"resolved"' in line for line in open(lines, encoding="utf-8")), "the end was not told")
        one_incident(lines, pid)
        acts = until(lambda: events(daemon, kind="action", target=row["id"]), "no action was recorded")
        check(all("; told because: " in e["text"] and e["detail"]["reason"] in e["text"] for e in acts), acts)
        equal("what the command wrote", {e["detail"]["output"] for e in acts if e["name"] == "hears"}, {"heard\n"})
        daemon.kill()
        said = ullage("history", str(pid), "--data", daemon.data).out
        check("OOM" in said or "killed for lack of memory" in said, said)


@test
def what_levels_off_is_not_warned_of():
    with Cgroup(limit=256 * MIB) as group, Daemon() as daemon:
        with go_target("1.24", "stripped", "-mode", "cache", "-size", 64 * MIB, "-steps", 2000, program="sick",
                       cgroup=group) as target:
            time.sleep(20)
            row = daemon.target(target.pid)
            equal("state", row["state"], "ok")
            equal("warnings", [e for e in events(daemon) if e["kind"] == "alarm" and e["target"] == row["id"]], [])


@test
def a_wrong_configuration_leaves_the_old_one_in_force():
    with Daemon("targets:\n  - name: nobody-has-this-name\n") as daemon:
        said = daemon.reload("targets:\n  - nmae: x\n")[0]
        check("refused" in said and "ullage.yaml:2:5" in said, said)
        equal("readyz", daemon.get("/readyz")[0], 200)  # it watches as before
        check("ullage_config_last_reload_successful 0" in daemon.get("/metrics")[1], "no metric tells of it")
        check("reloaded" in daemon.reload("targets:\n  - name: other\n")[0], "not reloaded")
        equal("readyz", daemon.get("/readyz")[0], 200)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("listen: 127.0.0.1:0\nlisten: 127.0.0.1:1\n")
        f.flush()
        result = ullage("watch", "--config", f.name, expect=6)
        check(f"{f.name}:2:1" in result.err, result.err)


@test
def where_it_cannot_listen_nothing_is_written():
    with Daemon("targets:\n  - name: nobody-has-this-name\n") as daemon:
        data = os.path.join(daemon.directory, "other")
        for address, code, sentence in [(f"127.0.0.1:{daemon.port}", 7, "another process listens there"),
                                        (f"unix:{daemon.log}", 7, "is no socket"), ("0.0.0.0:9723", 2, "loopback"),
                                        ("127.0.0.1", 2, "no address to listen on")]:
            said = ullage("watch", "--listen", address, "--data", data, expect=code).err
            check(sentence in said and said.count("\n") <= 2, said)
        check(not os.path.exists(data), "a directory was made")


@test
def a_breaker_answers_503_and_a_canary_does_not():
    config = ("policies:\n  - name: {0}\n    match: {{name: sick}}\n    mode: {0}\n"
              "    limit: 24MiB\n    warn: 50%\n    open: 60%\n    close: 40%\n")
    for mode, expected in (("act", 503), ("canary", 200)):
        with Cgroup() as group, Daemon(config.format(mode)) as daemon:
            with go_target("1.24", "stripped", "-mode", "idle", "-base", 20 * MIB, program="sick", cgroup=group) as target:
                row = daemon.wait_for_target(target.pid, lambda t: t["state"] == "open")
                equal("health", daemon.get(f"/health/{row['id']}")[0], expected)
                opened = events(daemon, kind="open", target=row["id"])
                check(len(opened) == 1 and opened[0]["dry_run"] == (mode == "canary"), opened)


@test
def an_exec_begins_a_new_baseline():
    with Daemon("targets:\n  - {go_only: false, name: 'sleep*'}\n  - {go_only: true}\n") as daemon:
        path = build("1.24", "stripped", "sick")
        process = subprocess.Popen(["sh", "-c", f"sleep 3; exec {path} -mode idle -life 60s"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        at_end(process.kill)
        row = daemon.wait_for_target(process.pid)
        check(row["go_version"] == "go1.24" or row["go_version"].startswith("go1.24."), row)


@test
def two_do_not_share_a_directory():
    with Daemon() as daemon:
        result = ullage("watch", "--listen", "127.0.0.1:0", "--data", daemon.data, expect=7)
        check(str(daemon.pid) in result.err, result.err)
        equal("ended well", daemon.stop(), 0)


@test
def what_is_beyond_this_machine_is_refused():
    with tempfile.TemporaryDirectory() as directory:
        for address in ("0.0.0.0:0", "[::]:0", "example:1", "127.0.0.1:99999"):
            said = ullage("watch", "--listen", address, "--data", directory, expect=2).err.splitlines()[-2:]
            check(address in said[0] and "--help" in said[1], said)


@test
def records_survive_a_kill():
    with Daemon() as daemon, go_target("1.24", "stripped") as target:
        daemon.wait_for_target(target.pid)
        time.sleep(3)
        daemon.kill()
        daemon.start()
        daemon.wait_for_target(target.pid)
        check(events(daemon, kind="start"), "nothing was kept")


@test
def a_target_may_end_while_its_snapshot_is_taken():
    config = "sampling:\n  steps:\n    - {below: 1%, interval: 50ms}\n    - {below: 100%, interval: 50ms, snapshot: true}\n"
    with Daemon(config) as daemon:
        for _ in range(5):
            with Cgroup(limit=256 * MIB) as group:
                with go_target("1.24", "stripped", "-heap", 64 * MIB, cgroup=group) as target:
                    daemon.wait_for_target(target.pid)
        equal("alive", daemon.get("/livez")[0], 200)
        left = [n for _, _, names in os.walk(daemon.data) for n in names if n.startswith(".")]
        until(lambda: daemon.json("/api/v1/targets") and not daemon.process.poll(), "it ended")
        check(len(left) <= 1, f"left behind: {left}")


MAPS_LONG_PATHS = """
import base64, mmap, os, sys, time
held = []
for i in range(3000):
    path = os.path.join(sys.argv[1], *(base64.urlsafe_b64encode(os.urandom(150)).decode() for _ in range(4)))
    os.makedirs(os.path.dirname(path))
    with open(path, "w+b") as file:
        file.truncate(4096)
        held.append(mmap.mmap(file.fileno(), 4096))
print("ready", flush=True)
sys.stdin.readline()
held.append(b"x" * (16 << 20))
time.sleep(600)
"""


@test
def a_snapshot_that_would_be_too_large_is_told_and_tried_smaller():
    directory = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, directory, True)
    config = ("targets:\n  - {cgroup: '%s', go_only: false}\nstorage:\n  snapshot_size: 1MiB\n"
              "sampling:\n  steps:\n    - {below: 1%%, interval: 50ms}\n    - {below: 100%%, interval: 50ms, snapshot: true}\n")
    with Cgroup(limit=256 * MIB) as group, Daemon(config % group.name) as daemon:
        process = subprocess.Popen([sys.executable, "-c", MAPS_LONG_PATHS, directory],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        at_end(process.kill)
        process.stdout.readline()
        group.write("cgroup.procs", process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        daemon.wait_for_log("it would be larger than its budget of bytes; one with less follows")
        daemon.wait_for_log(r"larger than its budget of bytes\n")  # its mappings alone are too much
        equal("snapshots", events(daemon, kind="snapshot"), [])
        equal("files", os.listdir(os.path.join(daemon.data, "snapshots")), [])


@test
def a_full_disk_is_told_and_outlived():
    directory = tempfile.mkdtemp()
    at_end(shutil.rmtree, directory, True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", directory], check=False).returncode:
        skip("no tmpfs can be mounted here")
    at_end(subprocess.run, ["umount", "-l", directory])
    with Daemon("", data=os.path.join(directory, "data")) as daemon, go_target("1.24", "stripped") as target:
        daemon.wait_for_target(target.pid)
        fill = os.open(os.path.join(directory, "fill"), os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while os.write(fill, b"x" * 4096):
                pass
        os.close(fill)
        # the file system may have set some room aside for files that grow: events fill it
        daemon.configure("".join(f"no_such_key_{i}: 1\n" for i in range(50)))
        end = time.monotonic() + 40
        while "note store: " not in daemon.text() and time.monotonic() < end:
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        said = daemon.wait_for_log("note store: [^\n]*")[0]
        check("No space" in said or "full" in said, said)
        equal("still there", daemon.target(target.pid)["state"], "ok")
        os.unlink(os.path.join(directory, "fill"))
        daemon.wait_for_log("records are written again", timeout=30)


def until(condition, message, timeout=20):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(message)
