# SPDX-License-Identifier: Apache-2.0
"""`ullage check-config`: what is wrong is told with its place; what is valid is printed, and valid again."""
import tempfile

from common import *

EXAMPLE = os.path.join(ROOT, "docs", "examples", "ullage.yaml")


def config_file(text):
    directory = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, directory, True)
    path = os.path.join(directory, "watch.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


@test
def the_defaults_are_a_valid_file():
    defaults = ullage("check-config").out
    check("mode: canary" in defaults, "the defaults do not show a policy")
    check(max(map(len, defaults.splitlines())) <= 100, "a line is longer than 100 columns")
    again = ullage("check-config", config_file(defaults))
    equal("standard error", again.err, "")
    equal("what holds", again.out.split("\n\n", 1)[1], defaults.split("\n\n", 1)[1])


@test
def the_example_is_valid_without_a_warning():
    result = ullage("check-config", EXAMPLE)
    equal("standard error", result.err, "")
    equal("problems", ullage_json("check-config", EXAMPLE)["problems"], [])
    told = ullage("check-config", config_file(result.out)).out
    equal("what holds of what holds", told.split("\n", 1)[1], result.out.split("\n", 1)[1])


@test
def all_that_is_wrong_is_told_at_its_place():
    path = config_file("listen: 0.0.0.0:9723\nsampling:\n  go: fast\npolicies:\n  - name: a\n    opn: 90%\n")
    result = ullage("check-config", path, expect=6)
    equal("standard output", result.out, "")
    for place in (f"{path}:1:9: error: listen: ", f"{path}:3:7: error: sampling.go: 'fast' is not a duration",
                  f"{path}:6:5: error: policies[0].opn: no such key; did you mean open?"):
        check(place in result.err, f"{place} is not told in\n{result.err}")
    lines = result.err.splitlines()
    mark = lines.index("      go: fast") + 1
    equal("the mark", lines[mark].index("^"), "      go: fast".index("fast"))
    equal("the last line", lines[-1], f"ullage check-config: {path} is not valid: 3 errors")


@test
def json_has_the_same():
    path = config_file("signals:\n  gc_pauze: {off: true}\n")
    found = json.loads(ullage("check-config", "--json", path, expect=6).out)
    equal("valid", found["valid"], False)
    equal("problems", found["problems"], [{"level": "error", "line": 2, "column": 3, "key": "signals.gc_pauze",
                                           "text": "no such name; did you mean gc_pause?"}])


@test
def hostile_files_are_ordinary():
    result = ullage("check-config", config_file("data: \"\\e[31m\"\n\x1b]0;title\x07: 1\n"), expect=6)
    check("\x1b" not in result.err, "an escape sequence came through")
    ullage("check-config", config_file("a" * (1 << 20) + "aa"), expect=6)
    ullage("check-config", config_file("[" * 100000), expect=6)
    ullage("check-config", config_file("a: &a [b]\n" + "c: [" + "*a," * 30000 + "]\n"), expect=6)
    ullage("check-config", "/nonexistent.yaml", expect=3)
    ullage("check-config", "/proc/self/mem", expect=70)
    ullage("check-config", "/", expect=6)
    ullage("check-config", "a", "b", expect=2)
