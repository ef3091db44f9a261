# SPDX-License-Identifier: Apache-2.0
"""Descriptors: kinds, sockets, their memory and namespace, removed files, epoll, cgroups left behind."""
import os
import resource
import shutil
import subprocess
import sys

import fds_cases
from common import *
from fds_cases import HOLDER

IN_OWN_NAMESPACE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def holder(*args, **keywords):
    return Target([sys.executable, HOLDER, *args], **keywords)


def rows(report, **want):
    """Rows of sockets[] with these fields."""
    return [r for r in report["sockets"] if all(r[k] == v for k, v in want.items())]


def total(found, field):
    return sum(r[field] for r in found)


def by_kind(report):
    return {r["kind"]: r["count"] for r in report["by_kind"]}


# ---- what a process holds -----------------------------------------------------------------------

@test
def kinds_are_exact():
    with holder("all") as target:
        report, known = ullage_json("fds", target.pid), target.known()
        equal("kinds", by_kind(report), known["kinds"])
        equal("total", report["total"], len(os.listdir(f"/proc/{target.pid}/fd")))
        equal("limit", report["limit"], resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        equal("epoll", {str(r["fd"]): r["watched"] for r in report["epoll"]}, known["epoll"])
        equal("removed files", report["deleted_files_bytes"], known["deleted_files_bytes"])
        equal("how many", report["deleted_files"], 2)  # and its standard error, which is a file of ours
        equal("memory files", report["memfd_bytes"], known["memfd_bytes"])
        counts = [r["count"] for r in report["by_kind"]]
        equal("order", counts, sorted(counts, reverse=True))
        text = ullage("fds", target.pid).out
        check(all(len(line) <= 100 for line in text.splitlines()), "a line is too long")
        check("beside the account" in text, "the text does not say where socket memory is")


@test
def every_descriptor_is_listed():
    with holder("all") as target:
        report = ullage_json("fds", target.pid, "--list")
        listed = {r["fd"]: r for r in report["fds"]}
        equal("numbers", set(listed), {int(n) for n in os.listdir(f"/proc/{target.pid}/fd")})
        for number, row in listed.items():
            link = os.readlink(f"/proc/{target.pid}/fd/{number}")
            if not link.startswith("socket:"):
                equal(f"what {number} is", row["what"], link)
        listener = target.known()["tcp"]["listener"]
        equal("its listener", sum(r["what"] == f"tcp {listener} LISTEN" for r in listed.values()), 1)


def check_sockets(report, known, limit=7):
    listener = known["tcp"]["listener"]
    one = rows(report, protocol="tcp", state="LISTEN")
    equal("listeners", [(r["local"], r["peer"], r["rx_queue"], r["tx_queue"]) for r in one], [(listener, "-", 2, limit)])
    clients = rows(report, protocol="tcp", peer=listener)
    equal("clients", {r["state"]: r["count"] for r in clients}, {"ESTAB": 7})
    served = rows(report, protocol="tcp", local=listener, state="ESTAB")
    equal("accepted", total(served, "count"), 5)
    equal("unread bytes", total(served, "rx_queue"), 15000)
    equal("forgotten", total(rows(report, protocol="tcp", state="CLOSE-WAIT"), "count"), 1)
    equal("over IPv6", total(rows(report, protocol="tcp6", state="ESTAB"), "count"), 2)
    equal("its listener", [r["local"] for r in rows(report, protocol="tcp6", state="LISTEN")], [known["tcp"]["six"]])
    equal("unconnected", [r["local"] for r in rows(report, protocol="udp", state="UNCONN")], [known["udp"]])
    equal("connected", [r["peer"] for r in rows(report, protocol="udp", state="ESTAB")], [known["udp"]])
    equal("unix server", [r["local"] for r in rows(report, protocol="unix", state="LISTEN")], [known["unix"]])
    equal("neither bound nor connected", report["sockets_unknown"], 1)
    equal("all of them", total(report["sockets"], "count"), sum(known["kinds"].get(k, 0) for k in (
        "tcp", "tcp6", "udp", "unix", "netlink")))


@test
def peers_states_and_queues():
    with holder("all") as target:
        report, known = ullage_json("fds", target.pid), target.known()
        check_sockets(report, known)
        equal("unix clients", [r["count"] for r in rows(report, protocol="unix", peer=known["unix"])], [3])
        equal("unread of unix", total(rows(report, protocol="unix", local=known["unix"], state="ESTAB"), "rx_queue"), 12000)
        known_memory = [r["skmem_bytes"] for r in report["sockets"] if r["skmem_bytes"] is not None]
        equal("sum of memory", report["socket_kernel_bytes"], sum(known_memory))


@test
def memory_is_what_ss_shows():
    if not shutil.which("ss"):
        skip("no ss here")
    with holder("all") as target:
        truth = {}
        for line in run(["ss", "-Htunaxmp"]).out.replace("\n\t", " ").splitlines():
            if f"pid={target.pid}," in line:
                memory = {k: int(v) for k, v in re.findall(r"[(,]([a-z]+)(\d+)", re.search(r"skmem:(\(.*?\))", line)[1])}
                protocol = line.split()[0]
                charged = memory["r"] + max(memory["t"], memory["w"]) + memory["f"] + memory["o"] + memory["bl"]
                truth[protocol] = truth.get(protocol, 0) + charged
        report = ullage_json("fds", target.pid)
        ours = {"tcp": total([r for r in report["sockets"] if r["protocol"] in ("tcp", "tcp6") and r["state"] != "unknown"],
                             "skmem_bytes"),
                "udp": total(rows(report, protocol="udp"), "skmem_bytes"),
                "u_str": total([r for r in rows(report, protocol="unix") if not (r["local"] or "").startswith("@")],
                               "skmem_bytes")}
        for protocol, measured in ours.items():
            equal(f"memory of {protocol}", measured, truth[protocol])
            figure("socket memory, bytes", protocol, "ullage and ss", measured)
        check(ours["tcp"] > 15000 and ours["u_str"] > 12000, f"too little: {ours}")


@test(each=["1.19", "1.27"])
def a_go_service(version):
    with go_target(version, "stripped", "-n", 40, "-forgotten", 25, program="fds") as target:
        report, known = ullage_json("fds", target.pid), target.known()
        equal("total", report["total"], len(os.listdir(f"/proc/{target.pid}/fd")))
        equal("forgotten", total(rows(report, state="CLOSE-WAIT"), "count"), known["forgotten"])
        equal("clients", total(rows(report, peer=known["listener"], state="ESTAB"), "count"), known["clients"])
        served = rows(report, local=known["listener"], state="ESTAB")
        equal("served", total(served, "count"), known["servers"] - known["forgotten"])
        equal("unread", total(served, "rx_queue"), known["unread"])
        listening = rows(report, state="LISTEN")
        equal("listener", [r["local"] for r in listening], [known["listener"]])
        figure("protocol of a listener", "go", version, listening[0]["protocol"])
        equal("unknown", report["sockets_unknown"], 0)
        equal("epoll instances", len(report["epoll"]), 1)
        # its own sockets, and the descriptor that wakes it: a pipe up to Go 1.20, an eventfd since
        equal("watched", report["epoll"][0]["watched"], known["clients"] + known["servers"] + 2)


# ---- elsewhere -----------------------------------------------------------------------------------

def in_own_namespace():
    root_only()
    if not shutil.which("ip"):
        skip("no ip here")
    return holder("all", wrapper=IN_OWN_NAMESPACE)


@test
def another_network_namespace():
    with in_own_namespace() as target:
        check(os.stat(f"/proc/{target.pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino, "the same namespace")
        report, known = ullage_json("fds", target.pid), target.known()
        check_sockets(report, known)
        within("socket memory", report["socket_kernel_bytes"], 15000 + 12000, 200000)


@test
def another_network_namespace_without_the_right_to_enter_it():
    with in_own_namespace() as target:
        result = run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", ULLAGE, "fds", target.pid, "--json"])
        equal("status", result.status, 0)
        report = json.loads(result.out)
        check_sockets(report, target.known(), limit=None)
        equal("socket memory", report["socket_kernel_bytes"], None)
        check(all(r["skmem_bytes"] is None for r in report["sockets"]), "memory is told")
        check(any("CAP_SYS_ADMIN" in note for note in report["notes"]), f"no note says why: {report['notes']}")


@test
def another_users_process_is_status_4():
    root_only()
    with holder("all") as target:
        result = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
                      "--inh-caps=-all", public_copy(ULLAGE), "fds", target.pid])
        equal("status", result.status, 4)
        one_sentence(result.err)
        check("CAP_SYS_PTRACE" in result.err, f"does not name the capability: {result.err}")


@test
def a_process_that_is_gone():
    process = subprocess.Popen(["true"])
    process.wait()
    one_sentence(ullage("fds", process.pid, expect=3).err)


# ---- many -----------------------------------------------------------------------------------------

@test
def as_many_as_the_limit_allows():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    number = min(hard - 100, 50000)
    with subprocess.Popen(["sh", "-c", f'ulimit -n {min(hard, 60000)}; exec "$@"', "sh", sys.executable, HOLDER, "many",
                           str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as process:
        at_end(process.kill)
        check(process.stdout.readline().startswith("ready"), "it did not start")
        before = os.times()
        report = ullage_json("fds", process.pid)
        after = os.times()
        equal("total", report["total"], len(os.listdir(f"/proc/{process.pid}/fd")))
        kinds = by_kind(report)
        equal("pipes and sockets", kinds["pipe"], kinds["unix"] + 2)  # and its standard input and output
        cpu = after.children_user - before.children_user + after.children_system - before.children_system
        figure("cost", f"{report['total']} descriptors", "CPU us each", cpu * 1e6 / report["total"])
        process.kill()


@test
def a_process_that_opens_and_closes():
    script = "import os\nprint('ready', os.getpid(), flush=True)\nwhile True: os.close(os.open('/', os.O_RDONLY))\n"
    with Target([sys.executable, "-c", script]) as target:
        for _ in range(20):
            within("total", ullage_json("fds", target.pid)["total"], 3, 4)


# ---- cgroups --------------------------------------------------------------------------------------

@test(each=["lives", "open"])
def cgroups_left_behind(how):
    fds_cases.cgroups_left_behind(how)


# ---- files ----------------------------------------------------------------------------------------

@test
def a_snapshot_has_the_same():
    with holder("all") as target, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "one")
        ullage("snap", target.pid, "-o", path)
        live, saved = ullage_json("fds", target.pid, "--list"), ullage_json("fds", path, "--list")
        for report in live, saved:
            del report["time"], report["notes"]
        equal("report", saved, live)
