# SPDX-License-Identifier: Apache-2.0
"""What test_service.py runs in a virtual machine whose first process is systemd: the service as it was installed.

INSTALLED is the directory with what `meson install` made for PREFIX. The tests follow each other: one service, from its start to
its end.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request

from ullagetest import *

API = "http://127.0.0.1:9723"
CONFIG = "sampling:\n  map: 10s\nforecast:\n  horizon: 10m\n"


def command(*argv, expect=0):
    result = run(argv, timeout=180)
    if result.status != expect:
        raise AssertionError(f"{' '.join(argv)}: status {result.status}: {result.out}{result.err}"
                             + run(["journalctl", "-u", "ullage", "-n", "30", "--no-pager"]).out)
    return result.out.strip()


def shown(name):
    return command("systemctl", "show", "-P", name, "ullage")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def api(path):
    with urllib.request.urlopen(API + path, timeout=60) as reply:
        return json.loads(reply.read())


def journal(pattern, *words):
    """Records of the service that say so, once there are any."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        lines = command("journalctl", "-u", "ullage", "-o", "json", "--no-pager", *words).splitlines()
        found = [r for r in map(json.loads, lines) if re.search(pattern, str(r.get("MESSAGE")))]
        if found:
            return found
        time.sleep(0.5)
    said = command("journalctl", "-n", "30", "-o", "cat", "--no-pager").replace("\n", " | ")  # what comes out of the machine is read by lines
    raise AssertionError(f"the journal has no {pattern!r}: {said}")


@test(timeout=240)
def a_installed_and_started():
    command("cp", "-a", os.environ["INSTALLED"] + os.environ["PREFIX"] + "/.", os.environ["PREFIX"])
    command("systemd-sysusers")
    write("/etc/default/ullage", "ULLAGE_OPTIONS=--config /etc/ullage/ullage.yaml\n")
    write("/etc/ullage/ullage.yaml", CONFIG)
    # as installed but for one figure: half a minute is too long for a test
    write("/etc/systemd/system/ullage.service.d/test.conf", "[Service]\nWatchdogSec=8s\n")
    command("systemctl", "daemon-reload")
    command("systemctl", "start", "ullage")  # until READY=1
    pid = int(shown("MainPID"))
    equal("user", command("stat", "-c", "%U", f"/proc/{pid}"), "ullage")
    group = "/sys/fs/cgroup/ullage.slice/ullage.service/"
    for name, value in {"memory.max": 256 << 20, "memory.high": 192 << 20, "pids.max": 32, "cpu.weight": 200}.items():
        with open(group + name, encoding="ascii") as f:
            equal(name, int(f.read()), value)
    equal("capabilities of the watch", int(str(status(pid, "CapPrm")), 16), 0)
    within("memory of the service in MiB", int(shown("MemoryCurrent")) / 2**20, 1, 64)
    equal("records", command("stat", "-c", "%a %U", "/var/lib/ullage"), "700 ullage")
    check("watching" in shown("StatusText"), f"status is {shown('StatusText')!r}")
    equal("schema", api("/api/v1/targets")["schema"], "ullage.watch.targets/1")


@test(timeout=240)
def b_a_service_is_warned_of_and_explained():
    # In memory: from the host's files its code would come and go for a minute or two before the kernel gives up and kills.
    program = shutil.copy(build("1.24", "plain", "climb"), "/run")
    command("systemd-run", "--unit=shop", "--property=MemoryMax=64M", "--property=StandardInput=file:/dev/zero",
            program, "-kind", "mmap", "-rate", str(5 << 19))
    warned = journal(r"shop|climb", "-p", "warning")
    equal("who says it", {r["SYSLOG_IDENTIFIER"] for r in warned}, {"ullage"})
    check("<" not in warned[0]["MESSAGE"][:1], f"a level stands in the message: {warned[0]['MESSAGE']}")
    killed = journal(r"killed by the kernel for lack of memory", "-p", "err")
    check("shop.service" in killed[0]["MESSAGE"], f"whose limit: {killed[0]['MESSAGE']}")
    equal("fields", (killed[0]["ULLAGE_KIND"], killed[0]["ULLAGE_COMM"]), ("oom_kill", "climb"))
    equal("found by its field", command("journalctl", "ULLAGE_KIND=oom_kill", "-o", "cat", "--no-pager"), killed[0]["MESSAGE"])
    check(int(warned[0]["__REALTIME_TIMESTAMP"]) < int(killed[0]["__REALTIME_TIMESTAMP"]), "no warning before the kill")
    told = command(os.environ["PREFIX"] + "/bin/ullage", "history", "shop.service")
    for what in ("was killed by the kernel for memory", "warned ", "snapshot"):
        check(what in told, f"history does not say {what!r}: {told}")
    figure("warned before the kill", "systemd", "s",
           (int(killed[0]["__REALTIME_TIMESTAMP"]) - int(warned[0]["__REALTIME_TIMESTAMP"])) / 1e6)


@test(timeout=240)
def c_a_reload_takes_the_new_configuration_or_keeps_the_old():
    write("/etc/ullage/ullage.yaml", CONFIG + "log: json\n")
    command("systemctl", "reload", "ullage")
    journal(r'"message":.*reloaded')
    write("/etc/ullage/ullage.yaml", "lisen: 1\n")
    command("systemctl", "reload", "ullage")
    said = journal(r"refused")
    check("line 1" in said[0]["MESSAGE"] or ":1:" in said[0]["MESSAGE"], f"no line: {said[0]['MESSAGE']}")
    equal("state", shown("ActiveState"), "active")
    write("/etc/ullage/ullage.yaml", CONFIG)
    command("systemctl", "reload", "ullage")


@test(timeout=240)
def d_a_daemon_that_hangs_is_started_again():
    before = int(shown("MainPID"))
    os.kill(before, signal.SIGSTOP)
    end = time.monotonic() + 120
    while int(shown("MainPID")) in (0, before) or shown("ActiveState") != "active":
        check(time.monotonic() < end, f"it was not started again: {command('journalctl', '-n', '30', '--no-pager')}")
        time.sleep(1)
    equal("restarts", shown("NRestarts"), "1")
    check("Watchdog timeout" in command("journalctl", "-u", "ullage", "--no-pager"), "it was not the watchdog")
    equal("schema", api("/api/v1/targets")["schema"], "ullage.watch.targets/1")
    check("killed by the kernel" in command(os.environ["PREFIX"] + "/bin/ullage", "history", "shop.service"), "the records are gone")


@test(timeout=240)
def e_an_orderly_end():
    command("systemctl", "stop", "ullage")
    equal("result", shown("Result"), "success")
    equal("processes that are left", run(["pgrep", "-u", "ullage"]).out, "")
    check("refused system call" not in command("journalctl", "-u", "ullage", "--no-pager"), "a system call was refused")
    subprocess.run(["systemctl", "reset-failed"], check=False)
