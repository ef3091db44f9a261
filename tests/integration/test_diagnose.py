# SPDX-License-Identifier: Apache-2.0
"""diagnose: each leak by its right name and line, and none of what only looks like one."""
from sick import *

ALONE = True  # verdicts on what targets do within seconds


@test
def leaks_are_named():
    together(LEAKS, "1.24", "6s")


@test
def the_main_leaks_are_named_in_the_oldest_and_newest():
    main = [c for c in LEAKS if c.mode in ("slice", "map", "holder", "afterfunc", "ticker", "file")]
    at_once(*[lambda v=v: together(main, v, "6s", len(main)) for v in ("1.19", "1.27")])


@test
def look_alikes_are_not_accused():
    together(ALIKES, "1.24", "6s")


@test
def a_leak_under_rare_collections_is_named():
    """GOGC=100 and nothing but the leak: each collection comes at twice the size of the last."""
    together([Case("slice", "-steps", 1000, kind="heap"), Case("map", "-steps", 2000, kind="map", also=["heap"]),
              Case("list", "-steps", 3000, kind="heap")], "1.24", "10s")


def in_cgroup(limit, *args, window="5s", directory=None, env=None, companion=None):
    """The verdict about a sick program in a cgroup of its own."""
    with Cgroup(limit=limit) as group:
        where = ("-dir", directory or group.path)
        with go_target("1.24", "stripped", *args, *where, program="sick", cgroup=group,
                       env={**os.environ, **(env or {})}) as target:
            other = companion(group) if companion else None
            verdict = ullage_json("diagnose", target.pid, "--for", window, expect=None)
            if other:
                other.close()
    return verdict


def kinds(verdict):
    return [f["kind"] for f in verdict["findings"]]


def page_cache_is_no_pressure():
    with tempfile.TemporaryDirectory(dir=os.path.dirname(build("1.24", "stripped", "sick"))) as directory:
        verdict = in_cgroup(512 * MIB, "-mode", "write", "-steps", 20, directory=directory)
    equal("verdict", verdict["verdict"], "no-leak")
    check("page-cache" in kinds(verdict), f"page-cache is not among {kinds(verdict)}")
    equal("time until the limit", verdict["oom"]["eta_seconds"], None)


def files_of_a_tmpfs_are_named():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        verdict = in_cgroup(512 * MIB, "-mode", "write", "-steps", 20, directory=directory)
    equal("verdict", verdict["verdict"], "no-leak")
    check("tmpfs" in kinds(verdict), f"tmpfs is not among {kinds(verdict)}")
    within("time until the limit", verdict["oom"]["eta_seconds"], 10, 400)


def another_process_in_the_cgroup_is_named():
    def grow(group):
        return go_target("1.24", "stripped", "-mode", "mmap", "-steps", 40, program="sick", cgroup=group)

    verdict = in_cgroup(512 * MIB, "-mode", "idle", "-base", 8 * MIB, companion=grow)
    equal("verdict", verdict["verdict"], "no-leak")
    check("other-process" in kinds(verdict), f"other-process is not among {kinds(verdict)}")


def a_limit_that_is_too_low_is_named():
    verdict = in_cgroup(66 * MIB, "-mode", "idle", "-base", 58 * MIB, "-warm", "1s", window="3s")
    equal("verdict", verdict["verdict"], "no-leak")
    check("limit-too-low" in kinds(verdict), f"limit-too-low is not among {kinds(verdict)}")
    advice = [f["advice"] for f in verdict["findings"] if f["kind"] == "limit-too-low"][0]
    check("MiB" in advice, advice)


def a_leak_has_its_end_in_sight():
    verdict = in_cgroup(256 * MIB, "-mode", "slice", "-steps", 1500, window="6s", env=GC_OFTEN)
    equal("verdict", verdict["verdict"], "leak")
    oom = verdict["oom"]
    equal("limit", oom["limit_bytes"], 256 * MIB)
    left = (oom["limit_bytes"] - oom["working_set_bytes"]) / oom["eta_seconds"]
    close("rate", left, oom["rate_bytes_per_second"], 0.01)
    within("rate", left, 4000 * 1500 * 0.8, 4000 * 1500 * 2)  # the garbage between collections comes on top
    check("GOMEMLIMIT=" in verdict["findings"][0]["advice"], verdict["findings"][0]["advice"])
    equal("level", verdict["findings"][0]["level"], "critical")


def cgroups_left_behind_are_a_leak():
    with Cgroup() as group:
        try:
            with go_target("1.24", "stripped", "-mode", "cgroup", "-steps", 4, "-dir", group.path, program="sick",
                           cgroup=group) as target:
                verdict = ullage_json("diagnose", target.pid, "--for", "4s", expect=None)
        finally:
            for name in os.listdir(group.path):
                if name.startswith("left-"):
                    os.rmdir(os.path.join(group.path, name))
    equal("kinds", (verdict["verdict"], kinds(verdict)), ("leak", ["cgroup"]))


@test
def what_the_cgroup_is_charged_is_told_apart():
    at_once(page_cache_is_no_pressure, files_of_a_tmpfs_are_named, another_process_in_the_cgroup_is_named)


@test
def limits_of_the_cgroup_are_judged():
    at_once(a_limit_that_is_too_low_is_named, a_leak_has_its_end_in_sight, cgroups_left_behind_are_a_leak)


def a_target_that_exits_leaves_a_verdict():
    with go_target("1.24", "stripped", "-mode", "receive", "-steps", 50, "-life", "6s", program="sick") as target:
        verdict = ullage_json("diagnose", target.pid, "--for", "60s", "--interval", "300ms", expect=3)
    check(verdict["notes"] and "cut short" in verdict["notes"][0], verdict["notes"])
    equal("verdict", verdict["verdict"], "leak")


def an_interrupt_ends_the_window():
    with go_target("1.24", "stripped", "-mode", "receive", "-steps", 50, program="sick") as target:
        with subprocess.Popen([ULLAGE, "diagnose", str(target.pid), "--for", "60s", "--interval", "250ms", "--json"],
                              stdout=subprocess.PIPE) as tool:
            time.sleep(4)
            tool.send_signal(signal.SIGINT)
            verdict = json.loads(tool.communicate(timeout=20)[0])
        equal("status", tool.returncode, 1)
        equal("verdict", verdict["verdict"], "leak")
        within("window", verdict["window_seconds"], 2, 10)


@test
def what_was_seen_before_an_early_end_is_judged():
    at_once(a_target_that_exits_leaves_a_verdict, an_interrupt_ends_the_window)


@test
def wrong_durations_are_refused():
    for words in (["--for", "5"], ["--for", "0s"], ["--for", "3s", "--interval", "5s"]):
        result = ullage("diagnose", os.getpid(), *words, expect=2)
        check(result.err.startswith("ullage diagnose: "), result.err)


@test
def a_process_that_is_not_go_is_judged_by_its_counts():
    with c_target("notgo") as target:
        verdict = ullage_json("diagnose", target.pid, "--for", "2s")
    equal("verdict", verdict["verdict"], "no-leak")
    equal("heap", verdict["after"]["heap_live_bytes"], None)


def under_load(name):
    with program(name) as target:
        stop = time.monotonic() + 8
        with concurrent.futures.ThreadPoolExecutor(1) as workers:
            load = workers.submit(lambda: [target.fetch("heap?debug=1") for _ in iter(lambda: time.monotonic() < stop, False)])
            verdict = ullage_json("diagnose", target.pid, "--for", "7s", expect=None)
            load.result()
    check(verdict["verdict"] != "leak", f"{name}: {verdict['findings']}")


@test
def programs_under_load_do_not_leak():
    at_once(*[lambda n=n: under_load(n) for n in ("prometheus-1.24", "etcd-1.19")])


@test
def goroutines_are_those_of_the_user():
    with go_target("1.24", "stripped", "-mode", "workers", "-steps", 200, "-size", 40, program="sick") as target:
        time.sleep(1)
        verdict = ullage_json("diagnose", target.pid, "--for", "1s", expect=None)
        listed = ullage_json("goroutines", target.pid)["goroutines_total"]
    equal("goroutines", verdict["after"]["goroutines"], listed)


def snapshots(target, directory, n, *options):
    """Files of n snapshots, some time apart."""
    files = [os.path.join(directory, f"{i}.ullage") for i in range(n)]
    for f in files:
        ullage("snap", target.pid, "-o", f, *options, expect=0)
        time.sleep(0.6)
    return files


def snapshots_of_one_process_are_judged():
    with tempfile.TemporaryDirectory() as directory:
        with go_target("1.24", "stripped", "-mode", "receive", "-steps", 60, program="sick") as target:
            files = snapshots(target, directory, 6)
        verdict = ullage_json("diagnose", *reversed(files), expect=1)
        check_leak([c for c in LEAKS if c.mode == "receive"][0], verdict)
        equal("looks", (verdict["looks"], verdict["pid"]), (6, target.pid))
        few = ullage_json("diagnose", files[0], files[5], expect=0)
        equal("verdict of two", few["verdict"], "inconclusive")
        check("main.leakReceive" in few["open"][0]["why"], few["open"])
        with go_target("1.24", "stripped", "-mode", "idle", program="sick") as other:
            stranger = os.path.join(directory, "stranger")
            ullage("snap", other.pid, "-o", stranger, expect=0)
            for words in ([files[0]], [files[0], other.pid], [files[0], files[0]], [files[0], stranger],
                          [files[0], files[1], "--for", "3s"]):
                result = ullage("diagnose", *words, expect=2)
                check(result.err.startswith("ullage diagnose: "), result.err)


def a_heap_that_grows_is_named_from_snapshots():
    with tempfile.TemporaryDirectory() as directory:
        with go_target("1.24", "stripped", "-mode", "slice", "-steps", 3000, program="sick",
                       env={**os.environ, **GC_OFTEN}) as target:
            files = snapshots(target, directory, 7, "--owners")
        check_leak([c for c in LEAKS if c.mode == "slice"][0], ullage_json("diagnose", *files, expect=1))


@test
def snapshots_stand_in_place_of_a_process():
    at_once(snapshots_of_one_process_are_judged, a_heap_that_grows_is_named_from_snapshots)
