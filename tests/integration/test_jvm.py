# SPDX-License-Identifier: Apache-2.0
"""Who keeps the objects of a JVM alive: real heap dumps with known holders, against a plain second reader."""
import gzip
import os
import shutil
import tempfile

from common import *
from hprof_graph import Dump

N = 2000
SIZES = {"compressed": dict(session=16, array=16, ref=4), "plain": dict(session=24, array=16, ref=8)}


def directory():
    path = tempfile.mkdtemp(prefix="ullage-jvm-")
    at_end(shutil.rmtree, path, True)
    return path


def start(d, *options):
    for tool in ["javac", "java", "jcmd"]:
        if not shutil.which(tool):
            skip(f"there is no {tool}")
    run(["javac", "-d", d, os.path.join(TARGETS, "jvm", "Holders.java")])
    return Target(["sh", "-c", 'echo ready; exec "$@"', "sh", "java", "-Xmx256m", *options, "-cp", d, "Holders"])


def dump(target, path, count):
    equal("answer", target.ask(str(count)), "ready")
    run(["jcmd", str(target.pid), "GC.heap_dump", path])
    return path


def root(owners, name):
    return next(r for r in owners["roots"] if r["name"] == name)


def paths(owners, text):
    found = [p for p in owners["paths"] if p["text"] == text]
    check(found, f"no path {text}")
    return found[0]


def array(size, n, element):
    return (size["array"] + n * element + 7) // 8 * 8


@test(each=[("compressed", ()), ("plain", ("-XX:-UseCompressedOops",))])
def each_holder_is_named_with_what_it_retains(name, options):
    d = directory()
    size = SIZES[name]
    with start(d, *options) as target:
        path = dump(target, f"{d}/one.hprof", N)
    owners = ullage_json("owners", path)
    session = size["session"] + array(size, 1000, 1)
    one = paths(owners, "Holders.CACHE (static) -> java.util.HashMap -> java.util.HashMap$Node[] -> Holders$Session")
    equal("sessions", (one["retained_bytes"], one["objects"]), (N * session, 2 * N))
    equal("by field", [s["field"] for s in one["steps"]], [None, "table", "value"])
    types = {t["type"]: t for t in owners["types"]}
    equal("by type", types["Holders$Session"]["retained_bytes"], N * session)
    node = paths(owners, "Holders.list (static) -> Holders$Node")
    equal("the list", node["objects"], 2 * N // 10)
    equal("shared", paths(owners, "(several roots) -> Holders$Shared")["objects"], 2 * N // 10)
    equal("soft references hold", types["long[]"]["bytes"] >= N // 10 * array(size, 100, 8), True)
    equal("weak ones do not", [p for p in owners["paths"] if p["text"].endswith("short[]") and "Holders.weak" in p["text"]], [])
    workers = root(owners, 'threads "worker-#"')
    equal("threads", (workers["kind"], workers["goroutines"]), ("stack", 3))
    check(workers["retained_bytes"] >= 3 * (array(size, 5000, 1) + array(size, 7000, 2)), f"locals: {workers}")
    waste = [w for w in owners["waste"] if w["rule"] == "list-capacity" and "Holders.roomy" in w["owner"]]
    equal("room", waste[0]["bytes"] // 1000, (10000 - 1) * size["ref"] // 1000)
    large = next(m for m in owners["maps"] if m["owner"].startswith("Holders.wasLarge"))
    equal("a map that was larger", (large["entries"], large["capacity"]), (1, 8192))
    equal("it would need two slots", large["recoverable_bytes"], array(size, 8192, size["ref"]) - array(size, 2, size["ref"]))
    ways = ullage_json("owners", path, "--type", "Holders$Shared")["paths"]
    equal("ways to what several hold", {p["root"] for p in ways} <= {"Holders.left", "Holders.right"}, True)
    text = ullage("owners", path).out
    check("Holders.CACHE (static)" in text and max(map(len, text.splitlines())) <= 100, text)


@test
def a_plain_second_reader_agrees():
    d = directory()
    with start(d) as target:
        path = dump(target, f"{d}/one.hprof", N)
    owners = ullage_json("owners", path)
    other = Dump(path)
    everything = other.reached()
    # those that only a finalizer or a monitor keeps are few, and no root of the other reader
    late = sum(r["retained_objects"] for r in owners["roots"] if r["kind"] == "finalizer" or "monitors" in r["name"])
    equal("reachable objects", owners["reachable_objects"] - late, everything)
    statics = {r["name"]: r["retained_objects"] for r in owners["roots"] if r["kind"] == "global"}
    largest = sorted(statics, key=statics.get, reverse=True)[:12]
    for name in largest:
        equal(name, statics[name], everything - other.reached(without=name))
    figure("static fields whose retained objects agree", "of 12", "JDK", len(largest))


@test
def what_grew_is_told_by_path():
    d = directory()
    with start(d) as target:
        files = [dump(target, f"{d}/{i}.hprof", n) for i, n in enumerate([N, 2 * N])]
    diff = ullage_json("diff", *files, "--by", "path")
    session = "Holders.CACHE (static) -> java.util.HashMap -> java.util.HashMap$Node[] -> Holders$Session"
    group = next(g for g in diff["groups"] if g["key"] == session)
    equal("sessions", (group["delta_objects"], group["delta_bytes"]), (2 * N, N * (16 + 1016)))
    equal("path", group["path"], session)
    equal("total", diff["total"]["base"]["bytes"], ullage_json("owners", files[0])["reachable_bytes"])
    text = ullage("diff", *files, "--by", "path").out
    check("Holders$Session" in text and max(map(len, text.splitlines())) <= 100, text)
    equal("by class", next(g for g in ullage_json("diff", *files)["groups"] if g["key"] == "Holders$Session")["delta_objects"], N)
    with open(files[0], "rb") as plain, gzip.open(f"{d}/0.hprof.gz", "wb", 1) as packed:
        shutil.copyfileobj(plain, packed)
    a, b = ullage_json("owners", files[0]), ullage_json("owners", f"{d}/0.hprof.gz")
    equal("packed", (a["roots"], a["paths"]), (b["roots"], b["paths"]))


@test
def what_is_too_large_or_no_file_is_refused():
    d = directory()
    with start(d) as target:
        path = dump(target, f"{d}/one.hprof", N)
    done = ullage("owners", path, "--memory", "1M", expect=6)
    check("--memory" in done.err and done.err.count("\n") == 1, done.err)
    with open(path, "rb") as f:
        data = f.read()
    for cut in (10, 1000, len(data) // 2, len(data) - 9):
        with open(f"{d}/cut.hprof", "wb") as f:
            f.write(data[:cut])
        done = ullage("owners", f"{d}/cut.hprof", expect=6)
        check(done.out == "" and done.err.count("\n") == 1 and "cut.hprof" in done.err, done.err)
