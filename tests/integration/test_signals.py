# SPDX-License-Identifier: Apache-2.0
"""Each signal of `ullage watch` that this machine can raise, raised by a program; and by its look-alike, not.

All run at once below one daemon. Those of cgroup v2 alone (memory.events, PSI) and of swap are raised in the VM.
"""
import contextlib

from watching import *

MIB = 1 << 20
RUN = 80  # at most: what is first seen while it still fills its base is compared with that for a minute

# Shorter windows than the table's, for what would take minutes otherwise.
CONFIG = """
targets:
  - {name: climb}
  - {name: signs}
signals:
  goroutines_doubled: {window: 12s}
  gc_thrash: {window: 12s}
  cache_jitter: {window: 12s}
"""


class Tasks:
    """A cgroup of the pids controller, of a v1 hierarchy or the memory cgroup itself."""

    def __init__(self, group):
        self.own = group.version == 1
        self.path = "/sys/fs/cgroup/pids" + group.name if self.own else group.path
        if self.own:
            try:
                os.mkdir(self.path)
            except OSError:
                self.path = None
        at_end(self.close)

    def close(self):
        if self.own and self.path and os.path.isdir(self.path):
            for _ in range(100):
                with contextlib.suppress(OSError):
                    os.rmdir(self.path)
                    return
                time.sleep(0.05)

    def limit(self, pid, share):
        """Its tasks become that share of what is allowed; False where the controller is not there."""
        if not self.path or not os.path.exists(self.path + "/pids.max"):
            return False
        if self.own:
            with open(self.path + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(pid))
        with open(self.path + "/pids.current", encoding="ascii") as f:
            now = int(f.read())
        with open(self.path + "/pids.max", "w", encoding="ascii") as f:
            f.write(str(int(now / share)))
        return True


def cached(group, size):
    """Files that something in the cgroup writes, once; the name goes at once, the cache stays while it runs."""
    script = f"import os, time; f = open('/var/tmp/ullage-signals-{os.getpid()}', 'w+b'); os.unlink(f.name); time.sleep(14)\n"
    script += f"[f.write(b'x' * (1 << 20)) for _ in range({size // MIB})]; f.flush(); time.sleep(60)"
    process = subprocess.Popen(["python3", "-c", script], preexec_fn=group.enter)
    at_end(process.kill)


@test(timeout=150)
def every_signal_has_a_program_that_raises_it_and_one_that_does_not():
    started, wanted, never = {}, {}, {}

    def run(label, raises, silent, *words, program="climb", limit=None, variant="plain", version="1.24", **env):
        group = Cgroup(limit=limit)
        target = go_target(version, variant, *words, program=program, cgroup=group, env={**os.environ, **env})
        started[label], wanted[label], never[label] = target, set(raises.split()), set(silent.split())
        return target, group

    def signs(kind, raises, silent=(), **env):
        run(kind, raises, " ".join(silent), "-kind", kind, program="signs", **env)
        run(f"{kind}, harmless", "", raises, "-kind", kind, "-harmless", program="signs", **env)

    with Daemon(CONFIG) as daemon:
        signs("goroutines", "goroutines_doubled", ["rss_without_objects"])
        signs("stalled", "gc_stalled", ["rss_without_objects", "gc_thrash"])
        signs("reserve", "virtual_gap")
        run("pauses", "gc_pause", "gc_stalled", "-kind", "pauses", program="signs", GODEBUG="asyncpreemptoff=1")
        # a machine that is busy has long pauses as well: what must not raise it is among the tests of the table
        run("pauses, harmless", "", "gc_stalled", "-kind", "pauses", "-harmless", program="signs", GODEBUG="asyncpreemptoff=1")
        run("thrash", "gc_thrash", "gc_stalled", "-kind", "thrash", "-live", 96 * MIB, program="signs", GOMEMLIMIT="104MiB",
            GOMAXPROCS="1")
        run("thrash, harmless", "", "gc_thrash", "-kind", "thrash", "-harmless", "-live", 32 * MIB, program="signs",
            GOMEMLIMIT="1GiB", GOMAXPROCS="1")
        run("C memory", "rss_without_objects", "near_limit goroutines_doubled", "-kind", "malloc", "-rate", 6 * MIB, "-after",
            "8s", "-plateau", 200 * MIB, "-base", 24 * MIB, variant="cgo", version="1.19")
        run("mappings", "rss_without_objects", "near_limit", "-kind", "mmap", "-rate", 6 * MIB, "-after", "8s", "-plateau",
            200 * MIB, "-base", 24 * MIB)
        run("heap", "", "rss_without_objects gc_stalled", "-kind", "line", "-rate", 6 * MIB, "-after", "8s", "-plateau", 200 * MIB,
            "-base", 24 * MIB)
        full, group = run("full", "near_limit failcnt", "oom_kill", "-kind", "cache", "-file",
                          f"/var/tmp/ullage-signals-full-{os.getpid()}", "-rate", 16 * MIB, "-plateau", 48 * MIB, "-base", 112 * MIB,
                          limit=128 * MIB)
        run("crossing", "near_limit usage_threshold", "failcnt oom_kill", "-kind", "mmap", "-after", "8s", "-rate", 4 * MIB,
            "-plateau", 13 * MIB, "-base", 76 * MIB, limit=96 * MIB)
        run("cache", "", "near_limit failcnt usage_threshold rss_without_objects", "-kind", "cache", "-file",
            f"/var/tmp/ullage-signals-cache-{os.getpid()}", "-rate", 16 * MIB, "-plateau", 96 * MIB, limit=64 * MIB)
        tasks, tasks_group = run("tasks", "pids_near_max", "near_limit", "-kind", "idle")
        few, few_group = run("tasks, harmless", "", "pids_near_max", "-kind", "idle")
        jitter, jitter_group = run("file read", "cache_jitter", "near_limit", "-kind", "idle")
        cached(jitter_group, 96 * MIB)
        time.sleep(3)
        if not (Tasks(tasks_group).limit(tasks.pid, 0.95) and Tasks(few_group).limit(few.pid, 0.5)):
            wanted["tasks"].clear()
        raised = {label: set() for label in started}
        end, states = time.monotonic() + RUN, {}
        while time.monotonic() < end and any(wanted[label] - raised[label] for label in started) or not states:
            for row in daemon.json("/api/v1/targets")["targets"]:
                label = next((l for l, t in started.items() if t.pid == row["pid"]), None)
                if label:
                    raised[label] |= {s["name"] for s in row["signals"]}
                    states[label] = row["id"]
            time.sleep(0.5)
        metrics = daemon.get("/metrics")[1]
        if group.version == 2:
            wanted["full"].discard("failcnt")
            wanted["crossing"].discard("usage_threshold")
        for label in started:
            figure("signals", label, "raised", " ".join(sorted(raised[label])) or "-")
        wrong = [f"{label}: no {sorted(wanted[label] - raised[label])}" for label in started if wanted[label] - raised[label]]
        wrong += [f"{label}: {sorted(raised[label] & never[label])}" for label in started if raised[label] & never[label]]
        equal("what was raised and what was not", wrong, [])
        shown = re.findall(r'^ullage_target_signal\w*\{[^}]*signal="(\w+)"', metrics, re.M)
        check({"rss_without_objects", "gc_stalled", "virtual_gap"} <= set(shown), f"metrics have {sorted(set(shown))}")
