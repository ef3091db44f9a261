# SPDX-License-Identifier: Apache-2.0
"""`ullage record`: memory outside the Go heap by call path, against programs that know it exactly."""
from record_cases import *

VERSIONS_HERE = [("1.19", "cgopie"), ("1.24", "cgo"), ("1.27", "cgopie")]


def offheap(version, variant, *cases, **keywords):
    return go_target(version, variant, *cases, program="offheap", **keywords)


# ---- the truth ----

@test(each=VERSIONS_HERE)
def every_call_path_is_exact(version, variant):
    with offheap(version, variant, *ALL) as target:
        truth, record = record_of(target, "--budget", "100")
        check_truth(record, truth)
        equal("partial", record["partial"], False)
        figure("call paths", f"go{version} {variant}", "in the truth", len(truth))
        figure("call paths", f"go{version} {variant}", "frames unknown", record["stacks_cut"])


@test
def a_low_rate_is_exact_within_the_default_budget():
    with offheap("1.24", "cgopie", "malloc", "nofp", "inlined") as target:
        truth, record = record_of(target)
        check_truth(record, truth)


@test(each=[("1.24", "plain"), ("1.27", "plain")])
def a_program_without_c_is_recorded(version, variant):
    with offheap(version, variant, "mmap-go", "mmap-go-free") as target:
        truth, record = record_of(target)
        check_truth(record, truth)
        equal("go_version", record["go_version"][:6], f"go{version}")


@test
def a_program_that_is_linked_statically_is_recorded():
    with offheap("1.24", "cgostatic", "malloc", "cxx", "mmap") as target:
        truth, record = record_of(target)
        check_truth(record, truth)


@test(each=VERSIONS_HERE)
def a_million_calls_a_second_come_with_an_interval_that_holds_the_truth(version, variant):
    with offheap(version, variant, "flood") as target:
        truth, record = record_of(target, seconds=3)
        entry = truth[0]
        rows = rows_of(record, entry)
        low, high = total(rows, "low_bytes"), total(rows, "high_bytes")
        within("truth", entry["bytes"], low, high)
        check(rows, "main.flood is not named")
        figure("interval of a million calls a second, over the truth", f"go{version} {variant}", "low", low / entry["bytes"])
        figure("interval of a million calls a second, over the truth", f"go{version} {variant}", "high", high / entry["bytes"])
        figure("interval of a million calls a second, over the truth", f"go{version} {variant}", "watched",
               record["malloc_on_ratio"])


@test(each=[("1.24", "cgo", "free-fast"), ("1.27", "cgopie", "free-fast"), ("1.24", "cgo", "free")])
def a_program_that_frees_everything_is_not_accused(version, variant, case):
    with offheap(version, variant, case) as target:
        _, record = record_of(target, seconds=2 if case == "free-fast" else 0)
        for row in record["outstanding"]:
            if row["kind"] == "malloc" and site_of(row):
                equal(f"low_bytes of {site_of(row)}", row["low_bytes"], 0)


@test(each=[("1.19", "cgopie"), ("1.27", "cgo")])
def memory_reserved_long_ago_is_blamed_on_who_touches_it(version, variant):
    with offheap(version, variant, "touch", "touch-go") as target:
        truth, record = record_of(target)
        for entry in truth:
            rows = rows_of(record, entry)
            samples = entry["bytes"] / 4096 / record["fault_period"]
            error = close(f"resident bytes of {entry['function']}", total(rows, "bytes"), entry["bytes"], 4 / samples ** 0.5)
            check(total(rows, "low_bytes") <= total(rows, "bytes") <= total(rows, "high_bytes"), "an interval is turned around")
            figure("error of sampled page faults", f"go{version} {variant}", entry["case"], error)


@test(each=["1.24", "1.27"])
def the_go_heap_is_recorded_where_it_is_asked_for(version):
    # A collection allocates for itself, below whoever it began in.
    with offheap(version, "plain", "go", env={**os.environ, "GOGC": "off"}) as target:
        truth, record = record_of(target, "--events", "go")
        rows = rows_of(record, truth[0])
        check(rows, "main.allocateOne is not named")
        within("truth", truth[0]["count"], total(rows, "low_count"), total(rows, "high_count"))
        within("truth in bytes", truth[0]["bytes"], total(rows, "low_bytes"), total(rows, "high_bytes"))
        equal("malloc", record["events"]["malloc"], None)


# ---- the forms of it ----

def go_tool():
    go = "/usr/lib/go-1.24/bin/go"
    if not os.path.exists(go):
        skip("no go1.24: tools/setup go")
    return go


def pprof_sum(path, kind):
    """Sum of a sample type, as `go tool pprof` reads it."""
    unit = ["-unit=B"] if kind.endswith("space") else []
    done = run([go_tool(), "tool", "pprof", "-top", "-nodefraction=0", f"-sample_index={kind}", *unit, path])
    found = re.search(r"of (\d+)B? total", done.out)
    check(found, f"go tool pprof: {done.out}{done.err}")
    return int(found.group(1))


@test
def the_profile_is_what_the_json_says():
    directory = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, directory, True)
    idle, path, flame, folded = (f"{directory}/{name}" for name in ("idle.pb.gz", "out.pb.gz", "out.html", "out.folded"))
    with offheap("1.24", "cgo", "malloc", "mmap") as target:
        Recording(target.pid, "-o", idle).end()
        truth, record = record_of(target, "-o", path, "--flame", flame, "--folded", folded)
    for kind, types in (("mmap", ("mmap_objects", "mmap_space")), ("malloc", ("malloc_objects", "malloc_space")),
                        ("resident", (None, "resident_space"))):
        rows = [r for r in record["outstanding"] if r["kind"] == kind]
        for name, key in zip(types, ("count", "bytes")):
            if name and rows:
                equal(name, pprof_sum(path, name), total(rows, key))
    top = run([go_tool(), "tool", "pprof", "-top", "-cum", "-sample_index=malloc_space", path]).out
    check("main.leakMalloc" in top, f"go tool pprof lacks main.leakMalloc: {top}")
    grown = ullage_json("diff", idle, path, "--sample-index", "malloc_space")
    of_leak = [g for g in grown["groups"] if any(f["function"] == "main.leakMalloc" for f in g["stack"])]
    equal("ullage diff of main.leakMalloc", sum(g["delta_bytes"] for g in of_leak), truth[0]["bytes"])
    with open(flame, encoding="utf-8") as page, open(folded, encoding="utf-8") as lines:
        for name, text in (("the page", page.read()), ("the folded stacks", lines.read())):
            check("main.mapInC" in text and "main.leakMalloc" in text, f"who took it is not in {name}")


@test
def the_text_fits_the_screen_and_names_who():
    with offheap("1.24", "cgo", "malloc", "mmap") as target:
        process = subprocess.Popen([ULLAGE, "record", str(target.pid), "--for", "5m"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        at_end(process.kill)
        first = process.stderr.readline()
        if "recording" not in first:
            process.wait()
            check(process.returncode in (4, 5), first)
            skip(first.strip())
        target.ask("start")
        target.ask("stop")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    equal("exit status", process.returncode, 0)
    check(max(map(len, out.splitlines())) <= 100, f"a line is longer than 100 columns:\n{out}")
    for words in (f"record of pid {target.pid}, offheap, go1.24", "Outside the Go heap", "calling leak_malloc", "main.mapInC"):
        check(words in out, f"no '{words}' in:\n{out}")


@test
def json_has_what_the_contract_names():
    with offheap("1.24", "cgo", "malloc", "mmap") as target:
        _, record = record_of(target, seconds=2.2)
    has_fields("record", record, "schema pid events outstanding series lost cpu_ratio partial window_seconds processes notes")
    equal("schema", record["schema"], "ullage.record/1")
    has_fields("events", record["events"], "mmap munmap mremap brk malloc free fault")
    for row in record["outstanding"]:
        has_fields("a row", row, "kind bytes low_bytes high_bytes count stack what pid")
        within("bytes", row["bytes"], row["low_bytes"], row["high_bytes"])
        for frame in row["stack"]:
            has_fields("a frame", frame, "function file line inlined")
    check(len(record["series"]) >= 3, f"{len(record['series'])} points in {record['window_seconds']} s")
    for point in record["series"]:
        has_fields("a point", point, "t mapped_bytes")
    equal("t", [p["t"] for p in record["series"]], sorted(p["t"] for p in record["series"]))
    sizes = [row["bytes"] for row in record["outstanding"] if row["kind"] == "mmap"]
    equal("order", sizes, sorted(sizes, reverse=True))
    check(record["cpu_ratio"] is None or 0 <= record["cpu_ratio"] < 1, f"cpu_ratio {record['cpu_ratio']}")


@test
def a_whole_cgroup_is_recorded():
    with Cgroup() as cgroup, offheap("1.24", "cgo", "malloc", cgroup=cgroup) as one, \
            offheap("1.27", "cgopie", "mmap", cgroup=cgroup) as two:
        recording = Recording("--cgroup", cgroup.name)
        for target in one, two:
            target.ask("start")
        truth = [json.loads(target.ask("stop")) for target in (one, two)]
        record = recording.end()
        equal("processes", {p["pid"] for p in record["processes"]}, {one.pid, two.pid})
        for target, entries in zip((one, two), truth):
            own = [row for row in record["outstanding"] if row["pid"] == target.pid]
            check_truth({**record, "outstanding": own}, entries)


@test
def libraries_that_only_the_target_sees_are_probed():
    root_only()
    script = 'mount -t tmpfs none /mnt && cp "$0".lib/*.so /lib/x86_64-linux-gnu/libc.so.6 /mnt && ' \
             'LD_LIBRARY_PATH=/mnt exec "$0" "$@"'
    with offheap("1.24", "cgo", "malloc", "nofp", "mmap",
                 wrapper=["unshare", "--mount", "--pid", "--fork", "sh", "-c", script]) as target:
        with open(f"/proc/{target.pid}/maps", encoding="utf-8") as maps:
            check("/mnt/libc.so.6" in maps.read(), "the target does not use its own libc")
        truth, record = record_of(target)
        check_truth(record, truth)
        equal("pid", record["pid"], target.pid)


@test
def a_process_that_is_not_go_is_recorded():
    with c_target("notgo", 1 << 20) as target:
        record = ullage_json("record", target.pid, "--for", "300ms", expect=None)
        check(record.get("partial") is not None, "no record")
        equal("go_version", record["go_version"], None)


# ---- the end of it ----

@test
def probes_are_gone_when_it_ends_and_when_it_is_killed():
    with offheap("1.24", "cgo", "malloc") as target:
        recording = Recording(target.pid)
        wait_for("probes", lambda: breakpoints(target.pid) > 0)
        target.ask("start")
        target.ask("stop")
        recording.end()
        equal("bytes of text that stay changed", breakpoints(target.pid), 0)
        equal("probes", ullage_json("map", target.pid)["integrity"]["probes"], 0)
        recording = Recording(target.pid)
        wait_for("probes", lambda: breakpoints(target.pid) > 0)
        recording.process.kill()
        recording.process.communicate()
        wait_for("probes of a killed recorder gone", lambda: breakpoints(target.pid) == 0)
        target.ask("start")  # it works on
        equal("truth", json.loads(target.ask("stop"))[0]["count"], 40)


@test
def the_target_is_never_stopped():
    with offheap("1.24", "cgo", "malloc") as target:
        recording = Recording(target.pid)
        target.ask("start")
        states = set()
        for _ in range(200):
            states.add(status(target.pid, "State").split()[0])
            states.add(f"traced by {status(target.pid, 'TracerPid')}")
            time.sleep(0.002)
        target.ask("stop")
        recording.end()
        check(states <= {"S", "R", "D", "traced by 0"}, f"states {states}")


@test
def a_target_that_exits_ends_the_window():
    with offheap("1.24", "cgo", "malloc", "mmap") as target:
        recording = Recording(target.pid)
        target.ask("start")
        truth = json.loads(target.ask("stop"))
        target.send("exit")
        record = recording.result(expect=3)
        check(record["window_seconds"] < 60, f"it waited for {record['window_seconds']} s")
        equal("exited", record["processes"][0]["exited"], True)
        for entry in truth:
            rows = rows_of(record, entry)
            equal(f"bytes of {entry['function']} until then", total(rows, "bytes"), entry["bytes"])


@test
def what_happened_before_an_exit_is_named_after_it():
    with offheap("1.24", "cgo", "malloc", "mmap") as target:
        recording = Recording(target.pid)
        recording.process.send_signal(signal.SIGSTOP)  # it comes to nothing before the target is gone
        target.ask("start")
        truth = json.loads(target.ask("stop"))
        target.send("exit")
        target.process.wait(20)
        recording.process.send_signal(signal.SIGCONT)
        record = recording.result(expect=3)
        for entry in truth:
            equal(f"bytes of {entry['function']}", total(rows_of(record, entry), "bytes"), entry["bytes"])


@test
def a_target_that_becomes_another_program_is_told():
    with offheap("1.24", "cgo", "mmap") as target:
        recording = Recording(target.pid)
        target.ask("start")
        target.ask("stop")
        target.send("exec")
        target.read_line()
        record = recording.end()
        equal("execed", record["processes"][0]["execed"], True)
        check(record["notes"], "no note says so")


@test
def lost_events_are_counted():
    with offheap("1.24", "cgo", "flood") as target:
        _, record = record_of(target, "--budget", "100", "--buffer", "4096", seconds=1)
        check(record["lost"] > 0, "nothing was lost in a buffer of a page")
        equal("partial", record["partial"], True)
        rows = [r for r in record["outstanding"] if site_of(r) == "main.flood"]
        check(all(r["low_bytes"] <= r["high_bytes"] for r in rows), "an interval is turned around")


@test
def without_a_capability_it_says_which():
    root_only()
    with offheap("1.24", "cgo", "malloc") as target:
        result = run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--regid=65534", "--clear-groups",
                      public_copy(ULLAGE), "record", target.pid, "--for", "100ms", "--json"])
        equal("exit status", result.status, 4)
        equal("standard output", result.out, "")
        one_sentence(result.err)
        check(re.search(r"CAP_[A-Z]+", result.err), f"no capability is named: {result.err}")


@test(each=[("--events", "nothing"), ("--events", ""), ("--budget", "0"), ("--budget", "x"), ("--for", "1"),
            ("--budget", "101"), ("-o", "-", "--json")])
def wrong_options_are_refused(*options):
    result = ullage("record", os.getpid(), *options, expect=2)
    equal("standard output", result.out, "")


@test
def a_process_that_is_not_there_is_not_found():
    ullage("record", 999999999, "--for", "100ms", expect=3)


@test
def what_cannot_be_written_is_told_before_it_records():
    start = time.monotonic()
    ullage("record", os.getpid(), "-o", "/nowhere/out.pb.gz", "--for", "20s", expect=7)
    check(time.monotonic() - start < 10, "it recorded first")
