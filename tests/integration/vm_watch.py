# SPDX-License-Identifier: Apache-2.0
"""`ullage watch` on cgroup v2 with PSI and swap, in the virtual machine that test_cgroup.py starts: each of the kernel's signals
fires where it must, page cache raises nothing. All that is watched runs at once below one daemon; then each test looks at its part."""
import functools

from watching import *

MIB = 1 << 20
CONFIG = """targets:
  - {name: cgcause, go_only: false}
  - {name: pagecache, go_only: false}
  - {name: threads, go_only: false}
sampling:
  steps: [{below: 100%, interval: 250ms}]
  open_interval: 250ms
kernel: {log: true, bpf: true}
"""
# What must come of each, and whatever else may come with it.
MUST = {
    "slowed": {"memory_events_high", "near_limit", "psi"},
    "swapped": {"memory_events_max", "near_limit", "swap_out"},
    "shared": {"near_limit"},
    "tasks": {"pids_near_max"},
    "victim": {"oom_kill"},
    "neighbour": {"memory_events_oom"},
    "first": {"oom_kill"},
    "second": {"oom_kill"},
    "whole": {"oom_kill"},
    "half": {"oom_kill"},
    "quiet": {"oom_kill", "memory_events_oom"},  # of the cgroup it lives in, not of the one before
}
MAY = {"oom_forecast", "near_limit", "memory_events_max", "memory_events_oom", "psi"}
CACHE = ("read", "map", "write", "names")
CACHE_SECONDS = 30


class Group(Cgroup):
    """A cgroup of v2 with its files written; below another one, or by the name of one that was there."""

    def __init__(self, name, parent=None, again=False, **files):
        if parent or again:
            self.version, self.name = 2, f"{parent.name if parent else ''}/{name}"
            self.path = f"/sys/fs/cgroup{self.name}"
            os.mkdir(self.path)
            at_end(self.close)
        else:
            super().__init__(f"ullage-{name}")
        for name, value in files.items():
            self.write(name.replace("_", ".", 2 if name.startswith(("memory_swap", "memory_oom")) else 1), value)


class Scene:
    """What runs, by name, and what the daemon said of it."""

    def __init__(self, daemon):
        self.daemon, self.processes, self.keys, self.paths = daemon, {}, {}, {}

    def start(self, name, group, program, *words, spared=False):
        """Begins it in its cgroup; whether it is ready is not waited for: some never are."""
        def enter():
            if spared:  # whoever is killed, it is another one
                with open("/proc/self/oom_score_adj", "w", encoding="ascii") as f:
                    f.write("-1000")
            group.enter()

        argv = [build("c", "plain", program), *map(str, words)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=enter)
        at_end(process.wait)
        at_end(process.kill)
        self.processes[name], self.paths[name] = process, group.name

    def ready(self, *names):
        for name in names:
            self.processes[name].stdout.readline()
        self.seen(*names)

    def seen(self, *names):
        for name in names:
            self.keys[name] = self.daemon.wait_for_target(self.processes[name].pid, timeout=120)["id"]

    def killed(self, name, group):
        """Its memory does not fit below the limit that comes now."""
        group.write("memory.max", 24 * MIB)
        equal(f"end of {name}", self.processes[name].wait(60), -signal.SIGKILL)

    def named(self, kind):
        """The events of that kind, by name of what runs; of nobody in particular by None."""
        rows = [e for e in self.daemon.json("/api/v1/events?limit=1000")["events"] if e["kind"] == kind]
        return {name: [e for e in rows if e["target"] == key] for name, key in [*self.keys.items(), (None, None)]}

    def alarms(self):
        return {name: {e["name"] for e in rows} for name, rows in self.named("alarm").items()}

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def begin(scene):
    """All of it; the cgroup of the page caches."""
    cached, outer, swapped = Group("cached", memory_max=32 * MIB), Group("outer", memory_swap_max=0), Group("swapped")
    outer.write("cgroup.subtree_control", "+memory")
    again = Group("again", memory_swap_max=0)
    whole = Group("whole", memory_swap_max=0, memory_oom_group=1)
    scene.start("first", again, "cgcause", "anon", 48 * MIB)
    scene.start("whole", whole, "cgcause", "anon", 32 * MIB)
    scene.start("half", whole, "cgcause", "anon", 8 * MIB)
    scene.start("neighbour", Group("neighbour", outer), "cgcause", "anon", 4 * MIB, spared=True)
    scene.start("victim", Group("victim", outer), "cgcause", "anon", 48 * MIB)
    scene.start("shared", Group("shared", memory_max=32 * MIB, memory_swap_max=0), "cgcause", "tmpfs", 29 * MIB)
    scene.start("tasks", Group("tasks", pids_max=20), "threads", 18)
    scene.start("swapped", swapped, "cgcause", "anon", 64 * MIB)
    scene.start("slowed", Group("slowed", memory_high=24 * MIB, memory_swap_max=0), "cgcause", "anon", 96 * MIB)
    for kind in CACHE:
        scene.start(kind, cached, "pagecache", kind, 48 * MIB, "/var/tmp" if kind == "names" else f"/var/tmp/{kind}")
    scene.ready("first", "whole", "half", "neighbour", "victim", "shared", "tasks", "swapped")
    scene.killed("whole", whole)
    scene.killed("first", again)
    scene.killed("victim", outer)
    swapped.write("memory.max", 36 * MIB)
    scene.start("beside", swapped, "cgcause", "anon", 16 * MIB)
    again.close()  # and comes back under its name, where its counters begin anew
    again = Group(again.name[1:], again=True, memory_swap_max=0)
    scene.start("quiet", again, "cgcause", "anon", 4 * MIB, spared=True)
    scene.start("second", again, "cgcause", "anon", 48 * MIB)
    scene.ready("quiet", "second")
    scene.killed("second", again)
    scene.seen("slowed", *CACHE)
    return cached


@functools.lru_cache(None)
def seen():
    """(alarms by name, events of kills by name, what else was seen)"""
    with Daemon(CONFIG) as daemon:
        scene = Scene(daemon)
        began = time.monotonic()
        cached = begin(scene)
        end = time.monotonic() + 120
        while time.monotonic() < end and any(MUST[n] - found for n, found in scene.alarms().items() if n in MUST):
            time.sleep(1)
        time.sleep(max(0, CACHE_SECONDS - (time.monotonic() - began)))
        more = dict(paths=scene.paths, pids={n: p.pid for n, p in scene.processes.items()}, log=daemon.text(),
                    cache=daemon.target(scene.processes["read"].pid),
                    hits=int(re.search(r"^max (\d+)", cached.read("memory.events"), re.M)[1]))
        found, kills = scene.alarms(), scene.named("oom_kill")
        scene.close()
        return found, kills, more


@test(each=list(MUST), timeout=300)
def signals_fire(name):
    found, _, more = seen()
    equal("missing", MUST[name] - found[name], set())
    equal("not asked for", found[name] - MUST[name] - MAY, set())
    check("cannot" not in more["log"], more["log"])


@test(each=list(CACHE), timeout=300)
def page_cache_raises_nothing(kind):
    found, _, more = seen()
    check(more["hits"] > 0, "the limit was never hit")
    equal("alarms", found[kind], set())
    equal("state", more["cache"]["state"], "ok")


@test(timeout=300)
def a_kill_names_who_and_whose_limit():
    _, kills, more = seen()
    for name in ("victim", "first", "second", "whole", "half"):
        equal(f"kills of {name}", len(kills[name]), 1)
        text = kills[name][0]["text"]
        owner = more["paths"][name] if name != "victim" else os.path.dirname(more["paths"][name])
        check(text.startswith(f"cgcause (pid {more['pids'][name]}): killed by the kernel"), text)
        check(f"cgroup {owner} reached its limit" in text, text)
        check("just before, the working set of its cgroup was" in text, text)
    for name in ("neighbour", "quiet", "slowed", "swapped", *CACHE, None):
        equal(f"kills of {name}", kills[name], [])


@test(timeout=300)
def the_kernels_news_of_cgroups_is_heard():
    for test in (["test_sense_oom"], ["test_sense_sense", "a_*"]):
        result = run(["env", "CMOCKA_MESSAGE_OUTPUT=TAP", os.path.join(ROOT, "build", "src", test[0]), *test[1:]], timeout=300)
        check(result.status == 0 and "not ok" not in result.out + result.err, result.out + result.err)
        check("# SKIP" not in result.out + result.err, "one was skipped")
