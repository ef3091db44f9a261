# SPDX-License-Identifier: Apache-2.0
"""All kinds of processes but a well-behaved one: gone, dying, foreign, hidden, hostile, elsewhere."""
import ctypes
import os
import random
import re
import shutil
import subprocess
import threading

from common import *

NOBODY = 65534
HOSTILE = ["foo) Z (1", "a\nState:\tZ", "\x1b[31mred\x1b[0m", " lead and trail ", "a\\n\"b'c", "\u202eevil", "\xff\xfe"]


def as_nobody(*arguments, expect):
    root_only()
    copy = public_copy(ULLAGE)
    result = run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all",
                  "--inh-caps=-all", copy, *arguments])
    equal("status", result.status, expect)
    return result


# ---- no such target ----------------------------------------------------------------------------

@test(each=["map", "doctor"])
def a_pid_that_does_not_exist(command):
    with open("/proc/sys/kernel/pid_max", encoding="ascii") as f:
        pid = int(f.read()) + 1
    result = ullage(command, pid, expect=3)
    one_sentence(result.err)
    check(str(pid) in result.err, "the pid is not named")


@test
def a_thread_is_not_a_process():
    with c_target("notgo") as target:
        thread = [t for t in map(int, os.listdir(f"/proc/{target.pid}/task")) if t != target.pid][0]
        result = ullage("map", thread, expect=None)
        check(result.status in (0, 3), f"status {result.status}: {result.err}")


@test
def a_zombie():
    process = subprocess.Popen(["true"])
    at_end(process.wait)
    while status(process.pid, "State")[0] != "Z":
        time.sleep(0.01)
    result = ullage("map", process.pid, expect=None)
    check(result.status in (0, 3), f"status {result.status}: {result.err}")
    check("zombie" in result.err + result.out, f"does not say that it is a zombie: {result.err}")


@test
def a_kernel_thread():
    if not os.path.exists("/proc/2/status") or "Kthread:\t0" in open("/proc/2/status", encoding="utf-8").read():
        skip("no kernel thread is visible here")
    result = ullage("map", 2, expect=None)
    check(result.status in (0, 5), f"status {result.status}: {result.err}")
    check("kernel thread" in result.err + result.out, f"does not say that it is a kernel thread: {result.err}")


# ---- not Go ------------------------------------------------------------------------------------

@test
def a_program_that_is_not_go():
    with c_target("notgo", 32 << 20) as target:
        account = ullage_json("map", target.pid)
        account_adds_up(account)
        equal("unexplained", account["unexplained_bytes"], 0)
        check(any("Go" in note for note in account["notes"]), f"no note says that it is not Go: {account['notes']}")
        go_classes = [r for r in account["classes"] if r["class"].startswith("go.") and r["resident_bytes"]]
        equal("Go classes", go_classes, [])
        has_fields("the account", account, "go runtime gc cgroup")
        heap = sum(r["resident_bytes"] for r in account["classes"] if r["class"].startswith("c.heap"))
        within("the C heap", heap, 30 << 20, 40 << 20)
        ullage("map", target.pid)
        ullage("doctor", target.pid)


@test
def a_python_interpreter():
    account = ullage_json("map", os.getpid())
    within("rss", account["rss_bytes"], 1 << 20, 1 << 32)


# ---- another user ------------------------------------------------------------------------------

@test
def another_users_process_is_status_4():
    with small() as target:
        result = as_nobody("map", target.pid, expect=4)
        one_sentence(result.err)
        check("CAP_SYS_PTRACE" in result.err, f"does not name the capability: {result.err}")
        as_nobody("ps", expect=0)
        report = as_nobody("doctor", target.pid, expect=0).out
        check("CAP_SYS_PTRACE" in report, f"the doctor has no remedy: {report}")
        for what in (r"missing +watch: data", r"degraded +watch: (events|log)", "install -d -m 700 -o"):
            check(re.search(what, report), f"no {what}: {report}")


@test
def ones_own_process_needs_no_privilege():
    root_only()
    path = public_copy(build("1.24", "stripped", "minimal"))
    with Target(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all",
                 path]) as target:
        account = json.loads(as_nobody("map", target.pid, "--json", expect=0).out)
        account_adds_up(account)
        check(account["runtime"]["goroutines"] > 0, "the runtime was not read")
        by_root = ullage_json("map", target.pid)
        equal("rss", account["rss_bytes"], by_root["rss_bytes"])


@test
def an_executable_that_may_not_be_read():
    root_only()
    path = public_copy(build("1.24", "stripped", "minimal"))
    os.chmod(path, 0o111)
    with Target(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all",
                 path]) as target:
        account = json.loads(as_nobody("map", target.pid, "--json", expect=0).out)
        account_adds_up(account)
        check((account["go"] or {}).get("version") or any("executable" in n for n in account["notes"]),
              f"neither the Go version nor a note on the executable: {account['notes']}")


# ---- targets that change -----------------------------------------------------------------------

def map_while(target, act, delay):
    """One `map` while something is done to the target after a delay."""
    timer = threading.Timer(delay, act)
    timer.start()
    try:
        result = ullage("map", target.pid, "--json", expect=None)
    finally:
        timer.join()
    check(result.status in (0, 3), f"status {result.status}: {result.err}")
    if result.status == 3:
        one_sentence(result.err)
    else:
        account_adds_up(json.loads(result.out))
    return result.status


@test
def a_target_that_exits_meanwhile():
    chance = random.Random(1)
    taken = ullage("map", os.getpid()).seconds
    for _ in range(40):
        with go_target("1.24", "stripped", "-heap", "8000000") as target:
            map_while(target, target.process.kill, chance.uniform(0, 4 * taken))


@test(each=["self", "sleep"])
def a_target_that_execs_meanwhile(what):
    chance = random.Random(2)
    taken = ullage("map", os.getpid()).seconds
    for _ in range(40):
        with go_target("1.24", "stripped", program="selfexec") as target:
            map_while(target, lambda t=target: t.send(what), chance.uniform(0, 4 * taken))


@test
def a_replaced_binary():
    path = public_copy(build("1.24", "stripped", "minimal"))
    with Target([path]) as target:
        equal("matches before", ullage_json("map", target.pid)["integrity"]["exe_matches_disk"], True)
        os.unlink(path)
        shutil.copy(build("1.19", "plain", "minimal"), path)
        account = ullage_json("map", target.pid)
        equal("matches after", account["integrity"]["exe_matches_disk"], False)
        check(account["go"]["version"].startswith("go1.24"), "the version is that of the new file")
        os.unlink(path)
        account = ullage_json("map", target.pid)
        equal("matches when deleted", account["integrity"]["exe_matches_disk"], False)
        check(account["go"]["version"].startswith("go1.24"), "the version is lost with the file")
        account_adds_up(account)


# ---- hostile names -----------------------------------------------------------------------------

def hostile_target(name):
    """The target under a path and a thread name that try to be misread."""
    directory = tempfile.mkdtemp(prefix="ullage \n [heap] (deleted) ")
    at_end(shutil.rmtree, directory, True)
    path = os.path.join(os.fsencode(directory), name.encode("utf-8", "surrogateescape").replace(b"/", b"_"))
    shutil.copy(build("1.24", "stripped", "minimal"), path)
    return Target([os.fsdecode(path)])


@test(each=[(i,) for i in range(len(HOSTILE))])
def a_hostile_name(index):
    name = HOSTILE[index]
    with hostile_target(name) as target:
        account = ullage_json("map", target.pid, "--vmas")
        account_adds_up(account)
        equal("pid", account["pid"], target.pid)
        with open(f"/proc/{target.pid}/comm", "rb") as f:
            equal("comm", account["comm"], f.read()[:-1].decode("utf-8", "replace"))
        for command in ("map", "ps", "doctor"):
            text = ullage(command, *([] if command == "ps" else [target.pid])).out
            bad = re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
            equal(f"control characters in the text of {command}", bad, [])
        row = [r for r in ullage_json("ps")["processes"] if r["pid"] == target.pid]
        equal("rows of ps", len(row), 1)
        page = os.path.join(tempfile.gettempdir(), f"ullage-{os.getpid()}.html")
        at_end(lambda: os.path.exists(page) and os.unlink(page))
        ullage("map", target.pid, "--html", page)


@test
def a_name_that_would_end_a_script():
    with hostile_target("</script><b>") as target:
        page = os.path.join(tempfile.gettempdir(), f"ullage-{os.getpid()}.html")
        at_end(lambda: os.path.exists(page) and os.unlink(page))
        ullage("map", target.pid, "--html", page)
        with open(page, encoding="utf-8") as f:
            check("</script><b>" not in f.read(), "the name is in the page as it is")


# ---- many mappings -----------------------------------------------------------------------------

@test
def twenty_thousand_mappings():
    with go_target("1.24", "stripped", "-maps", "20000") as target:
        account = ullage_json("map", target.pid, "--vmas")
        account_adds_up(account)
        check(len(account["vmas"]) > 20000, f"{len(account['vmas'])} mappings")
        within("ratio to the limit", account["address_space"]["vma_limit_ratio"], 0.01, 1)


# ---- namespaces --------------------------------------------------------------------------------

@test(each=[
    ("pid", "--pid", "--fork", "--mount-proc"),
    ("mount", "--mount"),
    ("user", "--user", "--map-root-user"),
    ("all", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--net", "--ipc", "--uts", "--cgroup"),
])
def a_target_in_another_namespace(_, *options):
    root_only()
    path = build("1.24", "cgopie", "truth")
    with Target([path], wrapper=["unshare", *options]) as target:
        account = ullage_json("map", target.pid)
        account_adds_up(account)
        equal("unexplained", account["unexplained_bytes"], 0)
        equal("exe_matches_disk", account["integrity"]["exe_matches_disk"], True)
        check(account["runtime"]["heap_inuse_bytes"] > 32 << 20, "the heap was not read")


@test
def a_target_whose_binary_is_not_visible_here():
    """A mount namespace with a tmpfs over the directory of the binary: the path names nothing out here."""
    root_only()
    path = public_copy(build("1.24", "stripped", "truth"))
    directory = os.path.dirname(path)
    script = 'cp "$1" /dev/shm/t && mount -t tmpfs none "$2" && mv /dev/shm/t "$2/inner" && exec "$2/inner"'
    with Target(["sh", "-c", script, "sh", path, directory], wrapper=["unshare", "--mount"]) as target:
        check(not os.path.exists(directory + "/inner"), "the binary is visible out here")
        account = ullage_json("map", target.pid)
        account_adds_up(account)
        equal("exe_matches_disk", account["integrity"]["exe_matches_disk"], True)
        check(account["go"]["version"].startswith("go1.24"), "the version was not found")


@test
def a_proc_that_hides_others():
    root_only()
    copy = public_copy(ULLAGE)
    with small() as target:
        script = 'mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid="$1" --regid="$1" --clear-groups ' \
                 '--bounding-set=-all "$2" map "$3"'
        result = run(["unshare", "--mount", "sh", "-c", script, "sh", NOBODY, copy, target.pid])
        check(result.status in (3, 4), f"status {result.status}: {result.err}")
        one_sentence(result.err)


@test
def no_proc_at_all():
    root_only()
    with small() as target:
        script = 'mount -t tmpfs none /proc && exec "$1" "$2" "$3"'
        for command in ("map", "ps", "doctor"):
            argument = "" if command == "ps" else target.pid
            argv = ["unshare", "--mount", "sh", "-c", script if argument else script.replace(' "$3"', ""), "sh",
                    ULLAGE, command, argument]
            result = run(argv, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # that reads /proc itself
            check(command == "doctor" or result.status not in (0, 70), f"{command}: status {result.status}")
            check(result.status >= 0, f"{command}: signal {-result.status}")
            if result.status:
                one_sentence("\n".join(line for line in result.err.splitlines() if not line.startswith("==")))


# ---- the target is left alone ------------------------------------------------------------------

@test
def a_traced_target():
    """Somebody else's debugger is attached: reading works, --stop says why it does not."""
    with go_target("1.24", "stripped") as target:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(0x4206, target.pid, None, None):  # PTRACE_SEIZE
            skip("ptrace is not allowed here")
        account = ullage_json("map", target.pid)
        account_adds_up(account)
        result = ullage("map", target.pid, "--stop", "--json", expect=None)
        check(result.status in (0, 4), f"status {result.status}: {result.err}")
        if result.status == 0:
            check(json.loads(result.out)["notes"], "no note says that the target was not stopped")


@test
def a_stopped_target():
    with go_target("1.24", "stripped") as target:
        target.signal(signal.SIGSTOP)
        account = ullage_json("map", target.pid)
        account_adds_up(account)
        ullage_json("map", target.pid, "--stop")
        check(status(target.pid, "State").startswith("T"), "the target was set going")
