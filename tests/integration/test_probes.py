# SPDX-License-Identifier: Apache-2.0
"""What probes tell of Go programs: stacks of goroutines, and of C with the goroutine below; capabilities; refusals."""
import bisect
import concurrent.futures
import os
import subprocess

from common import *

WATCH = os.path.join(ROOT, "build", "tests", "probes", "watch_probes")
MMAP, ALLOC, FREE, REALLOC = 1, 9, 10, 11
ON_GOROUTINE, ON_SYSTEM, CALLER_READ = 1, 2, 64
NEEDED = "+bpf,+perfmon"
NOBODY = 65534


class Symbols:
    """Names of functions by address, of the files that a process has mapped."""

    def __init__(self, pid):
        self.maps, self.tables, self.bases = [], {}, {}
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
            for fields in (line.split() for line in maps):
                if len(fields) > 5 and fields[5].startswith("/"):
                    start, end = (int(x, 16) for x in fields[0].split("-"))
                    self.maps.append((start, end, fields[5]))
                    self.bases.setdefault(fields[5], start - int(fields[2], 16))

    def table(self, path):
        if path not in self.tables:
            rows = set()
            for option in "-n", "-nD":
                output = subprocess.run(["nm", option, path], capture_output=True, text=True, check=False).stdout
                for fields in (line.split() for line in output.splitlines()):
                    if len(fields) >= 3 and fields[1] in "tTwWiI":
                        rows.add((int(fields[0], 16), fields[2].split("@")[0]))
            self.tables[path] = sorted(rows)
        return self.tables[path]

    def name(self, address):
        for start, end, path in self.maps:
            if start <= address < end:
                table = self.table(path)
                fixed = table and table[0][0] >= self.bases[path]
                at = bisect.bisect(table, (address if fixed else address - self.bases[path], "~")) - 1
                return table[at][1].removesuffix(".abi0") if at >= 0 else "?"
        return "?"

    def names(self, addresses):
        return [self.name(a) for a in addresses]

    def place(self, function):
        """File and offset of a function of libc."""
        path = next(p for p in self.bases if "/libc.so" in p)
        return path, next(a for a, n in self.table(path) if n == function)


def malloc_probes(symbols):
    """KIND:FUNCTION:PATH:OFFSET:SIZE:COUNT:ADDR:OUT; registers are numbered from rdi on."""
    rows = [(ALLOC, "malloc", "1:0:0:0"), (ALLOC, "calloc", "1:2:0:0"), (REALLOC, "realloc", "2:0:1:0"),
            (FREE, "free", "0:0:1:0"), (ALLOC, "posix_memalign", "3:0:0:1")]
    probes = []
    for number, (kind, function, registers) in enumerate(rows, 1):
        path, offset = symbols.place(function)
        probes.append(f"{kind}:{number}:{path}:{offset}:{registers}")
    return probes


def watch(target, *probes, command=(), program=WATCH):
    """What came while the target did its cases, and the counters."""
    arguments = [*command, program, target.pid, 60000, 0, 0, *probes]
    process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    reader = concurrent.futures.ThreadPoolExecutor(1).submit(process.stdout.read)
    first = process.stderr.readline()
    if not first.startswith("ready"):
        process.wait()
        if process.returncode == 77 or os.geteuid() != 0:
            skip(first.strip())
        raise AssertionError(first)
    target.ask("start")
    target.ask("stop")
    process.stdin.close()
    equal("status of watch_probes", process.wait(timeout=60), 0)
    lines = [json.loads(line) for line in reader.result().splitlines()]
    return lines[:-1], lines[-1]


def offheap(version, *cases):
    if not os.path.exists(WATCH):
        skip("built without probes")
    return go_target(version, "cgo", *cases, program="offheap")


@test(each=["1.19", "1.24", "1.27"])
def stacks_of_goroutines_and_below(version):
    with offheap(version, "mmap-go", "go", "malloc", "realloc", "aligned") as target:
        symbols = Symbols(target.pid)
        events, counters = watch(target, *malloc_probes(symbols))
        equal("lost, missed, refused", [counters[k] for k in ("lost", "missed", "refused")], [0, 0, 0])

        mapped = [e for e in events if e["kind"] == MMAP and "main.mapInGo" in symbols.names(e["user"])]
        equal("mappings made by a goroutine", [(e["len"], e["flags"]) for e in mapped], [(3 << 14, ON_GOROUTINE)] * 10)
        for e in mapped:
            equal("the end of its stack", symbols.name(e["user"][-1]), "runtime.goexit")
            check(e["goid"] > 0, "no number of the goroutine")

        grown = [e for e in events if e["kind"] == MMAP and "main.allocateInGo" in symbols.names(e["go"])]
        check(grown, "the heap grew below no goroutine")
        for e in grown:
            names = symbols.names(e["user"])
            check(e["flags"] & ON_SYSTEM, f"flags {e['flags']}")
            check("runtime.systemstack" in names and "main.allocateInGo" not in names, f"on the system stack: {names}")

        took = [e for e in events if e["kind"] == ALLOC and "main.leakMalloc" in symbols.names(e["go"])]
        equal("calls of malloc", [e["len"] for e in took], [1000] * 40)
        for e in took:
            equal("innermost", symbols.names(e["user"])[:2], ["malloc", "leak_malloc"])
            equal("flags", e["flags"] & (ON_SYSTEM | CALLER_READ), ON_SYSTEM | CALLER_READ)
            check("runtime.cgocall" in symbols.names(e["go"]) or version == "1.19", f"{symbols.names(e['go'])}")
            check(e["bytes"] > 0 and e["began"] <= e["time"], f"{e}")
        moved = [e for e in events if e["kind"] == REALLOC and "main.leakRealloc" in symbols.names(e["go"])]
        equal("blocks that realloc went on from", [e["old_addr"] for e in moved if e["len"] == 4096],
              [e["addr"] for e in moved if e["len"] == 2048])
        aligned = [e for e in events if e["kind"] == ALLOC and symbols.names(e["user"])[:1] == ["posix_memalign"]]
        check(aligned and all(e["addr"] % 16 == 0 and e["addr"] for e in aligned), "blocks of posix_memalign")


@test
def two_capabilities_are_enough():
    root_only()
    with offheap("1.24", "mmap-go", "malloc") as target:
        probes = malloc_probes(Symbols(target.pid))
        nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps=-all,{NEEDED}",
                  f"--ambient-caps=-all,{NEEDED}", f"--bounding-set=-all,{NEEDED}"]
        if [int(n) for n in os.uname().release.split("-")[0].split(".")[:2]] < [6, 10]:
            probes = []  # these kernels allow probes of libraries to CAP_SYS_ADMIN alone
        events, counters = watch(target, *probes, command=nobody, program=public_copy(WATCH))
        equal("lost", counters["lost"], 0)
        equal("mappings", len([e for e in events if e["kind"] == MMAP and e["len"] == 3 << 14]), 10)
        if probes:
            check(len([e for e in events if e["kind"] == ALLOC and e["len"] == 1000]) >= 40, "calls of malloc")


@test(each=["+perfmon", "+bpf"])
def a_missing_capability_is_named(held):
    root_only()
    if not os.path.exists(WATCH):
        skip("built without probes")
    result = run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps=-all,{held}",
                  f"--ambient-caps=-all,{held}", f"--bounding-set=-all,{held}", public_copy(WATCH), os.getpid(), 10])
    equal("status", result.status, 1)
    missing = "CAP_BPF" if held == "+perfmon" else "CAP_PERFMON"
    check(f"{missing} is missing" in result.err and result.err.count("\n") == 1, f"says: {result.err}")
