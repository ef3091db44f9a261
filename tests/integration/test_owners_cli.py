# SPDX-License-Identifier: Apache-2.0
"""The command `owners`: the contract of its JSON, its texts, its exit statuses, snapshots of it. (test_owners.py is
about the owners that `map` shows.)"""
import tempfile

from common import *

MIB = 1 << 20
BYTES = "int|null"
SHAPE = {
    "schema": "str", "source": "str|null", "pid": "int|null", "comm": "str|null", "go_version": "str|null",
    "time": "str|null", "elapsed_ms": "number", "stopped_ms": "number", "total_bytes": "int", "reachable_bytes": "int",
    "reachable_objects": "int", "floating_bytes": "int", "floating_objects": "int", "heap_marked_bytes": BYTES,
    "typed_ratio": "number|null", "copied_bytes": "int", "inconsistencies": "int",
    "roots": [{"kind": "str", "name": "str", "function": "str|null", "file": "str|null", "line": "int|null",
               "goroutines": "int", "retained_bytes": BYTES, "retained_objects": BYTES}],
    "types": [{"type": "str", "objects": "int", "bytes": "int", "retained_bytes": BYTES}],
    "paths": [{"retained_bytes": BYTES, "objects": BYTES, "root": "str", "text": "str",
               "steps": [{"type": "str|null", "field": "str|null", "objects": "int", "bytes": "int"}]}],
    "maps": [{"type": "str|null", "owner": "str|null", "entries": BYTES, "capacity": BYTES, "bytes": BYTES,
              "recoverable_bytes": BYTES}],
    "waste": [{"rule": "str", "owner": "str|null", "bytes": BYTES}],
    "holders": [{"kind": "str", "type": "str|null", "owner": "str|null", "count": BYTES, "elements": BYTES}],
    "stuck": [{"count": "int", "reason": "str|null", "retained_bytes": BYTES}],
    "finalizers": {"set": BYTES, "queued": BYTES, "blocked": "bool"},
    "notes": ["str"],
}
KINDS = {"str": str, "int": int, "number": (int, float), "bool": bool, "null": type(None)}


def shaped(value, shape, where):
    """Has the value this shape? Members that the shape does not name may be there."""
    if isinstance(shape, str):
        kinds = [KINDS[k] for k in shape.split("|")]
        check(any(isinstance(value, k) for k in kinds), f"{where} is {value!r}, not {shape}")
    elif isinstance(shape, list):
        check(isinstance(value, list), f"{where} is {value!r}, not a list")
        for i, row in enumerate(value[:50]):
            shaped(row, shape[0], f"{where}[{i}]")
    else:
        for key, inside in shape.items():
            check(key in value, f"{where} has no {key}")
            shaped(value[key], inside, f"{where}.{key}")


def sick(version, *args, variant="stripped"):
    return go_target(version, variant, *args, program="sick")


@test(each=["1.19", "1.22", "1.24", "1.27"])
def the_json_is_as_the_contract_says_and_names_the_holder(version):
    with sick(version, "-mode", "map", "-steps", 4000) as target:
        time.sleep(1.5)
        owners = ullage_json("owners", target.pid)
    shaped(owners, SHAPE, "owners")
    equal("schema", owners["schema"], "ullage.owners/1")
    equal("pid", owners["pid"], target.pid)
    equal("total", owners["total_bytes"], owners["reachable_bytes"] + owners["floating_bytes"])
    check(owners["go_version"].startswith("go" + version), owners["go_version"])
    check({r["kind"] for r in owners["roots"]} <= {"global", "stack", "finalizer", "timer", "other"}, "kinds of roots")
    for name in ("roots", "types", "paths"):
        sizes = [r["retained_bytes"] for r in owners[name]]
        if name != "types":
            equal(f"order of {name}", sizes, sorted(sizes, reverse=True))
    check(owners["roots"][0]["retained_bytes"] > owners["reachable_bytes"] / 2, owners["roots"][0])
    deepest = max(owners["paths"], key=lambda p: (p["retained_bytes"] > owners["reachable_bytes"] / 2, len(p["steps"])))
    check("map[string]*main.record -> *main.record" in deepest["text"], deepest["text"])
    check("main.leakMap" in deepest["text"], f"the global is not told by who uses it: {deepest['text']}")
    figure("typed", version, "stripped", owners["typed_ratio"])


@test
def the_text_answers_on_the_first_screen():
    with sick("1.24", "-mode", "map", "-steps", 4000, variant="plain") as target:
        time.sleep(1.5)
        text = ullage("owners", target.pid, expect=0).out
        for by in ("root", "type", "path"):
            one = ullage("owners", target.pid, "--by", by, "--top", 3, expect=0).out
            check(all(len(line) <= 100 for line in one.splitlines()), f"--by {by} is wider than 100 columns:\n{one}")
    lines = text.splitlines()
    check(all(len(line) <= 100 for line in lines), "wider than 100 columns:\n" + text)
    screen = "\n".join(lines[:24])
    for words in ("reachable", "floating", "last GC", "Who holds it", "main.byName", "By which path",
                  "map[string]*main.record"):
        check(words in screen, f"no '{words}' on the first screen:\n{screen}")


@test
def one_type_is_asked_for():
    with sick("1.24", "-mode", "map", "-steps", 2000) as target:
        time.sleep(1)
        found = ullage_json("owners", target.pid, "--type", "*main.record")
        none = ullage("owners", target.pid, "--type", "*main.nothing", expect=0).out
    check(found["paths"], "no path to *main.record")
    for p in found["paths"]:
        equal("end of the path", p["steps"][-1]["type"], "*main.record")
    check("No reachable object is of type *main.nothing" in none, none)


@test
def a_stop_is_told():
    with sick("1.24", "-mode", "map", "-steps", 2000) as target:
        time.sleep(0.5)
        equal("without", ullage_json("owners", target.pid)["stopped_ms"], 0)
        roots = ullage_json("owners", target.pid, "--stop")
        full = ullage_json("owners", target.pid, "--stop=full")
        result = ullage("owners", target.pid, "--stop=ever", expect=2)
    check(0 < roots["stopped_ms"] <= 20 or any("longer than the budget" in n for n in roots["notes"]),
          f"held for {roots['stopped_ms']} ms: {roots['notes']}")
    check(full["stopped_ms"] > 0, "no stop")
    equal("inconsistencies", full["inconsistencies"], 0)
    check("or full" in result.err, result.err)


@test
def a_snapshot_keeps_it_where_it_was_asked_for():
    with tempfile.TemporaryDirectory() as directory:
        with_owners, without = os.path.join(directory, "with"), os.path.join(directory, "without")
        with sick("1.24", "-mode", "map", "-steps", 4000) as target:
            time.sleep(1)
            ullage("snap", target.pid, "--owners", "-o", with_owners, expect=0)
            ullage("snap", target.pid, "-o", without, expect=0)
        owners = ullage_json("owners", with_owners)
        shaped(owners, SHAPE, "owners")
        check("map[string]*main.record" in owners["paths"][0]["text"], owners["paths"][0]["text"])
        shown = ullage_json("show", with_owners)
        equal("in show", shown["owners"]["reachable_bytes"], owners["reachable_bytes"])
        check("owners" in [p["part"] for p in shown["parts"]], shown["parts"])
        equal("in show without", ullage_json("show", without)["owners"], None)
        check("owners of the heap" in ullage("owners", without, expect=5).err, "which part is missing?")


@test
def a_picture_is_written_beside_the_text():
    with tempfile.TemporaryDirectory() as directory:
        page = os.path.join(directory, "owners.html")
        with sick("1.24", "-mode", "map", "-steps", 4000) as target:
            time.sleep(1)
            result = ullage("owners", target.pid, "--flame", page, expect=0)
            alone = ullage("owners", target.pid, "--flame", "-", expect=0).out
        check("Who holds it" in result.out, result.out)
        with open(page, encoding="utf-8") as f:
            text = f.read()
    check("map[string]*main.record" in text and "</html>" in text, "not the page")
    check("map[string]*main.record" in alone and alone.rstrip().endswith("</html>"), "not the page alone")
    check("standard output" in ullage("owners", os.getpid(), "--flame", "-", "--json", expect=2).err, "which outputs?")


@test
def what_cannot_be_shown_ends_with_its_status():
    with c_target("notgo") as target:
        result = ullage("owners", target.pid, expect=5)
        check("not a Go process" in result.err and "map" in result.err, result.err)
    ullage("owners", expect=2)
    ullage("owners", 1 << 22, expect=3)
    ullage("owners", os.getpid(), "--by", "size", expect=2)
