# SPDX-License-Identifier: Apache-2.0
"""The command line: usage, exit statuses, formats, where output goes. Uses one small target."""
import csv
import io
import os
import re
import shutil
import subprocess

from common import *

COMMANDS = ["map", "ps", "snap", "show", "doctor"]
MAP_FIELDS = {
    "": "schema pid comm exe time elapsed_ms stopped_ms error_bound_bytes rss_bytes swap_bytes pss_bytes "
        "unexplained_bytes go integrity classes runtime gc cgroup address_space returnable_bytes owners notes",
    "go": "version module vcs_revision build_id stripped pie cgo experiments godebug",
    "integrity": "exe_matches_disk text_modified_bytes probes foreign_exec_mappings preloaded",
    "runtime": "heap_alloc_bytes heap_inuse_bytes heap_idle_bytes heap_released_bytes heap_objects "
               "stack_inuse_bytes total_alloc_bytes mallocs frees gc_percent memory_limit_bytes gomaxprocs "
               "cpu_quota goroutines goroutines_by_status threads",
    "gc": "count forced last phase interval_seconds pause_p50_ms pause_p99_ms pause_total_ms cpu_fraction "
          "heap_goal_bytes heap_marked_bytes",
    "cgroup": "version path limit_bytes limit_path high_bytes usage_bytes working_set_bytes swap_bytes events "
              "stat processes balance unexplained_bytes",
    "address_space": "span_bytes regions gaps mean_gap_bytes page_table_bytes vma_limit_ratio",
}
CLASS_FIELDS = "class resident_bytes virtual_bytes swap_bytes huge_bytes lazyfree_bytes"
CLASSES = set("""go.heap.live go.heap.dead go.heap.free go.heap.idle go.stack.inuse go.stack.free go.meta.spans
    go.meta.caches go.meta.gc go.meta.profile go.meta.other go.data file.text file.data file.mapped c.heap
    c.heap.inuse c.heap.free c.stack c.stack.cached mmap.anon shm kernel unexplained""".split())
PS_FIELDS = "pid comm exe go_version module stripped pie cgo rss_bytes cgroup_path cgroup_usage_bytes " \
            "working_set_bytes cgroup_limit_bytes"


@test
def version_is_one_line():
    check(re.fullmatch(r"ullage \d+\.\d+\.\d+\n", ullage("--version").out), "--version is not 'ullage N.N.N'")


@test
def help_lists_every_command():
    text = ullage("help").out
    equal("--help", ullage("--help").out, text)
    for command in COMMANDS:
        check(re.search(rf"^\s+{command}\b", text, re.M), f"help does not list {command}")


@test(each=COMMANDS)
def help_of_a_command(command):
    result = ullage("help", command)
    equal("COMMAND --help", ullage(command, "--help").out, result.out)
    equal("standard error", result.err, "")
    check(f"ullage {command}" in result.out, "the usage line is missing")
    check(max(map(len, result.out.splitlines())) <= 100, "a line is longer than 100 columns")


@test(each=[
    ("nothing",), ("unknown command", "mop"), ("unknown option", "map", "--nonsense", "1"), ("no target", "map"),
    ("two targets", "map", "1", "2"), ("not a number", "map", "12x"), ("negative", "map", "--", "-4"),
    ("zero", "map", "0"), ("overflow", "map", "99999999999999999999"), ("empty", "map", ""),
    ("option without value", "map", "1", "--html"), ("bad value", "map", "1", "--value", "blue"),
    ("bad budget", "map", "1", "--stop=soon"), ("two formats", "map", "1", "--json", "--csv"),
    ("bad colour", "map", "1", "--color=sometimes"), ("help of nothing", "help", "mop"), ("ps with a pid", "ps", "x", "y"),
])
def wrong_usage(_, *arguments):
    result = ullage(*arguments, expect=2)
    equal("standard output", result.out, "")
    check(re.match(r"ullage( [a-z]+)?[: ]", result.err), f"says {result.err!r}")
    check(len(result.err.splitlines()) <= 40, "a wall of text for a wrong word")


@test
def options_stand_before_or_after_the_target():
    with small() as target:
        before = set(ullage_json("map", target.pid))
        after = ullage("map", "--json", target.pid).out
        equal("fields", set(json.loads(after)), before)


@test
def map_keeps_the_contract():
    with small() as target:
        account = ullage_json("map", target.pid, "--vmas", "--pss")
        for name, fields in MAP_FIELDS.items():
            has_fields(name or "the account", account[name] if name else account, fields)
        equal("schema", account["schema"], "ullage.map/1")
        equal("pid", account["pid"], target.pid)
        equal("comm", account["comm"], "minimal")
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", account["time"]), account["time"])
        for row in account["classes"]:
            has_fields("a class", row, CLASS_FIELDS)
            check(row["class"] in CLASSES, f"{row['class']} is no class of the contract")
        equal("sum of the classes", sum(r["resident_bytes"] for r in account["classes"]), account["rss_bytes"])
        sizes = [r["resident_bytes"] for r in account["classes"]]
        equal("order of the classes", sizes, sorted(sizes, reverse=True))
        for row in account["vmas"]:
            has_fields("a vma", row, "start end perms name label rss_bytes classes")
        equal("sum of the mappings", sum(r["rss_bytes"] for r in account["vmas"]), account["rss_bytes"])
        for row in account["owners"]:
            has_fields("an owner", row, "class owner resident_bytes")
        check(account["pss_bytes"] > 0, "--pss gave no pss_bytes")
        equal("pss without --pss", ullage_json("map", target.pid)["pss_bytes"], None)


@test
def json_is_all_there_is_on_standard_output():
    with small() as target:
        result = ullage("map", target.pid, "--json")
        equal("lines", result.out.count("\n"), 1)
        json.loads(result.out)


@test
def csv_has_one_row_for_each_mapping_and_class():
    with small() as target:
        before = ullage_json("map", target.pid)["rss_bytes"]
        text = ullage("map", target.pid, "--csv").out
        after = ullage_json("map", target.pid)["rss_bytes"]
        rows = list(csv.DictReader(io.StringIO(text)))
        check(rows and "class" in rows[0], f"no header row with 'class': {text[:200]!r}")
        total = sum(int(r["resident_bytes"]) for r in rows)
        within("sum of resident_bytes", total, min(before, after), max(before, after))


@test
def text_fits_a_terminal_of_100_columns():
    with small() as target:
        text = ullage("map", target.pid).out
        check(max(map(len, text.splitlines())) <= 100, "a line is longer than 100 columns")
        check("\x1b" not in text, "colour although standard output is no terminal")
        check("go.heap.live" in text, "the classes are missing")


@test
def colour_is_as_asked():
    with small() as target:
        check("\x1b[" in ullage("map", target.pid, "--color=always").out, "--color=always gives none")
        check("\x1b[" not in ullage("map", target.pid, "--color=never").out, "--color=never gives some")
        plain = ullage("map", target.pid, env={**os.environ, "NO_COLOR": "1"}).out
        check("\x1b[" not in plain, "NO_COLOR is not honoured")


@test
def ps_lists_go_processes():
    with small() as target, c_target("notgo") as other:
        found = ullage_json("ps")
        equal("schema", found["schema"], "ullage.ps/1")
        for row in found["processes"]:
            has_fields("a process", row, PS_FIELDS)
        rows = {row["pid"]: row for row in found["processes"]}
        check(other.pid not in rows, "a C program is listed")
        mine = rows[target.pid]
        check(mine["go_version"].startswith("go1.24"), mine["go_version"])
        equal("stripped", mine["stripped"], True)
        equal("cgo", mine["cgo"], False)
        sizes = [row["rss_bytes"] for row in found["processes"]]
        equal("order", sizes, sorted(sizes, reverse=True))
        check(re.search(rf"\b{target.pid}\b", ullage("ps").out), "the text lacks it")


@test
def doctor_tells_what_works():
    with small() as target:
        report = ullage_json("doctor")
        equal("schema", report["schema"], "ullage.doctor/1")
        found = {c["check"]: c for c in report["checks"] if c["check"].startswith("watch: ")}
        equal("checks of the watch", sorted(found), [f"watch: {c}" for c in "bpf data events limits log memlock psi".split()])
        equal("without a remedy", [c for c in found.values() if c["result"] != "ok" and not c["remedy"]], [])
        text = ullage("doctor", target.pid).out
        check("go1.24" in text, "the layout in use is not named")
        check(max(map(len, text.splitlines())) <= 100, "a line is longer than 100 columns")


@test
def a_target_by_name():
    path = public_copy(build("1.24", "stripped", "minimal"))
    name = f"m{os.getpid()}"
    path = shutil.move(path, os.path.join(os.path.dirname(path), name))
    with Target([path]) as target:
        equal("pid", ullage_json("map", "--name", name)["pid"], target.pid)
        with Target([path]) as second:
            result = ullage("map", "--name", name, expect=2)
            for pid in (target.pid, second.pid):
                check(str(pid) in result.err, f"{pid} is not listed: {result.err}")
    one_sentence(ullage("map", "--name", name, expect=3).err)


@test
def a_target_by_cgroup():
    with Cgroup() as group, go_target("1.24", "stripped", program="minimal", cgroup=group) as target:
        equal("pid", ullage_json("map", "--cgroup", group.name)["pid"], target.pid)
        one_sentence(ullage("map", "--cgroup", "/no-such-cgroup", expect=3).err)


@test
def output_goes_through_a_rename():
    with small() as target, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "account.json")
        with open(path, "w", encoding="ascii") as f:
            f.write("old")
        before = os.stat(path).st_ino
        equal("standard output", ullage("map", target.pid, "--json", "-o", path).out, "")
        with open(path, encoding="utf-8") as f:
            equal("pid", json.load(f)["pid"], target.pid)
        check(os.stat(path).st_ino != before, "the file was written in place")
        equal("files", os.listdir(directory), ["account.json"])


@test
def a_failed_output_leaves_the_old_file():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "account.json")
        with open(path, "w", encoding="ascii") as f:
            f.write("old")
        one_sentence(ullage("map", 2 ** 22 + 1, "--json", "-o", path, expect=3).err)
        with open(path, encoding="ascii") as f:
            equal("content", f.read(), "old")
        equal("files", os.listdir(directory), ["account.json"])


@test(each=["-o", "--html", "--flame"])
def an_output_that_cannot_be_written(option):
    with small() as target:
        for path in ("/nonexistent/file", "/dev/full/file", "/proc/file", "/"):
            one_sentence(ullage("map", target.pid, option, path, expect=7).err)


@test
def html_is_one_self_contained_page():
    with small() as target, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "account.html")
        ullage("map", target.pid, "--html", path)
        with open(path, encoding="utf-8") as f:
            page = f.read()
        check(page.lower().startswith("<!doctype html>"), page[:60])
        outside_links = re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']+""", page)
        equal("references to other files", outside_links, [])
        check("go.heap.live" in page, "the data is not in the page")
        equal("files", os.listdir(directory), ["account.html"])


def with_output(argv, **keywords):
    done = subprocess.run([ULLAGE, *map(str, argv)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False, **keywords)
    return done.returncode, done.stderr


@test(each=["--json", "--csv", "--color=never"])
def a_full_disk_is_status_7(option):
    with small() as target, open("/dev/full", "w", encoding="ascii") as full:
        status_, text = with_output(["map", target.pid, option], stdout=full)
        equal("status", status_, 7)
        one_sentence(text)
        status_, text = with_output(["ps"], stdout=full)
        equal("status of ps", status_, 7)


@test
def a_closed_output_is_status_7():
    with small() as target:
        status_, _ = with_output(["map", target.pid], preexec_fn=lambda: os.close(1))
        equal("status", status_, 7)


@test
def a_reader_that_leaves_is_no_crash():
    with small() as target:
        reader, writer = os.pipe()
        os.close(reader)
        status_, text = with_output(["map", target.pid, "--json", "--vmas"], stdout=writer)
        os.close(writer)
        check(status_ in (7, 141, -signal.SIGPIPE), f"status {status_}: {text}")


@test
def an_interrupt_ends_at_once():
    with go_target("1.24", "stripped", "-heap", "100000000", "-maps", "20000") as target:
        whole = ullage("map", target.pid, "--json").seconds
        ends = []
        for step in range(20):
            process = subprocess.Popen([ULLAGE, "map", str(target.pid), "--json"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(whole * step / 20)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            ends.append(process.returncode)
            check(process.returncode in (0, 130, -signal.SIGINT), f"status {process.returncode}: {err}")
            if out:
                json.loads(out)
        check(any(ends[1:]), "each went on to its end")
        state = status(target.pid, "State")
        check(state[0] in "SR", f"the target does not go on as before: {state}")
