# SPDX-License-Identifier: Apache-2.0
"""The service as systemd sees it: units that are right, and what they leave open."""
from ullagetest import *

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


@test(timeout=120)
def who_reads_targets_has_no_power():
    with go_target("1.24", "plain", "-heap", "8000000"):
        process, hears, folder = daemon()
        hear(hears, "READY=1")
        end = time.monotonic() + 60
        while not (seen := watched(folder)) or not seen["goroutines"] or not seen["classes"]:
            check(time.monotonic() < end, f"figures of Go and a map never came: {seen}")
            time.sleep(0.2)
        parts = {status(pid, "Name"): pid for pid, parent in parents() if parent == process.pid}
        equal("capabilities of the watch", int(str(status(process.pid, "CapPrm")), 16), 0)
        equal("its filter", status(process.pid, "Seccomp"), 2)
        equal("capabilities of the actor", int(str(status(parts["ullage-act"], "CapPrm")), 16), 0)
        if os.geteuid() == 0:
            equal("those of the opener", int(str(status(parts["ullage-open"], "CapPrm")), 16), 1 << 19 | 1 << 2)
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
