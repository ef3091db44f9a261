# SPDX-License-Identifier: Apache-2.0
"""The service as systemd sees it: units that are right, what they leave open, and a real systemd that runs it."""
import contextlib
import functools

from common import *

UNITS = os.path.join(ROOT, "deploy", "systemd")
EXPOSURE = 2.5  # what systemd-analyze says may be this at most; 0 is best


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        skip("systemd-analyze is not here")
    return subprocess.run(["systemd-analyze", "--no-pager", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def units(*drop_ins):
    """A folder with the units, their program being the one that is tested."""
    folder = tempfile.mkdtemp(prefix="ullage-units-")
    at_end(shutil.rmtree, folder, True)
    for name in ("ullage.service", "ullage.slice"):
        with open(os.path.join(UNITS, name), encoding="utf-8") as f:
            text = f.read()
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text.replace("/usr/bin/ullage", ULLAGE))
    for name in drop_ins:
        os.makedirs(os.path.join(folder, "ullage.service.d"), exist_ok=True)
        shutil.copy(os.path.join(UNITS, name), os.path.join(folder, "ullage.service.d"))
    return os.path.join(folder, "ullage.service")


@test(each=[(), ("bpf.conf",), ("kernel-log.conf",), ("bpf.conf", "kernel-log.conf")])
def units_are_right(*drop_ins):
    done = analyze("verify", "--man=no", units(*drop_ins))
    equal("complaints", (done.returncode, done.stdout), (0, ""))


@test
def little_is_left_open():
    done = analyze("security", "--offline=true", units())
    found = re.search(r"exposure level for ullage.service: ([0-9.]+)", done.stdout)
    check(found, f"no score: {done.stdout}")
    figure("exposure by systemd-analyze security", "service", "", float(found.group(1)))
    within("exposure", float(found.group(1)), 0, EXPOSURE)


@test
def only_the_capabilities_of_the_table_are_asked_for():
    with open(os.path.join(ROOT, "docs", "watch-privileges.md"), encoding="utf-8") as f:
        table = set(re.findall(r"CAP_\w+", f.read().split("Never asked for")[0]))
    for name in os.listdir(UNITS):
        with open(os.path.join(UNITS, name), encoding="utf-8") as f:
            text = f.read()
        ambient, bounding = (re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
                             for key in ("AmbientCapabilities", "CapabilityBoundingSet"))
        equal(f"{name}: what it has and what it could have", ambient, bounding)
        for word in " ".join(ambient).split():
            check(word in table, f"{name}: {word} is not in docs/watch-privileges.md")


# ---- the daemon as its manager sees it ---------------------------------------------------------

def daemon(**environment):
    """The watch of one target, its port and its log, with a socket that hears what it tells."""
    folder = tempfile.mkdtemp(prefix="ullage-service-")
    at_end(shutil.rmtree, folder, True)
    hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hears.bind(os.path.join(folder, "notify"))
    hears.settimeout(30)
    with open(os.path.join(folder, "watch.yaml"), "w", encoding="ascii") as f:
        f.write("targets:\n  - name: truth\nsampling:\n  map: 1s\n")
    process = subprocess.Popen(
        [ULLAGE, "watch", "--config", os.path.join(folder, "watch.yaml"), "--listen",
         "unix:" + os.path.join(folder, "api"), "--data", os.path.join(folder, "data")],
        env={**os.environ, "NOTIFY_SOCKET": os.path.join(folder, "notify"), **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=open(os.path.join(folder, "log"), "wb"))
    at_end(process.wait)
    at_end(process.kill)
    return process, hears, folder


def hear(hears, word):
    """Waits until it is told."""
    while True:
        text = hears.recv(4096).decode()
        if word in text.split("\n"):
            return


def watched(folder):
    """What the API says of the one target, or None."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.path.join(folder, "api"))
    connection.request("GET", "/api/v1/targets")
    found = json.loads(connection.getresponse().read())["targets"]
    connection.close()
    return found[0] if found else None


@test(timeout=120)
def manager_is_told_how_it_is():
    process, hears, folder = daemon(WATCHDOG_USEC="1000000")
    for word in ("READY=1", "WATCHDOG=1", "WATCHDOG=1"):
        hear(hears, word)
    process.send_signal(signal.SIGHUP)
    for word in ("RELOADING=1", "READY=1", "WATCHDOG=1"):
        hear(hears, word)
    process.terminate()
    hear(hears, "STOPPING=1")
    equal("exit status", process.wait(30), 0)
    with open(os.path.join(folder, "log"), encoding="utf-8") as f:
        check("<" not in f.read()[:1], "a level stands before a line that no journal reads")


def parts_of(pid):
    """Processes below the watch, by name."""
    below, found = {pid}, {}
    for _ in range(2):
        for child, parent in list(parents()):
            if parent in below:
                below.add(child)
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the readers of targets come and go
                    found[status(child, "Name")] = child
    return found


@test(timeout=120)
def who_reads_targets_has_no_power():
    with go_target("1.24", "plain", "-heap", "8000000"):
        process, hears, folder = daemon()
        hear(hears, "READY=1")
        end = time.monotonic() + 60
        while not (seen := watched(folder)) or not seen["goroutines"] or not seen["classes"]:
            check(time.monotonic() < end, f"figures of Go and a map never came: {seen}")
            time.sleep(0.2)
        parts = parts_of(process.pid)
        equal("capabilities of the watch", int(str(status(process.pid, "CapPrm")), 16), 0)
        equal("its filter", status(process.pid, "Seccomp"), 2)
        equal("capabilities of the actor", int(str(status(parts["ullage-act"], "CapPrm")), 16), 0)
        if os.geteuid() == 0:
            for name in ("ullage-open", "ullage-spawn"):
                equal(f"those of {name}", int(str(status(parts[name], "CapPrm")), 16), 1 << 19 | 1 << 2)
        for name, pid in parts.items():
            equal(f"filter of {name}", status(pid, "Seccomp"), 2)
        process.kill()
        process.wait()
        for name, pid in parts.items():
            while os.path.exists(f"/proc/{pid}") and status(pid, "State")[0] != "Z":
                check(time.monotonic() < end, f"{name} outlives the watch")
                time.sleep(0.05)
    with open(os.path.join(folder, "log"), encoding="utf-8") as f:
        check("refused system call" not in f.read(), "a system call was refused")


@test(timeout=120)
def parts_that_are_killed_begin_again():
    process, hears, folder = daemon()
    hear(hears, "READY=1")
    end = time.monotonic() + 60
    names = ["ullage-act", *(["ullage-open"] if os.geteuid() == 0 else [])]
    before = parts_of(process.pid)
    for name in names:
        os.kill(before[name], signal.SIGKILL)
    while any(parts_of(process.pid).get(name) in (None, before[name]) for name in names):
        check(time.monotonic() < end, f"{names} have not begun again: {parts_of(process.pid)}")
        time.sleep(0.1)
    with go_target("1.24", "plain", "-heap", "8000000"):
        while not (seen := watched(folder)) or not seen["goroutines"]:
            check(time.monotonic() < end, f"figures of Go never came: {seen}")
            time.sleep(0.2)
    process.terminate()
    equal("exit status", process.wait(30), 0)
    with open(os.path.join(folder, "log"), encoding="utf-8") as f:
        text = f.read()
    for name in ("act", "open"):
        check(name == "open" and len(names) == 1 or re.search(f"{name}s.* was killed by signal 9", text), text)


@test(timeout=60)
def an_opener_that_does_not_answer_is_replaced():
    """As one that waits for a file system whose server is gone: nobody waits with it."""
    root_only()
    process, hears, folder = daemon()
    hear(hears, "READY=1")
    end = time.monotonic() + 50
    before = parts_of(process.pid)["ullage-open"]
    os.kill(before, signal.SIGSTOP)
    with go_target("1.24", "plain", "-heap", "8000000"):
        while parts_of(process.pid).get("ullage-open") in (None, before):
            check(time.monotonic() < end, "it was not replaced")
            time.sleep(0.1)
        while not (seen := watched(folder)) or not seen["goroutines"]:
            check(time.monotonic() < end, f"figures of Go never came: {seen}")
            time.sleep(0.2)
    check(not os.path.exists(f"/proc/{before}"), "the one before is still there")
    process.terminate()
    equal("exit status", process.wait(30), 0)


@test(timeout=60)
def a_reader_is_killed_before_the_watch():
    """Their cgroup has one limit for both, and the watch may be the larger one."""
    with go_target("1.24", "stripped", "-maps", 20000) as target:
        process, hears, _ = daemon()
        hear(hears, "READY=1")
        end, seen = time.monotonic() + 40, None
        while seen is None:
            check(time.monotonic() < end and target.process.poll() is None, "no reader was seen")
            for child, parent in list(parents()):
                with contextlib.suppress(OSError):
                    if parent == process.pid and status(child, "Name") == "ullage":
                        with open(f"/proc/{child}/oom_score_adj", encoding="ascii") as f:
                            value = int(f.read())
                        seen = value if value else seen
            time.sleep(0.005)
        equal("points", seen, 500)
        process.terminate()
        equal("exit status", process.wait(30), 0)


# ---- a real systemd ----------------------------------------------------------------------------

HERE = os.path.dirname(os.path.abspath(__file__))
IN_VM = [os.path.join(HERE, "run"), os.path.join(HERE, "vm_service.py")]


@functools.lru_cache(None)
def results():
    """What the tests of vm_service.py said in a machine that systemd runs, by name."""
    build("1.24", "plain", "climb")
    place, prefix = installed()
    if prefix not in ("/usr", "/usr/local"):
        skip(f"systemd looks for no units below {prefix}")
    machine = run([os.path.join(ROOT, "tests", "vm", "run"), "-k", "6.12", "-S", "-t", "600", "--", "env",
                   f"INSTALLED={place}", f"PREFIX={prefix}", *IN_VM, "--slow", "4"], timeout=660)
    check(re.search(r"^\d+ passed, \d+ failed, \d+ skipped$", machine.out, re.M),
          f"the machine did not finish, status {machine.status}: {machine.out[-1500:]}{machine.err[-2500:]}")
    return {name: (outcome, rest) for outcome, name, rest in re.findall(r"^(ok|FAIL|skip) (\S+) (.*)$", machine.out, re.M)}


# What a machine said is kept; only one that did not finish is started a second time.
@test(each=run([*IN_VM, "--list"]).out.split(), timeout=720, tries=2)
def under_a_real_systemd(name):
    outcome, text = results()[name]
    check(outcome == "ok", f"{outcome} in the machine: {text}")
