# SPDX-License-Identifier: Apache-2.0
"""`ullage history`: the answer first, beside a running writer and after its death, and nothing changed by reading."""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

from common import *

PROBE = os.path.join(os.path.dirname(ULLAGE), "tests", "probes", "write_history")
POINT = "time rss_bytes working_set_bytes limit_bytes heap_alloc_bytes goroutines gc_count state rate_bytes_per_second eta_seconds"


def box():
    directory = tempfile.mkdtemp(prefix="ullage-box-")
    at_end(shutil.rmtree, directory, True)
    return os.path.join(directory, "data")


def written():
    directory = box()
    subprocess.run([PROBE, directory], check=True)
    return directory


@contextlib.contextmanager
def writer(directory):
    with subprocess.Popen([PROBE, directory, "stay"], stdout=subprocess.PIPE, text=True) as process:
        try:
            equal("the writer", process.stdout.readline(), "ready\n")
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def state_of(directory):
    """Every file with its bytes and times."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                found[path] = hashlib.sha256(f.read()).hexdigest(), os.stat(path).st_mtime_ns
    return found


@test
def the_answer_is_in_the_first_lines():
    directory = written()
    lines = ullage("history", "leaky", "--data", directory).out.splitlines()
    check(re.match(r"leaky \(10-100\) was killed by the kernel for memory at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", lines[0]), lines[0])
    check("limit of 512 MiB of cgroup /system.slice/leaky.service" in lines[1], lines[1])
    check(re.search(r"warned +60 s before, .* by near_limit|warned +59 s before, .* by near_limit", lines[2]), lines[2])
    check(len(lines) <= 36, f"{len(lines)} lines are more than one screen")
    check(max(map(len, lines)) <= 100, "a line is longer than 100 columns")
    text = "\n".join(lines)
    check("near_limit: 91.0 % of 512 MiB in use" in text, "the signal that was on is missing")
    check(re.search(r"/snapshots/10-100_\d{8}T\d{6}\.\d{3}Z\.ullage", text), "the snapshot's path is missing")
    check("11-200" in text, "the other life is missing")


@test
def json_has_what_the_text_says():
    directory = written()
    document = ullage_json("history", "leaky", "--data", directory)
    equal("schema", document["schema"], "ullage.history/1")
    equal("end", document["target"]["end"], "oom-killed")
    equal("id", document["target"]["id"], "10-100")
    equal("kind of the end", document["end_event"]["kind"], "oom_kill")
    close("warned", document["warned_seconds"], 59.5, 0.05)
    equal("looks", len(document["series"]), 300)
    has_fields("a look", document["series"][0], POINT)
    rss = [p["rss_bytes"] for p in document["series"]]
    check(rss == sorted(rss) and rss[0] == 100 << 20, "the looks are not those that were written")
    equal("before a forecast", document["series"][0]["eta_seconds"], None)
    equal("eta of the last look", document["series"][-1]["eta_seconds"], 1)
    check(os.path.exists(document["files"][0]["path"]), "the snapshot is not there")
    equal("signals", [e["name"] for e in document["signals_at_end"]], ["near_limit"])
    equal("others", [t["id"] for t in document["others"]], ["11-200"])


@test
def all_that_is_known_is_listed():
    directory = written()
    text = ullage("history", "--data", directory).out
    check(text.startswith("3 processes are known: 0 alive, 1 killed by the kernel for memory, 1 ended otherwise"), text.splitlines()[0])
    check("\x1b" not in text and "\\x1b" in text, "a hostile name is not made harmless")
    listed = {t["id"]: t["end"] for t in ullage_json("history", "--data", directory)["targets"]}
    equal("ends", listed, {"10-100": "oom-killed", "11-200": "unknown", "12-300": "exited"})


@test(each=["10-100", "10", "leaky", "leaky.service", "/system.slice/leaky.service", "system.slice/leaky.service"])
def a_target_has_many_names(name):
    equal("id", ullage_json("history", name, "--data", written())["target"]["id"], "10-100")


@test
def a_moment_chooses():
    directory = written()
    equal("now", ullage_json("history", "leaky", "--data", directory, "--at", "now")["target"]["id"], "11-200")
    equal("before", ullage_json("history", "leaky", "--data", directory, "--at", "-2m")["target"]["id"], "10-100")
    far = ullage_json("history", "leaky", "--data", directory, "--at", "-9d")["notes"]
    check(any("none that matches was there" in note for note in far), f"nobody was there, and that is not said: {far}")
    cut = ullage_json("history", "10-100", "--data", directory, "--since", "-200s", "--until", "-100s")
    within("looks in the span", len(cut["series"]), 95, 101)


@test
def beside_a_writer_and_after_its_death():
    directory = box()
    with writer(directory):
        document = ullage_json("history", "11-200", "--data", directory)
        equal("end", document["target"]["end"], "alive")
        check(document["daemon_pid"], "who writes is not said")
        first = document["target"]["last_look"]
        deadline = time.monotonic() + 20
        while ullage_json("history", "11-200", "--data", directory)["target"]["last_look"] == first:
            check(time.monotonic() < deadline, "what is written is not seen")
    before = state_of(directory)
    check(any(path.endswith("-wal") for path in before), "the writer's death left no WAL: nothing is tested")
    document = ullage_json("history", "11-200", "--data", directory)
    equal("end", document["target"]["end"], "unknown")
    check(document["notes"], "nobody says that its end is unknown")
    equal("files", state_of(directory), before)


@test
def reading_changes_nothing():
    directory = written()
    before = state_of(directory)
    ullage("history", "--data", directory)
    ullage("history", "leaky", "--data", directory, "--json")
    equal("files", state_of(directory), before)


@test
def builds_are_compared():
    directory = written()
    text = ullage("history", "leaky", "--data", directory, "--compare", "-20m..-4s,-4s..now").out
    check(text.startswith("leaky: growth an hour +4."), text.splitlines()[0])
    check("note: after: of no process there are looks 10 s apart" in text, text)
    check("OOM kills 0 and 1" in " ".join(text.split()), text)
    document = ullage_json("history", "leaky", "--data", directory, "--compare", "-20m..now,-1s..now")
    equal("schema", document["schema"], "ullage.history/1")
    old = next(b for b in document["before"]["builds"] if b["build_id"] == "old")
    close("growth", old["growth_bytes_per_hour"], (410 << 20) / 300 * 3600, 0.02)
    equal("kills", old["oom_kills"], 1)
    close("pause", old["gc_pause_mean_seconds"], 0.0002, 0.001)
    close("mean", old["rss_mean_bytes"], 305 << 20, 0.02)


@test
def what_cannot_be_had_is_said():
    directory = written()
    for status, *arguments in [(3, "nobody"), (2, "leaky", "--at", "yesterday"), (2, "leaky", "--compare", "-1h..now"),
                               (2, "leaky", "--compare", "-1h..-2h,-1h..now"), (2, "one", "two"),
                               (2, "leaky", "--since", "-1h", "--until", "-2h"), (3, "nobody", "--compare", "-1h..,-1h..")]:
        one_sentence(ullage("history", *arguments, "--data", directory, expect=status).err.splitlines()[0])
    one_sentence(ullage("history", "--data", directory + "/none", expect=3).err)
    check("in this time" in ullage("history", "leaky", "--data", directory, "--until", "-9d", expect=3).err, "it is known, but not then")


@test
def a_damaged_or_newer_database_is_told_from_a_good_one():
    directory = written()
    path = os.path.join(directory, "ullage.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    one_sentence(ullage("history", "--data", directory, expect=5).err)
    with open(path, "r+b") as f:
        f.write(b"\x5a" * 4096)
    check("damaged" in ullage("history", "leaky", "--data", directory).out, "nobody says that the first page is lost")
    check("damaged" in ullage("history", "--data", directory).out, "nor above all that are known")
    check("damaged" in ullage_json("history", "leaky", "--data", directory, "--compare", "-20m..now,-1s..now")["notes"][0], "nor there")
    directory = written()
    with open(os.path.join(directory, "ullage.db"), "r+b") as f:
        f.seek(4096)
        f.write(os.urandom(4096 * 6))
    one_sentence(ullage("history", "leaky", "--data", directory, expect=6).err)


@test
def the_data_of_another_user_is_refused():
    root_only()
    directory = written()
    os.chmod(os.path.dirname(directory), 0o755)
    result = ullage("history", "--data", directory, expect=4, user=65534, group=65534, extra_groups=[])
    one_sentence(result.err)
