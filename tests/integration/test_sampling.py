# SPDX-License-Identifier: Apache-2.0
"""Whom `ullage watch` finds and how it follows them; how often it looks, by what it has stored."""
import contextlib
import ctypes
import statistics

from climbs import moment
from watching import *

MIB = 1 << 20
CONTAINER = "3f2a" + "0123456789abcdef" * 3 + "0123456789ab"
RULES = f"""
targets:
  - {{name: truth, cgroup: '*excluded*', exclude: true}}
  - {{name: trut?, cgroup: '*by-name*'}}
  - {{cgroup: /ullage-by-cgroup-*}}
  - {{unit: ullage-shop-*}}
  - {{container: {CONTAINER[:12]}}}
  - {{exe: selfexec}}
  - {{cgroup: '*any-program*', go_only: false}}
"""


class Named(Cgroup):
    """A cgroup whose whole name is given, with one that it lies in."""

    def __init__(self, name, inner=None):
        super().__init__(name)
        self.outer = self.path
        if inner:
            self.path, self.name = f"{self.path}/{inner}", f"{self.name}/{inner}"
            os.mkdir(self.path)

    def close(self):
        super().close()
        if self.path != self.outer and os.path.isdir(self.outer):
            os.rmdir(self.outer)


def kinds(daemon, pid):
    rows = daemon.json("/api/v1/events?limit=1000")["events"]
    return [(e["kind"], e["target"]) for e in reversed(rows) if (e["target"] or "").startswith(f"{pid}-")]


def run(argv, group):
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=group.enter)
    at_end(process.kill)
    return process


def reused(argv, pid, group, tries=60):
    """A new process that has the number of one that has ended; None where others were faster."""
    for _ in range(tries):
        with contextlib.suppress(OSError):
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as f:
                f.write(str(pid - 1))
        process = run(argv, group)
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def end_session(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@test(timeout=120)
def processes_are_found_by_rule_and_followed_through_exec_and_reuse():
    go = [build("1.24", "stripped")]
    other = build("1.19", "stripped", "sick")
    groups = {name: Named("ullage-" + name) for name in ("by-name", "by-cgroup", "excluded", "of-nobody", "any-program")}
    unit, container = Named("ullage-unit", "ullage-shop-1.service"), Named("ullage-box", CONTAINER)
    with Daemon(RULES, wrapper=["prlimit", "--nofile=512"]) as daemon:  # which a descriptor a stranger would use up
        crowd = subprocess.Popen(["sh", "-c", "for i in $(seq 2000); do sleep 90 & done; wait"], start_new_session=True)
        at_end(end_session, crowd)  # among all these
        wanted = {"name": run(go, groups["by-name"]), "cgroup": run([other, "-mode", "idle", "-life", "90s"], groups["by-cgroup"]),
                  "unit": run(go, unit), "container": run(go, container),
                  "any": run(["sh", "-c", "read x"], groups["any-program"])}
        strangers = [run(go, groups["excluded"]), run(go, groups["of-nobody"]), run(["sh", "-c", "read x"], groups["by-cgroup"])]
        selfexec = go_target("1.24", "plain", program="selfexec")
        rows = {k: daemon.wait_for_target(p.pid, lambda t: k == "any" or t["goroutines"] is not None) for k, p in wanted.items()}
        check(rows["unit"]["unit"] == "ullage-shop-1.service" and rows["container"]["container"] == CONTAINER, rows)
        equal("the shell's Go", rows["any"]["go_version"], None)
        check(rows["cgroup"]["go_version"].startswith("go1.19"), rows["cgroup"])
        row = daemon.wait_for_target(selfexec.pid, lambda t: t["goroutines"] is not None)
        selfexec.process.stdin.write(b"self\n")
        selfexec.process.stdin.flush()
        end = time.monotonic() + 20
        while ("exec", row["id"]) not in kinds(daemon, selfexec.pid) and time.monotonic() < end:
            time.sleep(0.2)
        daemon.wait_for_target(selfexec.pid, lambda t: t["goroutines"] is not None)
        equal("its story", [k for k, _ in kinds(daemon, selfexec.pid)][:2], ["start", "exec"])
        selfexec.process.stdin.write(b"sleep\n")  # which no rule asks for
        selfexec.process.stdin.flush()
        end = time.monotonic() + 20
        while daemon.target(selfexec.pid) and time.monotonic() < end:
            time.sleep(0.2)
        equal("what became another program", daemon.target(selfexec.pid), None)
        pid = wanted["name"].pid
        wanted["name"].kill()
        wanted["name"].wait()
        again = reused(go, pid, groups["by-name"])
        if again:
            second = daemon.wait_for_target(pid, lambda t: t["id"] != rows["name"]["id"])
            check(("exit", rows["name"]["id"]) in kinds(daemon, pid), kinds(daemon, pid))
            check(("start", second["id"]) in kinds(daemon, pid), kinds(daemon, pid))
        figure("sampling", "a number that was given out again", "seen", "yes" if again else "could not be made")
        for process in strangers:
            equal("one whom no rule asks for", daemon.target(process.pid), None)
        equal("targets", len(daemon.json("/api/v1/targets")["targets"]), 5 if again else 4)


@test(timeout=60)
def a_program_that_is_begun_many_times_at_once_is_given_time():
    """Each stands before its first instruction, as those do that wait for a CPU: there is no runtime to be read yet."""
    libc = ctypes.CDLL(None)
    traceme, detach = 0, 17
    argv = [build("1.24", "stripped")]
    with Daemon("targets: [{name: truth}]\n") as daemon:
        begun = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  preexec_fn=lambda: libc.ptrace(traceme, 0, None, None)) for _ in range(6)]
        for process in begun:
            at_end(process.kill)
            os.waitpid(process.pid, os.WUNTRACED)
        for process in begun:
            equal("goroutines before the start", daemon.wait_for_target(process.pid)["goroutines"], None)
        time.sleep(1)  # a look at each
        for process in begun:
            equal("let go", libc.ptrace(detach, process.pid, None, None), 0)
        for process in begun:
            daemon.wait_for_target(process.pid, lambda t: t["goroutines"] is not None)


STEPS = """
targets:
  - {name: climb}
  - {name: truth}
policies:
  - {name: cut, match: {cgroup: /ullage-open-*}, mode: act, limit: 24MiB, warn: 50%, open: 60%, close: 40%}
profiles:
  - {match: {name: truth}, heap: true, goroutines: true, interval: 10s}
"""


def swinging(base, group):
    """Never the same at two looks, as what does not change is not stored again: two MiB come and go."""
    return go_target("1.24", "plain", "-kind", "teeth", "-burst", 2 * MIB, "-rate", 5 * MIB, "-base", int(base * MIB),
                     program="climb", cgroup=group)


@test(timeout=120)
def looks_come_as_often_as_pressure_asks_and_profiles_by_rule():
    with Daemon(STEPS) as daemon:
        bounds = {50: (.9, 1.4), 80: (.15, .45), 94: (.03, .2), "open": (.05, .25)}
        targets = {share: swinging(share - 4, Cgroup(limit=100 * MIB)) for share in (50, 80, 94)}
        targets["open"] = swinging(16, Cgroup("ullage-open"))
        profiled = go_target("1.24", "plain", "-heap", 8 * MIB, cgroup=Cgroup())
        time.sleep(16)
        for share, target in targets.items():
            key = daemon.target(target.pid)["id"]
            series = daemon.json(f"/api/v1/targets/{key}/series?from=-8s&max=1000")["series"]
            check(len(series) > 3, f"{len(series)} looks of {share}: {daemon.target(target.pid)['reason']}")
            times = [moment(s["time"]) for s in series]
            gap = statistics.median(b - a for a, b in zip(times, times[1:]))
            figure("seconds between looks", share, "median", gap)
            within(f"between looks at {share}", gap, *bounds[share])
        shots = [e["target"] for e in daemon.json("/api/v1/events?limit=1000&kind=snapshot")["events"]]
        key = daemon.target(targets[94].pid)["id"]
        check(1 <= shots.count(key) <= 2, f"from 90 % on there is one, and one of the alarm: {shots}")
        equal("snapshots at half", shots.count(daemon.target(targets[50].pid)["id"]), 0)
        profiles = glob.glob(os.path.join(daemon.data, "**", "*.pb.gz"), recursive=True)
        for kind, word in (("heap", "inuse_space"), ("goroutines", "Type:")):
            mine = [p for p in profiles if f"/{profiled.pid}-" in p and f".{kind}.pb.gz" in p]
            check(mine, f"no profile of {kind} in {profiles}")
            check(not [p for p in profiles if any(f"/{t.pid}-" in p for t in targets.values())], "one that no rule asks for")
            shown = subprocess.run(["/usr/lib/go-1.24/bin/go", "tool", "pprof", "-top", mine[0]], capture_output=True, text=True, check=False,
                                   env={**os.environ, "HOME": "/tmp"})
            check(shown.returncode == 0 and word in shown.stdout, shown.stdout[:400] + shown.stderr[:400])
