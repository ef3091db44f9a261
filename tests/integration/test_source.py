# SPDX-License-Identifier: Apache-2.0
"""goroutines --source: what the code lacks where goroutines are blocked and were started."""
import signal

from common import *

LEAKY = os.path.join(TARGETS, "leaky")


def built_with_source():
    result = ullage("goroutines", os.getpid(), "--source", LEAKY, expect=None)
    if result.status == 5 and "tree-sitter" in result.err:
        skip("built without tree-sitter")


def hints(report):
    return {(h["rule"], h["text"]) for group in report["groups"] for h in group["suspicion"]
            if h["rule"].startswith("source:")}


def line_of(text):
    with open(os.path.join(LEAKY, "main.go"), encoding="utf-8") as f:
        return next(number for number, line in enumerate(f, 1) if text in line)


def check_leaky(report):
    receive = line_of("<-session.Expired") if report else 0
    found = hints(report)
    check(any(rule == "source:no-done" and text.endswith(f"(main.go:{receive})") for rule, text in found),
          f"the receive is not told: {found}")
    check(not any("is found" in note for note in report["notes"]), "a note says that nothing was found")


@test(each=[("1.19", "plain"), ("1.27", "stripped")])
def a_live_process(version, variant):
    built_with_source()
    with go_target(version, variant, program="leaky") as target:
        time.sleep(1)
        check_leaky(ullage_json("goroutines", target.pid, "--source", LEAKY))
        text = ullage("goroutines", target.pid, "--source", LEAKY).out
        check("source:no-done" in text, f"the text has no hint: {text}")


@test
def a_dump_and_its_source():
    built_with_source()
    with go_target("1.24", "plain", program="leaky") as target:
        time.sleep(1)
        target.signal(signal.SIGQUIT)
        target.process.wait(20)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as dump:
            dump.write(target.errors())
            dump.flush()
            check_leaky(ullage_json("goroutines", dump.name, "--source", LEAKY))


@test
def source_of_something_else():
    built_with_source()
    with go_target("1.24", "plain", program="leaky") as target:
        other = os.path.join(TARGETS, "timing")
        report = ullage_json("goroutines", target.pid, "--source", other)
        equal("hints", hints(report), set())
        check(any("source has none" in note for note in report["notes"]), f"no note: {report['notes']}")


@test
def a_directory_that_is_none():
    built_with_source()
    one_sentence(ullage("goroutines", os.getpid(), "--source", "/does/not/exist", expect=2).err.splitlines()[0])
