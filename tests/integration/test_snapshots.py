# SPDX-License-Identifier: Apache-2.0
"""Snapshots: saved, shown and read back without the process; what is not in them; files that were made to harm."""
import collections
import random
import secrets

from common import *

READERS = ["map", "heap", "goroutines", "timers", "fds"]
# What names the input, or moves while the process is stopped (the machine's cgroup does).
VOLATILE = {"cgroup", "time", "elapsed_ms", "source", "input", "inputs", "wait_seconds", "since_gc_seconds", "next_seconds",
            "next_ms", "labels", "godebug", "last_gc_seconds", "since_gc_ms"}
MAGIC = b"ullage-snapshot 1\n"


def workplace():
    directory = tempfile.mkdtemp(prefix="ullage-snap-")
    at_end(shutil.rmtree, directory, True)
    return directory


def snap(pid, *options):
    path = os.path.join(workplace(), "a.ullage")
    result = ullage("snap", pid, "-o", path, *options)
    equal("standard output", result.out, "")
    one_sentence(result.err)
    return path


def unpacked(path):
    return subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout


def steady(value):
    """Without what moves."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in VOLATILE}
    return [steady(v) for v in value] if isinstance(value, list) else value


def difference(a, b, path=""):
    """Where two JSON values differ first."""
    if type(a) is not type(b):
        return f"{path}: {a!r} and {b!r}"
    if isinstance(a, dict):
        if set(a) != set(b):
            return f"{path}: members {sorted(set(a) ^ set(b))}"
        return next((d for k in a if (d := difference(a[k], b[k], f"{path}.{k}"))), None)
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{path}: {len(a)} and {len(b)} rows"
        return next((d for i, (x, y) in enumerate(zip(a, b)) if (d := difference(x, y, f"{path}[{i}]"))), None)
    return None if a == b else f"{path}: {a!r} and {b!r}"


def readers():
    known = ullage("help").out
    return [c for c in READERS if re.search(rf"^  {c} ", known, re.M)]


def options_of(command):
    return ["--vmas"] if command == "map" else []


# ---- the same as live, and without the process -------------------------------------------------

@test(each=["1.19", "1.22", "1.27"])
def a_file_shows_what_the_process_showed(version):
    with go_target(version, "plain", "-heap", "20000000") as target:
        target.gc()
        target.signal(signal.SIGSTOP)
        path = snap(target.pid)
        live = {c: ullage_json(c, target.pid, *options_of(c)) for c in readers()}
    empty = workplace()  # another machine: no process is seen
    for command in readers():
        read = ullage_json(command, path, *options_of(command), "--procfs", empty)
        where = difference(steady(live[command]), steady(read))
        check(where is None, f"{command} differs from the live one at {where}")
    figure("size of a snapshot of `truth`", version, "bytes", os.path.getsize(path))


@test(each=["1.21", "1.26"])
def show_tells_what_is_in_a_file(version):
    with go_target(version, "plain", "-heap", "20000000") as target:
        path = snap(target.pid, "--pss")
        comm = status(target.pid, "Name")
    shown = ullage_json("show", path)
    equal("schema", shown["schema"], "ullage.show/1")
    has_fields("show", shown, "source file_bytes identity clock parts account heap census goroutines timers fds notes")
    has_fields("clock", shown["clock"], "time monotonic_seconds boot_seconds last_gc gc_count gc_count_end gc_phase")
    equal("file_bytes", shown["file_bytes"], os.path.getsize(path))
    equal("pid", shown["identity"]["pid"], target.pid)
    equal("comm", shown["identity"]["comm"], comm)
    check(shown["identity"]["go_version"].startswith(f"go{version}"), f"{shown['identity']}")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        equal("boot_id", shown["identity"]["boot_id"], f.read().strip())
    parts = [p["part"] for p in shown["parts"]]
    check({"account", "heap", "goroutines"} <= set(parts), f"only {parts}")
    account = ullage_json("map", path, "--vmas", "--pss")
    check(account["pss_bytes"] > 0, "no proportional sizes")
    equal("the account in show", shown["account"], account)
    for command in ("heap", "goroutines", "timers"):
        equal(f"{command} in show", shown[command], ullage_json(command, path))
    equal("fds in show", shown["fds"], ullage_json("fds", path, "--list"))
    check(shown["heap"]["sites"] and shown["goroutines"]["groups"] and shown["fds"]["fds"], "a part is empty")
    text = ullage("show", path).out
    check(comm in text and f"pid {target.pid}" in text, f"does not name the process: {text}")
    check(max(map(len, text.splitlines())) <= 100, "a line is longer than 100 columns")


@test
def map_makes_every_format_of_a_file():
    with go_target("1.24", "plain", "-heap", "20000000") as target:
        path = snap(target.pid)
    place = workplace()
    rss = ullage_json("map", path)["rss_bytes"]
    rows = ullage("map", path, "--csv").out.splitlines()
    equal("sum of the rows", sum(int(r.rsplit(",", 1)[1] or 0) for r in rows[1:]), rss)
    html, flame = os.path.join(place, "a.html"), os.path.join(place, "a.folded")
    ullage("map", path, "--html", html, "--flame", flame)
    check(os.path.getsize(html) > 20000, "the page is empty")
    with open(flame, encoding="utf-8") as f:
        equal("sum of the stacks", sum(int(line.rsplit(" ", 1)[1]) for line in f), rss)
    check("RESIDENT" in ullage("map", path).out, "no table")
    one_line = ullage("map", path, "--pss", expect=5).err
    check("--pss" in one_line, f"says {one_line}")
    ullage("map", path, "--stop", expect=2)


@test
def standard_input_and_output_are_files_too():
    with go_target("1.24", "plain", "-heap", "20000000") as target:
        data = subprocess.run([ULLAGE, "snap", str(target.pid), "-o", "-"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True).stdout
    done = subprocess.run([ULLAGE, "map", "-", "--json"], input=data, stdout=subprocess.PIPE, check=True)
    equal("pid", json.loads(done.stdout)["pid"], target.pid)


@test
def the_schema_reads_a_snapshot():
    with go_target("1.24", "plain", "-heap", "20000000") as target:
        plain = unpacked(snap(target.pid))
    check(plain.startswith(MAGIC), f"begins with {plain[:32]!r}")
    formats = os.path.join(ROOT, "docs", "formats")
    done = subprocess.run(["protoc", "--decode=ullage.Snapshot", f"-I{formats}", "snapshot.proto"], cwd=formats,
                          input=plain[len(MAGIC):], stdout=subprocess.PIPE, check=True)
    text = done.stdout.decode(errors="replace")
    check(f"\n  pid: {target.pid}\n" in text, "the identity is not there")
    unknown = re.findall(r"^ *\d+[:{ ].*$", text, re.M)
    equal("fields that the schema does not know", unknown, [])


@test
def a_program_that_is_not_go_has_its_account():
    with c_target("notgo") as target:
        path = snap(target.pid)
    equal("pid", ullage_json("map", path)["pid"], target.pid)
    for command in readers():
        if command not in ("map", "fds"):
            one_sentence(ullage(command, path, expect=5).err)


@test
def size_of_a_real_one():
    with program("prometheus-1.24") as server:
        path = snap(server.pid)
        shown = ullage_json("show", path)
        figure("snapshot of prometheus", "file", "bytes", shown["file_bytes"])
        figure("snapshot of prometheus", "unpacked", "bytes", len(unpacked(path)))
        figure("snapshot of prometheus", "process", "resident bytes", shown["account"]["rss_bytes"])
        check(shown["file_bytes"] < 1 << 20, "more than 1 MiB")


@test
def an_address_is_read_like_a_file():
    with program("prometheus-1.24") as server:
        base = server.pprof
        count = server.goroutines()
        for address in ("goroutine", "goroutine?debug=1", "goroutine?debug=2"):
            found = ullage_json("goroutines", f"{base}/{address}")["goroutines_total"]
            within(address, found, count - 8, count + 8)
        check(ullage_json("heap", f"{base}/heap")["sites"], "no sites")
        equal("part", [p["part"] for p in ullage_json("show", f"{base}/allocs")["parts"]], ["heap"])
        refused(f"{base}/heap?debug=1", 2, "debug=1")
        refused(f"{base}/nothing", 3, "nothing")
        refused(f"{base}/cmdline", 6, "offset 0")
        refused(f"{base}/heap", 2, "`heap` reads it", command="goroutines")
        refused(f"{base}/goroutine", 2, "`goroutines` reads it", command="heap")
    refused(f"{base}/heap", 3, base)


def largest_first(name, rows, key):
    sizes = [row[key] for row in rows]
    equal(name, sizes, sorted(sizes, reverse=True))


@test
def lists_stand_largest_first():
    with go_target("1.24", "plain", "-heap", "20000000") as target:
        shown = ullage_json("show", snap(target.pid))
    largest_first("sites", shown["heap"]["sites"], "inuse_bytes")
    largest_first("spans", shown["heap"]["spans"], "span_bytes")
    largest_first("types", [t for t in shown["heap"]["types"] if t["type"] != "(no type)"], "bytes")
    largest_first("groups", shown["goroutines"]["groups"], "count")
    largest_first("timers", shown["timers"]["timers"], "count")
    largest_first("kinds", shown["fds"]["by_kind"], "count")


# ---- what is not in it --------------------------------------------------------------------------

def memory_holds(pid, word):
    """Does the writable memory of a process hold this word? What makes the test below able to fail."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            if not line.split()[1].startswith("rw") or end - start > 1 << 28:
                continue
            with contextlib.suppress(OSError, ValueError, OverflowError):
                mem.seek(start)
                if word in mem.read(end - start):
                    return True
    return False


@test(each=["1.19", "1.23", "1.27"])
def a_snapshot_holds_no_secret(version):
    heap, argument, environment, setting = (secrets.token_hex(12) for _ in range(4))
    env = dict(os.environ, SECRET=environment, GODEBUG=f"{setting}=1,gctrace={setting},madvdontneed=1")
    target = subprocess.Popen([build(version, "plain", "secretive"), "--token", argument], env=env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    at_end(target.kill)
    target.stdin.write(heap.encode() + b"\n")
    target.stdin.flush()
    equal("answer", target.stdout.readline().split()[0], b"ready")
    path = snap(target.pid)
    for name, word in (("heap", heap), ("argument", argument), ("environment", environment)):
        check(memory_holds(target.pid, word.encode()), f"the target does not hold the word of its {name}")
    target.kill()
    target.wait()
    plain = unpacked(path)
    for control in (b"main.controlWalk", b"secretive/main.go", b"main.controlKeep"):
        check(control in plain, f"{control} is not found: this search finds nothing")
    strings = subprocess.run(["protoc", "--decode_raw"], input=plain[len(MAGIC):], stdout=subprocess.PIPE,
                             check=True).stdout
    for name, word in (("heap", heap), ("argument", argument), ("environment", environment), ("setting", setting)):
        for form in (word.encode(), word.encode().hex().encode(), word.encode()[::-1], word.upper().encode()):
            check(form not in plain and form not in strings, f"a word of the {name} is in the snapshot")
    equal("settings", ullage_json("map", path)["go"]["godebug"].get("madvdontneed"), "1")


# ---- a target and a tool that end meanwhile -------------------------------------------------------

@test
def no_file_of_a_process_that_is_gone():
    place = workplace()
    with small() as target:
        pid = target.pid
    path = os.path.join(place, "a.ullage")
    one_sentence(ullage("snap", pid, "-o", path, expect=3).err)
    equal("files", os.listdir(place), [])


@test
def a_process_that_ends_meanwhile_leaves_no_half_file():
    place = workplace()
    for i in range(8):
        with go_target("1.24", "plain", "-heap", "20000000") as target:
            path = os.path.join(place, f"{i}.ullage")
            with subprocess.Popen([ULLAGE, "snap", str(target.pid), "-o", path], stderr=subprocess.DEVNULL) as tool:
                time.sleep(0.004 * i)
                target.signal(signal.SIGKILL)
                tool.wait(60)
            check(tool.returncode in (0, 3), f"status {tool.returncode}")
            equal("there is a file", os.path.exists(path), tool.returncode == 0)
            if tool.returncode == 0:
                ullage("show", path)


@test(each=["heap", "goroutines", "timers", "fds"])
def a_process_that_ends_meanwhile_is_gone(command):
    """Whatever is read of it last, as counters that cannot be read: the message is that it has ended."""
    seen = collections.Counter()
    for i in range(16):
        with go_target("1.24", "stripped", "-heap", "20000000") as target:
            with subprocess.Popen([ULLAGE, command, str(target.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as tool:
                time.sleep(0.002 * i)
                target.close()
                out, err = tool.communicate(timeout=60)
        seen[tool.returncode] += 1
        if "zombie" in err:  # it was opened after its end
            continue
        check(tool.returncode in (0, 3), f"status {tool.returncode}: {err}")
        if tool.returncode:
            equal("standard output", out, "")
            check("gone" in err or "no such process" in err, f"says something else: {err}")
    figure("status of reads of a process that ends", command, "gone", seen[3])


@test
def a_killed_tool_leaves_no_half_file():
    place = workplace()
    with go_target("1.24", "plain", "-heap", "20000000") as target:
        for i in range(10):
            path = os.path.join(place, f"{i}.ullage")
            with subprocess.Popen([ULLAGE, "snap", str(target.pid), "-o", path], stderr=subprocess.DEVNULL) as tool:
                time.sleep(0.004 * i)
                tool.kill()
            if os.path.exists(path):
                ullage("show", path)


# ---- wrong and hostile files ----------------------------------------------------------------------

def refused(path, status_, *words, command="show"):
    result = ullage(command, path, expect=status_)
    equal("standard output", result.out, "")
    first = result.err.splitlines()[0] + "\n"
    one_sentence(first)
    for word in words:
        check(word in first, f"{word!r} is not in {first!r}")


@test
def what_is_no_snapshot_is_named():
    place = workplace()
    for name, data, status_, word in (
            ("empty", b"", 6, "offset 0"), ("noise", b"\xff\x00\x11" * 50, 6, "offset 0"),
            ("later", b"ullage-snapshot 7\n\x08\x01", 5, "later version"), ("cut", MAGIC, 6, "offset 18"),
            ("heapdump", b"go1.7 heap dump\n", 6, "offset 16"), ("hprof", b"JAVA PROFILE 1.0.2\x00", 2, "`diff`"),
            ("core", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00" + bytes(40), 6, "offset 0")):
        path = os.path.join(place, name)
        with open(path, "wb") as f:
            f.write(data)
        refused(path, status_, word, name)
    refused(os.path.join(place, "missing.ullage"), 3, "missing.ullage")
    refused(place, 2, "directory")
    refused("12345", 2, "process id")


@test
def a_small_file_cannot_claim_much():
    place = workplace()
    bomb = os.path.join(place, "bomb")
    zeros = subprocess.run(f"(printf 'ullage-snapshot 1\\n'; head -c 1200000000 /dev/zero) | zstd -q -1 -o {bomb}",
                           shell=True, check=True)
    equal("zstd", zeros.returncode, 0)
    refused(bomb, 6, "bomb")
    for name, field in (("message", b"\x3a"), ("string", b"\x12"), ("unknown", b"\xfa\x7f")):
        path = os.path.join(place, name)
        with open(path, "wb") as f:
            f.write(MAGIC + field + b"\x80\xc8\xaf\xa0\x25" + b"\x00" * 900 + b"\x78\x01")  # 10 GB
        refused(path, 6, name, "offset")


@test
def damage_never_crashes():
    with go_target("1.24", "plain", "-heap", "20000000") as target:
        with open(path := snap(target.pid), "rb") as f:
            packed = f.read()
    plain = unpacked(path)
    name = os.path.join(workplace(), "damaged")
    draw = random.Random(7)
    for i in range(120):
        source = plain if i % 3 else packed
        data = bytearray(source)
        if i % 2:
            del data[draw.randrange(len(data)):]
        else:
            for _ in range(draw.choice([1, 1, 2, 20])):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        with open(name, "wb") as f:
            f.write(data)
        commands = ["map", "show"] if i % 4 else readers() + ["show"]
        for command in commands:
            result = ullage(command, name, *(["--json"] if i % 5 else []), expect=None)
            check(result.status in (0, 2, 5, 6), f"{command}: status {result.status}: {result.err}")
            if i % 2:  # cut short, wherever it was
                check(result.status in (2, 6), f"{command} took a file that was cut: {i}")
