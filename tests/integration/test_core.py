# SPDX-License-Identifier: Apache-2.0
"""Cores in place of a process: of ullage, of gcore and of the kernel; what they leave out, and what is cut."""
import resource
import secrets

from common import *

CORE_PATTERN = "/proc/sys/kernel/core_pattern"
RUNTIME = ["heap_alloc_bytes", "heap_objects", "heap_inuse_bytes", "stack_inuse_bytes", "spans", "goroutines", "mallocs"]


def workplace():
    directory = tempfile.mkdtemp(prefix="ullage-core-")
    at_end(shutil.rmtree, directory, True)
    return directory


def truth(version, variant, directory, *args):
    """A target that leaves a core in the directory when it is aborted."""
    environment = dict(os.environ, GOTRACEBACK="crash")
    return Target(["sh", "-c", 'ulimit -c unlimited; cd "$0"; exec "$@"', directory, build(version, variant),
                   "-heap", "8000000", *args], env=environment)


def dump(target, path, *options):
    return ullage("dump", target.pid, "-o", path, *options)


def gcore(target, directory):
    if not shutil.which("gcore"):
        skip("no gcore: gdb is not installed")
    run(["gcore", "-o", os.path.join(directory, "gcore"), target.pid])
    return os.path.join(directory, f"gcore.{target.pid}")


def kernel_core(target, directory):
    """Aborts the target. None where cores go elsewhere and that cannot be changed."""
    with open(CORE_PATTERN, encoding="ascii") as f:
        pattern = f.read().strip()
    if "/" in pattern or "|" in pattern or "%" in pattern:
        try:
            with open(CORE_PATTERN, "w", encoding="ascii") as f:
                f.write("core")
        except OSError:
            return None
        at_end(restore, pattern)
    target.signal(signal.SIGABRT)
    target.process.wait(30)
    found = [f for f in os.listdir(directory) if re.fullmatch(r"core(\.\d+)?", f)]
    return os.path.join(directory, found[0]) if found else None


def restore(pattern):
    with open(CORE_PATTERN, "w", encoding="ascii") as f:
        f.write(pattern)


def answers(name):
    """What must be the same of a process and of its core, by command."""
    account, heap = ullage_json("map", name), ullage_json("heap", name)
    goroutines, timers = ullage_json("goroutines", name), ullage_json("timers", name)
    owners = ullage_json("owners", name)
    return {
        "runtime": {k: account["runtime"][k] for k in RUNTIME},
        "go": {k: account["go"][k] for k in ("version", "module", "stripped", "pie", "cgo")},
        "sites": [(s["inuse_bytes"], s["alloc_objects"], s["stack"]) for s in heap["sites"]],
        "goroutines": sorted(json.dumps([g["count"], g["state"], g["wait_reason"], g["stack_bytes"], g["stack"],
                                         g["created_by"]]) for g in goroutines["groups"]),
        "timers": sorted(json.dumps([t["count"], t["kind"], t["callback"], t["holder"]]) for t in timers["timers"]),
        "reachable": [owners[k] for k in ("reachable_bytes", "reachable_objects", "floating_bytes")],
        "typed": round(owners["typed_ratio"], 4),  # the stop of gcore itself moves a word on a stack
    }


def same(what, core, live):
    for part, value in live.items():
        equal(f"{part} of {what}", core[part], value)


def resident(account, *prefixes):
    return {c["class"]: c["resident_bytes"] for c in account["classes"] if c["class"].startswith(prefixes)}


@test(each=[("1.19", "stripped"), ("1.22", "pie"), ("1.27", "plain"), ("1.24", "cgo")])
def cores_answer_as_the_process_did(version, variant):
    directory = workplace()
    own, bare = (os.path.join(directory, f) for f in ("own", "bare"))
    with truth(version, variant, directory) as target:
        target.gc()
        other = gcore(target, directory)
        dump(target, own)
        dump(target, bare, "--structure-only")
        live, account = answers(target.pid), ullage_json("map", target.pid)
        same("gcore's core", answers(other), live)
        same("ullage's core", answers(own), live)
        same("a core of the structure alone", answers(bare), live)
        equal("classes of ullage's core", resident(ullage_json("map", own), ""), resident(account, ""))
        kernel = kernel_core(target, directory)
        if kernel:
            same("the kernel's core", answers(kernel), live)
            there = ullage_json("map", kernel)
            equal("heap in the kernel's core", resident(there, "go.heap"), resident(account, "go.heap"))
            for unknown in ("pss_bytes", "swap_bytes", "cgroup"):
                equal(unknown, there[unknown], None)
            check(any("a core does not have what the kernel says" in n for n in there["notes"]), str(there["notes"]))
    figure("size of a core", f"{version} {variant}", "ullage / gcore",
           os.stat(own).st_blocks / os.stat(other).st_blocks)


@test
def commands_take_a_core():
    directory = workplace()
    core = os.path.join(directory, "a.core")
    with truth("1.22", "plain", directory) as target:
        dump(target, core, "--stop")
        dump(target, core + ".zst")
        saved = os.path.join(directory, "a.ullage")
        ullage("snap", core, "-o", saved)
        for name in (core + ".zst", saved):
            equal(f"sites of {name}", ullage_json("heap", name)["sites"], ullage_json("heap", core)["sites"])
        check("truth" in ullage("show", core).out, "show does not name the program")
        groups = ullage_json("diff", core, target.pid, "--by", "state")["groups"]
        equal("growth between a core and its process", [g["delta_objects"] for g in groups], [0] * len(groups))
        result = ullage("fds", core, expect=5)
        one_sentence(result.err)
        check("a core does not have the table of descriptors" in result.err, result.err)
        for command in ("map", "owners"):
            one_sentence(ullage(command, core, "--stop", expect=2).err.splitlines()[0])
        waits = [g["wait_seconds"]["min"] for g in ullage_json("goroutines", core)["groups"] if g["wait_seconds"]["min"]]
        check(waits, "ullage's core does not say how long goroutines wait")


@test
def the_executable_must_be_the_one_of_the_core():
    directory = workplace()
    program, core = (os.path.join(directory, f) for f in ("program", "a.core"))
    shutil.copy(build("1.22", "plain"), program)
    with Target([program, "-heap", "1000000"]) as target:
        dump(target, core)
        dump(target, core + ".files", "--files")
        count = ullage_json("goroutines", core)["goroutines_total"]
    moved = os.path.join(directory, "moved")
    os.rename(program, moved)
    result = ullage("goroutines", core, expect=5)
    one_sentence(result.err)
    check("--exe" in result.err and program in result.err, result.err)
    check(any("--exe" in note for note in ullage_json("map", core)["notes"]), "map has no note")
    equal("with --exe", ullage_json("goroutines", core, "--exe", moved)["goroutines_total"], count)
    equal("with the files inside", ullage_json("goroutines", core + ".files")["goroutines_total"], count)
    shutil.copy(build("1.27", "plain"), program)
    result = ullage("goroutines", core, expect=5)
    check("of another build" in result.err, result.err)
    result = ullage("goroutines", core, "--exe", program, expect=2)
    check("its build id is another one" in result.err, result.err)


@test
def a_core_that_is_cut_is_used_as_far_as_it_goes():
    directory = workplace()
    core, cut = (os.path.join(directory, f) for f in ("a.core", "cut"))
    with truth("1.24", "plain", directory) as target:
        dump(target, core)
    with open(core, "rb") as f:
        whole = f.read()
    for part in (0, 20, 63, 200, 1000, 4096, len(whole) // 10, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        with open(cut, "wb") as f:
            f.write(whole[:part])
        for command in ("map", "goroutines", "owners"):
            result = ullage(command, cut, expect=None)
            check(result.status in (0, 5, 6), f"{command} of {part} bytes ended with {result.status}: {result.err}")
    notes = ullage_json("map", cut)["notes"]
    check(any("is cut: 1 B (1 bytes) of memory that it should have are missing" in n for n in notes), str(notes))


@test
def structure_alone_holds_no_word():
    word = "W" + secrets.token_hex(12)
    directory = workplace()
    core, bare = (os.path.join(directory, f) for f in ("a.core", "bare"))
    process = subprocess.Popen([build("1.24", "plain", "secretive"), "--token", word], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=dict(os.environ, SECRET=word))
    at_end(process.kill)
    process.stdin.write(word.encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    ullage("dump", process.pid, "-o", core)
    result = ullage("dump", process.pid, "-o", bare, "--structure-only", "--stop=full")
    check("structure only: " in result.err and " blank" in result.err, result.err)
    count = ullage_json("goroutines", process.pid)["goroutines_total"]
    reachable = ullage_json("owners", process.pid)["reachable_objects"]
    process.kill()
    process.wait()
    with open(core, "rb") as f:
        check(f.read().count(word.encode()) > 1000, "the word is not in the whole core: this test proves nothing")
    with open(bare, "rb") as f:
        equal("words in the core of the structure", f.read().count(word.encode()), 0)
    equal("goroutines", ullage_json("goroutines", bare)["goroutines_total"], count)
    close("reachable objects", ullage_json("owners", bare)["reachable_objects"], reachable, 0.001)


@test
def debuggers_open_a_core():
    directory = workplace()
    core = os.path.join(directory, "a.core")
    program = build("1.19", "plain")
    with truth("1.19", "plain", directory) as target:
        dump(target, core, "--stop")
        tids = os.listdir(f"/proc/{target.pid}/task")
        count = ullage_json("goroutines", core, "--system")["goroutines_total"]
    if not shutil.which("gdb"):
        skip("gdb is not installed")
    out = run(["gdb", "-batch", "-nx", "-ex", "info threads", "-ex", "thread apply all bt", program, core]).out
    for tid in tids:
        check(f"LWP {tid}" in out, f"gdb does not know thread {tid}: {out}")
    check("runtime.futex" in out and "runtime.mstart" in out, f"gdb has no stack: {out}")
    if not shutil.which("dlv"):
        skip("gdb opens it; delve is not installed")
    script = os.path.join(directory, "script")
    with open(script, "w", encoding="ascii") as f:
        f.write("goroutines\nexit\n")
    result = run(["dlv", "core", program, core, "--check-go-version=false", "--init", script,
                  "--allow-non-terminal-interactive=true"])
    listed = re.findall(r"^\*? *Goroutine (\d+)", result.out.replace("(dlv)", ""), re.M)
    check(len(listed) >= count and "main.waitReceive" in result.out, f"delve lists {listed}: {result.out} {result.err}")


@test
def what_ends_a_dump_leaves_nothing():
    directory = workplace()
    core = os.path.join(directory, "a.core")
    with go_target("1.22", "plain", "-heap", "100000000") as target:
        for number in (signal.SIGKILL, signal.SIGINT):
            process = subprocess.Popen([ULLAGE, "dump", str(target.pid), "-o", core], stderr=subprocess.PIPE)
            time.sleep(0.05)
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
            if process.returncode == 0:  # it was faster
                os.unlink(core)
            equal(f"files after signal {number}: {err}", os.listdir(directory), [])
        process = subprocess.run([ULLAGE, "dump", str(target.pid), "-o", core], stderr=subprocess.PIPE, check=False,
                                 restore_signals=False,  # SIGXFSZ stays ignored: writing fails, as on a full disk
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        equal(f"status with a full disk: {process.stderr}", process.returncode, 7)
        one_sentence(process.stderr.decode())
        equal("files after a full disk", os.listdir(directory), [])
        equal("state of the target", status(target.pid, "State").split()[0] in "SR", True)
        equal("nothing traces it", status(target.pid, "TracerPid"), 0)


@test
def a_dump_touches_no_page_and_stops_within_its_budget():
    directory = workplace()
    core = os.path.join(directory, "a.core")
    with go_target("1.24", "plain", "-heap", "30000000") as target:
        before = rollup(target.pid)
        err = dump(target, core).err
        check("never stopped" in err, err)
        close("Rss", rollup(target.pid), before, 0.02)
        within("disk blocks over Rss", os.stat(core).st_blocks * 512 / before, 0.3, 1.1)
        err = dump(target, core, "--stop=full").err
        found = re.search(r"stopped for ([\d.]+) ms with (\S+ \S+) copied", err)
        check(found, err)
        figure("stop of a whole copy", "1.24, 30 MB", "ms", float(found.group(1)))
        equal("all was copied at once", found.group(2), re.search(r"saved (\S+ \S+)", err).group(1))


@test
def what_is_no_process_is_refused():
    for arguments, expect in ((["1"], 2), (["/nonexistent", "-o", "/tmp/x"], 2), (["999999999", "-o", "/dev/null"], 3)):
        result = ullage("dump", *arguments, expect=expect)
        check(result.err.startswith("ullage dump: "), result.err)
    with c_target("notgo") as target:
        directory = workplace()
        path = os.path.join(directory, "c.core")
        dump(target, path)
        equal("it is not Go", ullage_json("map", path)["go"], None)
        result = ullage("dump", target.pid, "-o", path, "--structure-only", expect=5)
        one_sentence(result.err)
