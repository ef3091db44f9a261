# SPDX-License-Identifier: Apache-2.0
"""The heap profile, read from outside, against the one that the program writes itself; the census; the formats."""
import re
import time

from account import settle
from heap_cases import *


@test(each=[(v, "stripped") for v in VERSIONS] + [("1.19", "pie"), ("1.23", "cgo"), ("1.25", "greentea"),
                                                  ("1.26", "nogreentea"), ("1.27", "cgopie"), ("1.24", "nosect")])
def the_same_as_the_programs_own(version, variant):
    """Bucket by bucket, all four values, at three rates; again after another collection."""
    for rate in 1, 512, 512 << 10:
        with start(version, variant, "-profrate", rate, "-stacks", 512) as target:
            n = check_identical(f"rate {rate}", target, rate)
            figure("buckets with identical values", f"go{version} {variant}", f"rate {rate}", n)
            target.ask("gc")
            check_identical(f"rate {rate}, after a collection", target, rate)


@test(each=[("1.19", "stripped"), ("1.23", "stripped"), ("1.27", "pie")])
def before_the_first_collection(version, variant):
    """Nothing is published: the runtime then gives all cycles, and so do we, before and after it looked itself."""
    with start(version, variant, "-profrate", 64, "-gc", 0, "-stacks", 64) as target:
        own_code = lambda found: {k: v for k, v in found.items() if not any("pprof" in f[0] for f in k[0])}
        before = buckets(pprofproto.read(emitted(target)))
        own = buckets(written(target))
        check(len(before) > 40, f"only {len(before)} buckets")
        # to write a profile it allocates: that is the program's own business, and new
        same("what is ours", {k: v for k, v in own_code(before).items() if k in own},
             {k: v for k, v in own_code(own).items() if k in before})
        equal("buckets that are missing", [k for k in own_code(before) if k not in own], [])
        same("after it looked", buckets(pprofproto.read(emitted(target))), own)


@test(each=[(v, "stripped") for v in VERSIONS] + [("1.22", "noallocheaders"), ("1.25", "greentea"), ("1.27", "cgopie")])
def the_census_is_exact(version, variant):
    """A paused target's spans and objects add up to the runtime's own figures, and each span has one state."""
    with start(version, variant, "-profrate", 64, "-rounds", 4000, "-gc", 1) as target:
        settle(target)  # a thread that is stopped within an allocation has counted one half of it
        target.signal(signal.SIGSTOP)
        heap, runtime = ullage_json("heap", target.pid), ullage_json("map", target.pid)["runtime"]
        total = lambda key: sum(row[key] for row in heap["spans"])
        equal("objects", total("objects"), runtime["heap_objects"])
        equal("bytes of objects", total("object_bytes"), runtime["heap_alloc_bytes"])
        equal("bytes of spans", total("span_bytes"), runtime["heap_inuse_bytes"])
        for row in heap["spans"]:
            states = sum(row[key] for key in ("cached_in_mcache", "unswept", "partial", "full"))
            equal(f"states of {row}", states, row["spans"])
            check(row["resident_bytes"] <= row["span_bytes"], f"more is resident than there is: {row}")
        equal("spans of Ps", sum(row["spans"] for row in heap["caches"]), total("cached_in_mcache"))
        check(heap["caches"], "no P holds anything")
        types = {row["type"]: row for row in heap["types"]}
        equal("bytes of types", sum(row["bytes"] for row in heap["types"]) - total("object_bytes"), 0)
        equal("last row", heap["types"][-1]["type"], "(no type)")
        figure("typed share of a known heap", f"go{version} {variant}", "ratio", heap["typed_ratio"])
        if version not in ("1.19", "1.21") and variant != "noallocheaders":
            equal("documents, each with its header", types["main.document"]["objects"], 4000)
        else:
            close("documents, by their site", types["main.document"]["objects"], 4000, 0.1)
        close("nodes, by their site", types["main.node"]["objects"], 8000, 0.1)
        check(types["[]uint8"]["bytes"] > 4000 * 4 * 600 * 0.9, f"{types['[]uint8']} are not all pages")
        check(heap["typed_ratio"] > 0.9, f"only {heap['typed_ratio']:.1%} is typed")


@test(each=[("1.19", "stripped"), ("1.22", "stripped"), ("1.27", "pie")])
def a_program_without_a_profile(version, variant):
    """Nothing in it reads the profile: the command says why there is none, and counts instead."""
    with go_target(version, variant, program="minimal") as target:
        heap = ullage_json("heap", target.pid)
        equal("enabled", heap["sampling"]["enabled"], False)
        check("linker" in heap["sampling"]["reason"], heap["sampling"]["reason"])
        check(heap["spans"] and heap["types"], "no census")
        text = " ".join(ullage("heap", target.pid).out.split())
        check("linker switched it off" in text and "CLASS" in text and "no leak" in text, text)
        refused = ullage("heap", target.pid, "--pprof", path_for("none.pb.gz"), expect=5)
        check("no profile to write" in refused.err and "--by type" in refused.err, refused.err)


@test(each=[("1.26", "pie")])
def go_tool_pprof_reads_it(version, variant):
    """Totals as the real tool sees them, for every kind of value, with mappings and comments."""
    go = "/usr/lib/go-1.24/bin/go"  # later ones build their pprof when it is first used
    with start(version, variant, "-profrate", 4096) as target:
        heap, path = ullage_json("heap", target.pid), emitted(target)
        for kind, key in (("alloc_objects", "alloc_objects"), ("alloc_space", "alloc_bytes"),
                          ("inuse_objects", "inuse_objects"), ("inuse_space", "inuse_bytes")):
            unit = ["-unit=B"] if kind.endswith("space") else []
            top = run([go, "tool", "pprof", "-top", "-nodecount=5", f"-sample_index={kind}", *unit, path])
            total = re.search(r"of (\d+)B? total", top.out)
            check(total, top.out + top.err)
            equal(kind, int(total.group(1)), heap["totals"][key])
        raw = run([go, "tool", "pprof", "-raw", path]).out
        check(target.process.args[0] in raw.split("Mappings")[1], "the binary is no mapping")
        comments = run([go, "tool", "pprof", "-comments", path]).out
        check("cgroup_usage_bytes=" in comments and f"pid {target.pid}" in comments, comments)
        again = ullage_json("heap", path)
        equal("read again", again["totals"], heap["totals"])


@test(each=PROGRAMS)
def programs_of_others(name):
    """The endpoint of a live program and we show the same buckets while no collection comes between."""
    with program(name) as target:
        path = path_for("endpoint.pb.gz")
        if target.pprof is None:
            heap = ullage_json("heap", target.pid)
            check(heap["spans"] and heap["types"], "no census")
            return
        own, read = {}, None
        for attempt in range(20):  # a collection in between, or the end of one's sweep, publishes other counts
            time.sleep(0.1 * attempt)
            count = target.stats()["NumGC"]
            with open(path, "wb") as out:
                out.write(target.fetch_bytes("heap"))
            own, read = buckets(pprofproto.read(path)), buckets(pprofproto.read(emitted(target)))
            if target.stats()["NumGC"] == count and own == read:
                break
        same(name, read, own)
        figure("buckets of programs, identical to their endpoint's", name, "buckets", len(own))


@test
def not_a_go_process():
    with c_target("notgo") as target:
        refused = ullage("heap", target.pid, expect=5)
        check("not a Go process" in refused.err and "map" in refused.err, refused.err)


@test
def the_compiler_says_why():
    """Sites are joined with what `go build -gcflags=-m` prints, by file and line."""
    path = path_for("m.txt")
    with open(path, "w", encoding="utf-8") as out:
        out.write("# ullage.test/targets/profiled\n./profiled/main.go:87:7: &document{...} escapes to heap\n"
                  "./other/main.go:87:7: moved to heap: x\n./profiled/main.go:12:3: can inline f\n")
    with start("1.24", "stripped", "-profrate", 512) as target:
        heap = ullage_json("heap", target.pid, "--escapes", path)
        sites = [s for s in heap["sites"] if s["stack"] and s["stack"][0]["line"] == 87]
        check(sites, "no such site")
        equal("reasons", sites[0]["escapes"], ["&document{...} escapes to heap"])
        check("compiler: &document{...} escapes to heap" in ullage("heap", target.pid, "--escapes", path).out,
              "not in the text")
        with open(path, "w", encoding="utf-8") as out:
            out.write("ok\n")
        refused = ullage("heap", target.pid, "--escapes", path, expect=6)
        check("gcflags=-m" in refused.err, refused.err)
