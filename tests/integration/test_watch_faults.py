# SPDX-License-Identifier: Apache-2.0
"""`ullage watch` where something is missing, breaks, lies or attacks: it goes on, and says what it lacks."""
import contextlib
import random
import struct

from watching import *

MIB = 1 << 20
NOBODY = 65534

# docs/watch-privileges.md, by capabilities: Go's figures of another user's process, the kernel's log, the probe of kills
POWERS = [("", False, False, False),
          ("sys_ptrace", False, False, False),
          ("dac_read_search", False, False, False),
          ("sys_ptrace dac_read_search", True, False, False),
          ("syslog", False, True, False),
          ("bpf perfmon", False, False, True)]


def with_powers(names, config):
    """A daemon of another user that has these capabilities and no others."""
    powers = "-all" + "".join(f",+{name}" for name in names.split())
    data = tempfile.mkdtemp()
    at_end(shutil.rmtree, data, True)
    os.chown(data, NOBODY, NOBODY)
    return Daemon(config, data=os.path.join(data, "data"), wrapper=[
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--bounding-set={powers}",
        f"--inh-caps={powers}", f"--ambient-caps={powers}"])


@test
def each_capability_gives_what_the_table_says():
    root_only()
    config = "targets:\n  - {name: truth, go_only: false}\nsampling: {discover: 500ms}\nkernel: {log: true, bpf: true}\n"
    own = Target([public_copy(build("1.24", "stripped"))], user=NOBODY, group=NOBODY, extra_groups=[])
    with contextlib.ExitStack() as stack, own, go_target("1.24", "stripped") as other:
        daemons = [stack.enter_context(with_powers(names, config)) for names, *_ in POWERS]
        for daemon, (names, figures, log, probe) in zip(daemons, POWERS):
            daemon.wait_for_target(own.pid, lambda t: t["goroutines"])
            row = daemon.wait_for_target(other.pid, lambda t: t["goroutines"] or not figures)
            equal(f"with {names!r}: figures of another user's process", bool(row["goroutines"]), figures)
            equal(f"with {names!r}: whether it is Go", row["is_go"], True if "sys_ptrace" in names else None)
            check(row["working_set_bytes"], f"with {names!r}: the forecast has nothing to go by")
            equal(f"with {names!r}: the kernel's log", "CAP_SYSLOG is needed" not in daemon.text(), log)
            equal(f"with {names!r}: the probe of kills", "CAP_BPF is missing" not in daemon.text(), probe)
            check("refused system call" not in daemon.text(), daemon.text())


def unpacked(path):
    with open(path, "rb") as f:
        data = f.read()
    tool = {b"\x28\xb5\x2f\xfd": ["zstd", "-dc"], b"\x1f\x8b\x08\x00": ["gzip", "-dc"]}.get(data[:4])
    return subprocess.run(tool, input=data, stdout=subprocess.PIPE, check=True).stdout if tool else data


@test
def secrets_of_a_target_are_nowhere():
    if not shutil.which("zstd"):
        skip("zstd is not here")
    words = [f"{kind}-secret-{random.randrange(1 << 48):x}" for kind in ("heap", "environment", "argument")]
    config = ("targets:\n  - {name: secretive, go_only: false}\nprofiles:\n  - {heap: true, goroutines: true, interval: 10s}\n"
              "sampling:\n  discover: 500ms\n  map: 1s\n  steps:\n"
              "    - {below: 1%, interval: 50ms}\n    - {below: 100%, interval: 50ms, snapshot: true}\n")
    path = build("1.24", "plain", "secretive")
    with Cgroup(limit=64 * MIB) as group, Daemon(config) as daemon:
        process = subprocess.Popen([path, words[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=group.enter,
                                   env={**os.environ, "SECRET": words[1]})
        at_end(process.kill)
        process.stdin.write(words[0].encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        for pattern in (r"snapshot: /", r"heap: /", r"goroutines: /"):
            daemon.wait_for_log(pattern)
        said = "".join(daemon.get(p)[1] for p in ("/metrics", "/api/v1/targets", "/api/v1/events"))
        daemon.stop()
        kept = [os.path.join(folder, name) for folder, _, names in os.walk(daemon.data) for name in names]
        check(len(kept) >= 5, f"too little was kept for a test: {kept}")
        for where, text in [*((p, unpacked(p)) for p in kept), ("API", said.encode()), ("log", daemon.text().encode())]:
            for word in words:
                check(word.encode() not in text, f"{word.split('-', maxsplit=1)[0]} is in {where}")
        for place in [daemon.data, *kept]:
            equal(f"mode of {place}", oct(os.stat(place).st_mode & 0o077), "0o0")


# A wall clock that is ahead of the machine's by the number of seconds in a file.
CLOCK = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long *ahead;
__attribute__((constructor)) static void begin(void)
{
	ahead = mmap(0, 4096, PROT_READ, MAP_SHARED, open(getenv("AHEAD"), O_RDONLY), 0);
}
int clock_gettime(clockid_t c, struct timespec *t)
{
	int failed = (int)syscall(SYS_clock_gettime, c, t);
	if (!failed && c == CLOCK_REALTIME)
		t->tv_sec += *ahead;
	return failed;
}
"""


@test
def a_wall_clock_that_jumps_alarms_nobody_and_costs_nothing():
    folder = tempfile.mkdtemp()
    at_end(shutil.rmtree, folder, True)
    if subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", f"{folder}/clock.so"], input=CLOCK.encode(), check=False).returncode:
        skip("no C compiler")
    with open(f"{folder}/ahead", "w+b", buffering=0) as ahead, Cgroup(limit=256 * MIB) as group:
        ahead.write(bytes(4096))
        environment = {**os.environ, "LD_PRELOAD": f"{folder}/clock.so", "AHEAD": f"{folder}/ahead"}
        with Daemon("targets:\n  - name: truth\n", env=environment) as daemon, \
                go_target("1.24", "stripped", "-heap", 64 * MIB, cgroup=group) as target:
            row = daemon.wait_for_target(target.pid)
            for seconds in (30 * 86400, -86400, 0):
                ahead.seek(0)
                ahead.write(struct.pack("<q", seconds))
                time.sleep(2.5)
                now = daemon.target(target.pid)
                equal(f"after a jump to {seconds} s: state and signals", (now["state"], now["signals"]), ("ok", []))
                equal("ready", daemon.get("/readyz")[0], 200)
            looks = daemon.json(f"/api/v1/targets/{row['id']}/series")["series"]
            check(len(looks) >= 4, f"looks were lost: {[look['time'] for look in looks]}")
            equal("ended well", daemon.stop(), 0)
            equal("history", ullage_json("history", row["id"], "--data", daemon.data)["target"]["id"], row["id"])


@test
def a_disk_that_becomes_read_only_is_told_and_survived():
    root_only()
    folder = tempfile.mkdtemp()
    at_end(shutil.rmtree, folder, True)
    image, place = f"{folder}/image", f"{folder}/place"
    os.mkdir(place)
    with open(image, "wb") as f:
        f.truncate(16 * MIB)
    if subprocess.run(["mkfs.ext4", "-q", "-F", image], check=False).returncode or \
            subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, place], check=False).returncode:
        skip("no file system of its own can be mounted here")
    at_end(subprocess.run, ["umount", "-l", place])
    device = subprocess.run(["findmnt", "-no", "SOURCE", place], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    with Daemon("targets:\n  - name: truth\n", data=f"{place}/data") as daemon, go_target("1.24", "stripped") as target:
        row = daemon.wait_for_target(target.pid)
        time.sleep(2.5)  # it is on the disk
        try:
            with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w", encoding="ascii") as f:
                f.write("a test")
        except OSError:
            skip("the kernel makes no errors on demand")
        daemon.process.send_signal(signal.SIGHUP)  # an event, which must be written
        daemon.wait_for_log("note store: [^\n]*")
        equal("ready", daemon.get("/readyz")[0], 503)
        equal("alive", daemon.get("/livez")[0], 200)
        equal("state", daemon.target(target.pid)["state"], "ok")
        equal("ended well", daemon.stop(), 0)
        equal("history", ullage_json("history", row["id"], "--data", daemon.data)["target"]["pid"], target.pid)


NAMES = [b'a"b\\c{}', b"nl\nx", b"\x1b[31mred", b"\xff\xfe\x80bad", "ééééééé€".encode()[:15], b"`$(id)`;", b"\x01\x7f\xc2\x85", b"a) S 1 1"]


def patiently(daemon, path):
    """An answer among many who ask: one may be turned away."""
    for _ in range(100):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return daemon.get(path)[1]
        time.sleep(0.1)
    raise AssertionError("nobody is answered any more")


def is_plain(name, data):
    text = data.decode("utf-8")  # it must be
    bad = [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    check(not bad, f"{name} has {bad[:5]}")
    return text


@test
def a_directory_that_only_a_right_opens_that_is_given_up_is_refused_at_once():
    root_only()
    directory = tempfile.mkdtemp()
    at_end(shutil.rmtree, directory, True)
    for folder in ("", "snapshots", "profiles"):
        os.makedirs(os.path.join(directory, folder), mode=0o700, exist_ok=True)
        os.chown(os.path.join(directory, folder), NOBODY, NOBODY)
    said = ullage("watch", "--listen", "127.0.0.1:0", "--data", directory, expect=7).err
    check("could not be kept with the rights that remain" in said and "Permission denied" in said, said)


@test
def who_came_and_went_between_two_looks_is_known():
    slow = "sampling: {discover: 100ms, steps: [{below: 100%, interval: 1h}]}\n"
    group = Cgroup()
    with group, Daemon(f"targets:\n  - {{cgroup: '{group.name}', go_only: false}}\n{slow}") as daemon:
        subprocess.run(["sleep", "2"], preexec_fn=group.enter, check=True)
        daemon.wait_for_log("exit sleep")
        daemon.stop()
        life = ullage_json("history", "sleep", "--data", daemon.data)["target"]
        equal("its end and its limit", (life["end"], life["limit_source"]), ("exited", None))


@test
def names_that_attack_and_clients_that_wait_harm_nobody():
    code = "import ctypes,sys,time; ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0); print(flush=True); time.sleep(99)"
    group = Cgroup()
    with group, Daemon(f"targets:\n  - {{cgroup: '{group.name}', go_only: false}}\nsampling: {{discover: 500ms}}\n") as daemon:
        called = [subprocess.Popen([sys.executable, "-c", code, name.hex()], stdout=subprocess.PIPE, preexec_fn=group.enter)
                  for name in NAMES]
        for process in called:
            at_end(process.kill)
            process.stdout.readline()
        for process in called:
            daemon.wait_for_target(process.pid)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        clients = []
        for i in range(min(2000, limit[0] - 100)):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", daemon.port))
            with contextlib.suppress(OSError):
                client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3 if i % 2 else b"GET /metrics HTTP/1.1\r\nX: ")
            clients.append(client)
        metrics = is_plain("metrics", patiently(daemon, "/metrics").encode())
        dropped = re.search(r"^ullage_http_dropped_total (\d+)", metrics, re.MULTILINE)
        check(int(dropped[1]) > len(clients) / 2, "nobody was turned away")
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, stderr=subprocess.PIPE, check=False)
            equal("promtool", (done.returncode, done.stderr), (0, ""))
        within("resident", status(daemon.pid, "VmRSS"), 0, 64 * MIB)
        shown = {t["pid"]: t["comm"] for t in json.loads(patiently(daemon, "/api/v1/targets"))["targets"]}
        for process, name in zip(called, NAMES):
            with contextlib.suppress(UnicodeDecodeError):
                equal(f"name of {name}", shown[process.pid], name[:15].decode())
        for process in called:
            process.kill()
        daemon.wait_for_log("exit .*a\\) S 1 1")
        for client in clients:
            client.close()
        daemon.stop()
        with open(daemon.log, "rb") as f:
            is_plain("log", f.read())
        is_plain("history", ullage("history", "--data", daemon.data).out.encode())
