# SPDX-License-Identifier: Apache-2.0
"""diff: growth by known amounts at known sites, against Go's and the JVM's own tools; nodes; what is refused."""
import collections
import glob
import gzip
import json
import os
import re
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from ullagetest import *  # noqa: E402,F403

SEED = os.path.join(ROOT, "tests", "corpora")
KEPT = 64 + 112  # bytes of one record of the target


def directory():
    path = tempfile.mkdtemp(prefix="ullage-diff-")
    at_end(shutil.rmtree, path, True)
    return path


def growing(version, variant="plain"):
    return go_target(version, variant, program="growing")


def group(diff, key):
    """The one group whose key begins so."""
    found = [g for g in diff["groups"] if g["key"].startswith(key)]
    check(len(found) == 1, f"{key} should be one group, but there are {[g['key'] for g in found]} "
                           f"of {[g['key'] for g in diff['groups']][:20]}")
    return found[0]


def sum_of(diff, key, field):
    """Over all groups whose key begins so: of one function, of any line."""
    return sum(g[field] for g in diff["groups"] if g["key"].startswith(key))


def go_tool(version="1.24"):  # later ones build their pprof when it is first used
    path = f"/usr/lib/go-{version}/bin/go"
    if not os.path.exists(path):
        skip(f"there is no Go {version}")
    return path


def pprof_top(*args):
    """{function: flat} as `go tool pprof -top` prints it, and the sum."""
    done = run([go_tool(), "tool", "pprof", "-top", "-nodefraction=0", "-nodecount=100000", "-unit=B", *args])
    rows = {}
    for line in done.out.splitlines():
        m = re.match(r"\s*(-?[\d.]+)B?\s+\S+%\s+\S+%\s+\S+\s+\S+%\s+(\S.*)$", line)
        if m:
            rows[m[2].replace(" (inline)", "")] = int(float(m[1]))
    return rows


def flat(diff):
    """Growth by the innermost function of each group, as pprof's flat column."""
    rows = collections.Counter()
    for g in diff["groups"]:
        rows[g["stack"][0]["function"] if g["stack"] else "?"] += g["delta_bytes"]
    return {f: v for f, v in rows.items() if v}


# ---- Go -----------------------------------------------------------------------------------------

@test(each=[("1.19",), ("1.22",), ("1.24",), ("1.27",)])
def heap_dumps_show_what_grew_at_its_site_and_by_its_shape(version):
    d = directory()
    with growing(version) as target:
        for command in ["keep 1000", "gc", f"dump {d}/1", "keep 700", "wait 9", "gc", f"dump {d}/2"]:
            equal(command, target.ask(command), "ok")
    sites = ullage_json("diff", f"{d}/1", f"{d}/2")
    equal("by", sites["by"], "site")
    equal("objects at the site", sum_of(sites, "main.keep", "delta_objects"), 2 * 700)
    equal("bytes at the site", sum_of(sites, "main.keep", "delta_bytes"), 700 * KEPT)
    types = ullage_json("diff", f"{d}/1", f"{d}/2", "--by", "type")
    equal("nodes", group(types, "64 B [pp......]")["delta_objects"], 700)
    within("payloads", group(types, "112 B, no pointers")["delta_objects"], 700, 760)
    states = ullage_json("diff", f"{d}/1", f"{d}/2", "--by", "state")
    waiting = group(states, "chan receive")
    equal("goroutines", waiting["delta_objects"], 9)
    equal("new", waiting["new"], 9)
    equal("gone", waiting["gone"], 0)
    heap = ullage_json("heap", f"{d}/2")
    equal("bytes at the site, of the dump alone",
          sum(s["inuse_bytes"] for s in heap["sites"] if any(f["function"] == "main.keep" for f in s["stack"])), 1700 * KEPT)
    check(heap["sampling"]["enabled"] and heap["types"] and not heap["spans"], "the dump's objects are not shown")
    ullage("heap", f"{d}/2", "--by", "size", expect=2)
    goroutines = ullage_json("goroutines", f"{d}/2")
    check(any(g["count"] == 9 and g["wait_reason"] == "chan receive" for g in goroutines["groups"]), f"{goroutines}")
    figure("growth at main.keep, objects", version, "heap dump", sum_of(sites, "main.keep", "delta_objects"))


@test(each=[("1.19",), ("1.23",), ("1.27",)])
def profiles_differ_as_go_tool_pprof_says(version):
    d = directory()
    with growing(version) as target:
        for command in ["keep 1000", "gc", f"heap {d}/1.pb.gz", "keep 500", "wait 20", "gc", f"heap {d}/2.pb.gz"]:
            equal(command, target.ask(command), "ok")
    ours = ullage_json("diff", f"{d}/1.pb.gz", f"{d}/2.pb.gz", "--pprof", f"{d}/out.pb.gz", "--folded", f"{d}/folded",
                       "--flame", f"{d}/flame.html")
    theirs = pprof_top("-diff_base", f"{d}/1.pb.gz", f"{d}/2.pb.gz")
    equal("flat growth by function", flat(ours), {f: v for f, v in theirs.items() if v})
    equal("growth at the site", sum_of(ours, "main.keep", "delta_bytes"), 500 * KEPT)
    within("rate", ours["groups"][0]["per_second_bytes"], 1, 1 << 40)
    equal("our profile through go tool pprof", pprof_top(f"{d}/out.pb.gz"), theirs)
    theirs = pprof_top("-sample_index=alloc_space", "-diff_base", f"{d}/1.pb.gz", f"{d}/2.pb.gz")
    equal("other values too", pprof_top("-sample_index=alloc_space", f"{d}/out.pb.gz"), theirs)
    with open(f"{d}/folded", encoding="utf-8") as folded:
        text = folded.read()
    check(re.search(r"main\.main;.*main\.keep \d+", text), f"no folded line of main.keep in {text[:500]}")
    with open(f"{d}/flame.html", encoding="utf-8") as page:
        text = page.read()
    check("main.keep" in text and "<script" in text and "http://" not in text.replace("http://www.w3.org", ""),
          "the flame graph is a page of its own with the function in it")


@test(each=[("1.19", "stripped"), ("1.24", "plain"), ("1.27", "pie")])
def snapshots_show_sites_states_and_survivors(version, variant):
    d = directory()
    with growing(version, variant) as target:
        for command in ["keep 1000", "wait 5", "gc"]:
            target.ask(command)
        ullage("snap", target.pid, "-o", f"{d}/1.ullage")
        for command in ["keep 3000", "wait 7", "gc"]:
            target.ask(command)
        ullage("snap", target.pid, "-o", f"{d}/2.ullage")
        live = ullage_json("diff", f"{d}/1.ullage", target.pid, "--by", "state")
    sites = ullage_json("diff", f"{d}/1.ullage", f"{d}/2.ullage")
    equal("kind", sites["kind"], "a snapshot")
    equal("bytes at the site", sum_of(sites, "main.keep", "delta_bytes"), 3000 * KEPT)
    check(sites["groups"][0]["key"].startswith("main.keep"), "what grew most is first")
    check(sites["groups"][0]["per_second_bytes"] > 0, "snapshots know their times")
    states = ullage_json("diff", f"{d}/1.ullage", f"{d}/2.ullage", "--by", "state")
    for name, diff in [("file", states), ("live", live)]:
        waiting = group(diff, "chan receive")
        equal(f"{name}: survived", waiting["survived"], 5)
        equal(f"{name}: new", waiting["new"], 7)
        equal(f"{name}: gone", waiting["gone"], 0)
    classes = ullage_json("diff", f"{d}/1.ullage", f"{d}/2.ullage", "--by", "class")
    within("live heap", group(classes, "go.heap.live")["delta_bytes"], 3000 * KEPT * 0.9, 3000 * KEPT * 1.5)
    each = ullage_json("diff", f"{d}/1.ullage", f"{d}/2.ullage", "--by", "goroutine")
    equal("new goroutines", sum(g["new"] for g in each["groups"]), 7)
    figure("growth at main.keep, bytes", version, variant, sum_of(sites, "main.keep", "delta_bytes"))


@test(each=[("1.19",), ("1.27",)])
def goroutine_dumps_tell_who_is_new(version):
    d = directory()
    with growing(version) as target:
        for command in ["wait 40", f"goroutines {d}/1", f"goroutines1 {d}/1.debug1", f"goroutinespb {d}/1.pb",
                        "wait 30", f"goroutines {d}/2", f"goroutines1 {d}/2.debug1", f"goroutinespb {d}/2.pb"]:
            target.ask(command)
    diff = ullage_json("diff", f"{d}/1", f"{d}/2")
    waiting = group(diff, "main.wait")
    equal("more", waiting["delta_objects"], 30)
    equal("survived", waiting["survived"], 40)
    equal("new", waiting["new"], 30)
    equal("creator", waiting["created_by"]["function"], "main.answer")
    check(any("of one process" in n or "one process's" in n for n in diff["notes"]), f"a note says so: {diff['notes']}")
    for kind in ["debug1", "pb"]:
        diff = ullage_json("diff", f"{d}/1.{kind}", f"{d}/2.{kind}")
        equal(f"{kind}: more", group(diff, "main.wait")["delta_objects"], 30)
        equal(f"{kind}: ids are not known", group(diff, "main.wait")["survived"], None)
    other = ullage_json("diff", f"a={d}/1", f"b={d}/2")
    equal("nodes are not one process", group(other, "main.wait")["survived"], None)


@test
def builds_of_other_lines_match_by_function():
    d = directory()
    for i, version in enumerate(["1.22", "1.27"]):
        with growing(version) as target:
            for command in [f"keep {1000 + 500 * i}", "gc", f"heap {d}/{i}.pb.gz"]:
                target.ask(command)
    diff = ullage_json("diff", f"{d}/0.pb.gz", f"{d}/1.pb.gz")
    check(any("by functions alone" in n for n in diff["notes"]), f"no note: {diff['notes']}")
    equal("growth", sum_of(diff, "main.keep", "delta_bytes"), 500 * KEPT)


# ---- nodes --------------------------------------------------------------------------------------

@test
def of_several_nodes_the_one_that_differs_is_named():
    d = directory()
    for node in range(5):
        with growing("1.24") as target:
            for command in [f"keep {9000 if node == 3 else 1000 + node}", "gc", f"heap {d}/{node}.pb.gz"]:
                target.ask(command)
    nodes = [f"pod-{n}={d}/{n}.pb.gz" for n in range(5)]
    diff = ullage_json("diff", *nodes)
    equal("who differs", {o["name"] for o in diff["outliers"] if o["key"].startswith("main.keep")}, {"pod-3"})
    equal("names", [t["name"] for t in diff["groups"][0]["target"]], [f"pod-{n}" for n in range(1, 5)])
    equal("it ranks by that node", diff["groups"][0]["of"], "pod-3")
    text = ullage("diff", *nodes).out
    check(max(map(len, text.splitlines())) <= 100, "at most 100 columns")
    check("Nodes that differ" in text and "pod-3" in text, f"the text names it: {text}")
    diff = ullage_json("diff", *[n for n in nodes if not n.startswith("pod-3")])
    equal("of those alike nobody", [o for o in diff["outliers"] if o["key"].startswith("main.keep")], [])


# ---- JVM ----------------------------------------------------------------------------------------

def histogram(text):
    """{class: (instances, bytes)} of jcmd's GC.class_histogram, named as Java does."""
    codes = dict(Z="boolean", C="char", F="float", D="double", B="byte", S="short", I="int", J="long")
    rows = {}
    for number, size, name in re.findall(r"^ *\d+: +(\d+) +(\d+) +(\S+)", text, re.M):
        base = name.lstrip("[")
        depth = len(name) - len(base)
        if depth:
            base = codes.get(base) or base[1:-1]
        rows[base + "[]" * depth] = (int(number), int(size))
    return rows


def jvm(d, *options):
    for tool in ["javac", "java", "jcmd"]:
        if not shutil.which(tool):
            skip(f"there is no {tool}")
    run(["javac", "-d", d, os.path.join(TARGETS, "jvm", "Sessions.java")])
    target = Target(["sh", "-c", 'echo ready; exec "$@"', "sh", "java", "-Xmx256m", *options, "-cp", d, "Sessions"])
    return target


def jcmd(target, *command):
    return run(["jcmd", str(target.pid), *command]).out


@test(each=[("compressed", ()), ("plain", ("-XX:-UseCompressedOops",))])
def the_jvm_counts_the_same_classes_and_bytes(name, options):
    d = directory()
    with jvm(d, *options) as target:
        for i, sessions in enumerate([500, 1500]):
            equal("answer", target.ask(f"{sessions} 1000 {1000 * i}"), "ready")
            jcmd(target, "GC.heap_dump", f"{d}/{i}.hprof")
        truth = histogram(jcmd(target, "GC.class_histogram"))
    classes = ullage_json("diff", f"{d}/0.hprof", f"{d}/1.hprof")
    equal("by", classes["by"], "class")
    equal("sessions", group(classes, "Sessions$Session")["delta_objects"], 1000)
    types = ullage_json("diff", f"{d}/0.hprof", f"{d}/1.hprof", "--by", "type")
    equal("their payloads", group(types, "byte[1000]")["delta_objects"], 1000)
    equal("what did not grow", group(types, "long[777]")["delta_objects"], 0)
    same = other = 0
    for key in ["Sessions$Session", "Sessions$Node", "long[]", "java.util.HashMap", "java.util.HashMap$Node",
                "java.lang.Module", "java.lang.invoke.MemberName", "java.util.concurrent.ConcurrentHashMap$Node[]"]:
        now = group({"groups": [g for g in classes["groups"] if g["key"] == key]}, key)["target"][0]
        equal(key, (now["objects"], now["bytes"]), truth[key])
    for g in classes["groups"]:
        now = (g["target"][0]["objects"], g["target"][0]["bytes"])
        same += now == truth.get(g["key"])
        other += g["key"] in truth and now != truth[g["key"]]
    figure("classes that agree with jcmd, instances and bytes", name, "agree", same)
    figure("classes that agree with jcmd, instances and bytes", name, "differ", other)
    check(other * 20 < same, f"{other} classes differ from the JVM's histogram, {same} agree")
    with open(f"{d}/1.hprof", "rb") as dump, gzip.open(f"{d}/1.hprof.gz", "wb", 1) as packed:
        shutil.copyfileobj(dump, packed)
    packed = ullage_json("diff", f"{d}/0.hprof", f"{d}/1.hprof.gz")
    equal("packed", packed["groups"], json.loads(json.dumps(classes["groups"]).replace("1.hprof", "1.hprof.gz")))


# ---- judging and refusing -----------------------------------------------------------------------

def heap_dump(nodes):
    """A Go heap dump of so many objects of 64 bytes."""
    head = b"go1.7 heap dump\n\x06\x00\x08\x01\x01\x05amd64\x06go1.22\x04"
    return head + b"".join(b"\x01\x80\x80\x80\x01\x40" + bytes(64) + b"\x01\x00\x01\x08\x00" for _ in range(nodes)) + b"\0"


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


@test
def growth_over_a_limit_ends_with_status_1():
    d = directory()
    a, b = write(f"{d}/a", heap_dump(10)), write(f"{d}/b", heap_dump(26))  # 1024 bytes more
    for limit, status in [("1023", 1), ("1024", 0), ("1K", 0), ("1KiB", 0), ("0", 1), ("1M", 0)]:
        out = ullage("diff", a, b, "--fail-on", limit, expect=status).out
        check(("It grew by more" in out) == (status == 1), f"{limit}: {out}")
    equal("shrinking", ullage("diff", b, a, "--fail-on", "0").status, 0)
    equal("json", ullage_json("diff", a, b, "--fail-on", "1M")["failed"], False)
    ullage("diff", a, b, "--fail-on", "much", expect=2)
    equal("threshold", ullage_json("diff", a, b, "--leak-threshold", "17")["groups"], [])
    equal("below", len(ullage_json("diff", a, b, "--leak-threshold", "16")["groups"]), 1)
    two = ullage_json("diff", "--base", a, "--target", b, "--target", a, "--top-n", "1")
    equal("targets", [t["objects"] for t in two["groups"][0]["target"]], [26, 10])


@test
def bad_input_is_one_sentence_and_no_file():
    d = directory()
    good, pprof = write(f"{d}/good.dump", heap_dump(3)), write(f"{d}/p.pb", b"\n\4\10\1\20\2\x32\0\x32\5bytes\x32\1x")
    hprof = open(os.path.join(SEED, "hprof", "seed", "java17-cut.hprof"), "rb").read()
    whole = write(f"{d}/good.hprof", hprof)
    cases = [
        (good, write(f"{d}/cut.dump", heap_dump(3)[:-20]), r"cut\.dump: .* at offset \d+"),
        (good, write(f"{d}/cut.dump.gz", gzip.compress(heap_dump(900))[:-9]), r"cut\.dump\.gz: .*ends too early"),
        (good, write(f"{d}/tag.dump", heap_dump(3)[:-1] + b"\x63"), r"tag\.dump: .*unknown kind 99 at offset \d+"),
        (good, write(f"{d}/huge.dump", heap_dump(0)[:-1] + b"\x01\x01" + b"\xff" * 8 + b"\x7f"),
         r"huge\.dump: .* at offset \d+"),
        (whole, write(f"{d}/cut.hprof", hprof[:-700]), r"cut\.hprof: .* at offset \d+"),
        (whole, write(f"{d}/end.hprof", hprof[:-9]), r"end\.hprof: .*before its end record at offset \d+"),
        (whole, write(f"{d}/huge.hprof", hprof[:-9] + struct.pack(">BII", 0x1c, 0, 0xfffffff0) + b"\x23" + bytes(12)
                      + struct.pack(">IB", 0x7fffffff, 11)), r"huge\.hprof: .* at offset \d+"),
        (good, whole, r"good\.dump is a Go heap dump and .*good\.hprof is a JVM heap dump"),
        (good, pprof, r"is a Go heap dump and .* is a pprof profile"),
        (good, write(f"{d}/text", b"nothing that is known\n"), r"text: "),
    ]
    for base, target, sentence in cases:
        out = os.path.join(d, "out")
        done = ullage("diff", base, target, "--json", "-o", out, "--flame", out + ".html", expect=6)
        equal("standard output", done.out, "")
        equal("lines", done.err.count("\n"), 1)
        check(re.search(sentence, done.err), f"{target}: {done.err}")
        equal("files left", glob.glob(out + "*"), [])


@test
def wrong_usage_is_told():
    d = directory()
    a = write(f"{d}/a", heap_dump(1))
    jvm_dump = os.path.join(SEED, "hprof", "seed", "java17-cut.hprof")
    for args, word in [((a,), "two inputs"), ((jvm_dump, jvm_dump, "--by", "state"), "can by: type, class"), ((a, a, "--by", "it"), "one of"),
                       ((a, a, a, "--flame", f"{d}/x"), "two inputs"), (("--base", a, "--base", a), "one base"),
                       ((a, a, "--flame", "-", "--pprof", "-"), "standard output")]:
        done = ullage("diff", *args, expect=2)
        check(word in done.err, f"{args}: {done.err}")
    ullage("diff", a, f"{d}/none", expect=3)
    ullage("diff", a, "4194304", expect=6)  # a process is no heap dump
