# SPDX-License-Identifier: Apache-2.0
"""What the tests of diagnose share: leaks and look-alikes of tests/targets/sick, several watched at the same time."""
import concurrent.futures
import re
import tempfile

from common import *

MIB = 1 << 20
GC_OFTEN = {"GOGC": "30"}  # so that a short window sees collections enough


class Case:
    """One way to run the sick program. `kind` None: it must not be called a leak."""

    def __init__(self, mode, *args, kind=None, also=(), site=True, explained=(), inconclusive=False, go=None, version=None,
                 variant="stripped", limit=None, directory=None, companion=None, holder=None, program="sick"):
        self.mode, self.args, self.kind, self.also, self.site = mode, args, kind, also, site
        self.explained, self.inconclusive, self.env = explained, inconclusive, go or {}
        self.version, self.variant, self.limit, self.directory = version, variant, limit, directory
        self.companion, self.holder, self.program = companion, holder, program


LEAKS = [
    Case("slice", "-steps", 1500, kind="heap", go=GC_OFTEN, holder="[]byte"),
    Case("map", "-steps", 2500, kind="map", also=["heap"], go=GC_OFTEN, holder="map[string]*main.record"),
    Case("closure", "-steps", 2000, kind="heap", go=GC_OFTEN),
    Case("list", "-steps", 2000, kind="heap", go=GC_OFTEN),
    Case("receive", "-steps", 60, kind="goroutine"),
    Case("send", "-steps", 200, kind="goroutine", go=GC_OFTEN),
    Case("holder", "-steps", 300, kind="goroutine", also=["heap"], go=GC_OFTEN, holder="main.holdForever"),
    Case("afterfunc", "-steps", 500, kind="timer", site=False),
    Case("ticker", "-steps", 4000, kind="timer", site=False, go=GC_OFTEN),
    Case("ticker", "-steps", 4000, kind="timer", site=False, go={**GC_OFTEN, "GODEBUG": "memprofilerate=0"}),
    Case("depth", kind="stack"),
    Case("thread", "-steps", 20, kind="thread", also=["goroutine"]),
    Case("file", "-steps", 60, kind="fd", site=False),
    Case("closewait", "-steps", 40, kind="fd", site=False),
    Case("context", "-steps", 2000, kind="context", also=["heap"], go=GC_OFTEN, holder="context."),
    Case("syncmap", "-steps", 2000, kind="map", also=["heap"], go=GC_OFTEN, holder="main.value"),
    Case("finalizer", "-steps", 2000, kind="finalizer", site=False, go=GC_OFTEN, holder="finaliz"),
]

ALIKES = [
    Case("cache", "-steps", 3000, "-size", 32 * MIB, go=GC_OFTEN),
    Case("cache", "-steps", 1500, "-size", 32 * MIB, "-base", 8 * MIB, explained=["warm-up"], go=GC_OFTEN),
    Case("garbage", "-steps", 3000, "-base", 8 * MIB, "-warm", "3s", explained=["gc-headroom"], go={"GOGC": "1000"}),
    Case("burst", "-steps", 1000, "-size", 64 * MIB, "-when", 4000, "-base", 16 * MIB, explained=["burst"]),
    Case("workers", "-steps", 100, "-size", 200),
    Case("pool", "-steps", 5000),
    Case("requests", "-steps", 5000),
    Case("freed", "-size", 120 * MIB, "-base", 16 * MIB, "-steps", 100, "-when", 560, explained=["returnable"]),
    Case("fragments", "-size", 128 * MIB, "-steps", 1000, "-churn", 8 * MIB, "-warm", "1s", explained=["fragmentation"]),
    Case("thrash", "-size", 64 * MIB, "-steps", 4000, "-warm", "1s", explained=["gc-thrash"],
         go={"GOMEMLIMIT": "68MiB"}),
    Case("idle", "-base", 8 * MIB),
    Case("ring", "-steps", 300, "-size", 128 * MIB, inconclusive=True),
    Case("lru", "-steps", 2000, inconclusive=True),
    Case("mapcap", "-size", 32 * MIB, "-warm", "3s", explained=["map-capacity"]),
]


def line_of(mode, program="sick"):
    """File and line of the statement that leaks."""
    for path in glob.glob(os.path.join(TARGETS, program, "*.go")):
        with open(path, encoding="utf-8") as f:
            for number, text in enumerate(f, 1):
                if text.rstrip().endswith(f"// site: {mode}"):
                    return os.path.basename(path), number
    raise AssertionError(f"no site of {mode}")


def start(case, version):
    return go_target(case.version or version, case.variant, "-mode", case.mode, *case.args, program=case.program,
                     env={**os.environ, **case.env}, cwd=case.directory)


def judge(case, target, window):
    leak = case.kind is not None
    verdict = ullage_json("diagnose", target.pid, "--for", window, expect=1 if leak else 0)
    equal("exit status says leak", verdict["verdict"] == "leak", leak)
    return verdict


def check_leak(case, verdict):
    found = [f for f in verdict["findings"] if f["leak"]]
    equal("causes", [f["kind"] for f in found], [case.kind])
    missing = set(case.also) - set(found[0]["also"])
    check(not missing, f"also lacks {sorted(missing)}: {found[0]['also']}")
    check(found[0]["evidence"] and found[0]["advice"], "no evidence or no advice")
    if case.holder:
        check(case.holder in (found[0]["holder"] or ""), f"the holder is {found[0]['holder']}, not {case.holder}")
    if case.site:
        site = found[0]["site"]
        check(site, f"no site: {found[0]['evidence']}")
        equal("site", (os.path.basename(site["file"]), site["line"]), line_of(case.mode, case.program))


class Missed(AssertionError):
    """It is not accused, and what settles or explains it went by before the window, or had not come when that ended."""


def check_alike(case, verdict):
    want = "inconclusive" if case.inconclusive else "no-leak"
    check(verdict["verdict"] != "leak", "it is called a leak")
    if verdict["verdict"] != want:
        raise Missed(f"verdict is {verdict['verdict']}, not {want}")
    kinds = {f["kind"] for f in verdict["findings"]}
    if case.inconclusive:
        check(verdict["open"] and verdict["open"][0]["settle"], "does not say what would settle it")
    if not set(case.explained) <= kinds:
        raise Missed(f"{case.explained} is not among {sorted(kinds)}")


def one(case, version, window, tries=3):
    """The complaint about one case, or None. What happens at a time of its own is looked for again where it was missed."""
    try:
        with start(case, version) as target:
            verdict = ullage_json("diagnose", target.pid, "--for", window, expect=None)
            (check_leak if case.kind else check_alike)(case, verdict)
    except AssertionError as e:
        if isinstance(e, Missed) and tries > 1:
            return one(case, version, window, tries - 1)
        found = locals().get("verdict") or {}
        seen = [(f["kind"], f["confidence"]) for f in found.get("findings", [])]
        return f"{version} {case.mode}: {e} {found.get('verdict')} {seen} {[o['why'] for o in found.get('open', [])]}"
    return None


def together(cases, version, window, width=8, tries=3):
    """All cases, `width` at a time; fails with every complaint."""
    with concurrent.futures.ThreadPoolExecutor(width) as workers:
        wrong = [w for w in workers.map(lambda c: one(c, version, window, tries), cases) if w]
    check(not wrong, f"{len(wrong)} of {len(cases)} wrong:\n  " + "\n  ".join(wrong))


def at_once(*calls):
    """They mostly wait: several at the same time take as long as one."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as workers:
        for done in [workers.submit(c) for c in calls]:
            done.result()
