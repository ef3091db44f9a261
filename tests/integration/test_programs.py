# SPDX-License-Identifier: Apache-2.0
"""Programs nobody here wrote, on loopback: built by others, stripped, alive while they are read."""
from account import *

GO = {"prometheus-1.19": "go1.19", "prometheus-1.24": "go1.24", "etcd-1.19": "go1.19", "etcd-1.24": "go1.24",
      "caddy": "go1.19", "dockerd-1.19": "go1.19", "dockerd-1.24": "go1.24", "esbuild": "go1.2"}
WITHOUT_PCLNTAB_SECTION = ["dockerd-1.19", "dockerd-1.24"]
NOISE = 1 << 20


def exact_account(pid):
    """An account in which nothing moved; these programs are alive, so it may take a few."""
    for _ in range(3):
        before = rollup(pid)
        account = ullage_json("map", pid)
        if before == account["rss_bytes"] == rollup(pid) and account["error_bound_bytes"] == 0:
            return account, True
    return account, False


def check_sum(name, account, still):
    account_adds_up(account)
    unexplained = account["unexplained_bytes"]
    figure("unexplained bytes, programs", name, "bytes", unexplained)
    figure("unexplained bytes, programs", name, "still", str(still))
    check(abs(unexplained) <= (0 if still else account["error_bound_bytes"]), f"{unexplained} bytes are unexplained")


def check_image(name, account):
    go = account["go"]
    check(go["version"].startswith(GO[name]), f"version {go['version']}")
    equal("stripped", go["stripped"], True)
    equal("pie", go["pie"], name in WITHOUT_PCLNTAB_SECTION)
    equal("exe_matches_disk", account["integrity"]["exe_matches_disk"], True)
    check(account["runtime"] is not None, f"the runtime was not read: {account['notes']}")
    spans = account["runtime"]
    figure("span sum against the counter, programs", name, "bytes",
           spans["heap_inuse_bytes"] - spans["heap_inuse_counter_bytes"])


def check_against_pprof(name, instance):
    """Within 2 % and a little noise of what the program says before and after."""
    for attempt in range(3):
        low, goroutines = instance.stats(), instance.goroutines()
        account = ullage_json("map", instance.pid)
        high = instance.stats()
        measured = account["runtime"]["heap_alloc_bytes"]
        ends = sorted([low["HeapAlloc"], high["HeapAlloc"]])
        if low["NumGC"] == high["NumGC"] or attempt == 2:
            break
    figure("error of heap_alloc against pprof, programs", name, "ratio", outside(measured, *ends))
    within("heap_alloc", measured, ends[0] * 0.98 - NOISE, ends[1] * 1.02 + NOISE)
    within("collections", account["gc"]["count"], low["NumGC"], high["NumGC"])
    close("heap_sys", account["runtime"]["heap_inuse_bytes"] + account["runtime"]["heap_idle_bytes"], high["HeapSys"],
          0.02)
    figure("goroutines, programs", name, "pprof", goroutines)
    figure("goroutines, programs", name, "ullage", account["runtime"]["goroutines"])
    within("goroutines", account["runtime"]["goroutines"], goroutines - 8, goroutines + 4)


@test(each=PROGRAMS, tries=2)
def real_program(name):
    with program(name) as instance:
        before = left_alone(instance.pid)
        account, still = exact_account(instance.pid)
        check_schema(account)
        check_sum(name, account, still)
        check_image(name, account)
        equal("tracer", left_alone(instance.pid)["TracerPid"], before["TracerPid"])
        if instance.pprof:
            check_against_pprof(name, instance)
