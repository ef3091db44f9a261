#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fds.py - a process that holds known descriptors: "ready PID", then what it holds as JSON for each line.

    fds.py all             a few of each kind
    fds.py many N          N descriptors of four kinds
    fds.py cgroups DIR N open|lives   N cgroups below DIR, left charged
"""
import collections
import json
import os
import select
import socket
import sys
import tempfile
import time

held, known = [], {}


def keep(*things):
    held.extend(things)
    return things[0]


def tcp():
    listener = keep(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(7)
    for i in range(6):
        client = keep(socket.create_connection(listener.getsockname()))
        keep(listener.accept()[0])
        if i < 3:
            client.sendall(b"x" * 5000)
        elif i == 3:
            client.close()
    for _ in range(2):  # not accepted
        keep(socket.create_connection(listener.getsockname()))
    six = keep(socket.socket(socket.AF_INET6))
    six.bind(("::1", 0))
    six.listen(3)
    keep(socket.create_connection(six.getsockname()[:2]), six.accept()[0])
    time.sleep(0.1)
    known["tcp"] = {"listener": "%s:%d" % listener.getsockname(), "six": "[::1]:%d" % six.getsockname()[1]}


def others(path):
    listener = keep(socket.socket(socket.AF_UNIX))
    listener.bind(path)
    listener.listen()
    for _ in range(3):
        client = keep(socket.socket(socket.AF_UNIX))
        client.connect(path)
        keep(listener.accept()[0])
        client.sendall(b"y" * 4000)
    keep(*socket.socketpair())
    abstract = keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    abstract.bind("\0ullage-test-%d" % os.getpid())
    datagram = keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    datagram.bind(("127.0.0.1", 0))
    connected = keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    connected.connect(datagram.getsockname())
    connected.send(b"z" * 100)
    netlink = keep(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
    netlink.bind((0, 0))
    keep(socket.socket())  # neither bound nor connected
    known["udp"] = "%s:%d" % datagram.getsockname()
    known["unix"] = path


def files(directory):
    removed = keep(tempfile.TemporaryFile(dir=directory))
    removed.write(b"r" * 300000)
    removed.flush()
    keep(os.dup(removed.fileno()))
    linked = os.path.join(directory, "linked")
    two_names = keep(open(linked, "wb"))
    two_names.write(b"l" * 100000)
    two_names.flush()
    os.link(linked, linked + "2 (deleted)")
    os.unlink(linked)
    keep(open(os.path.join(directory, "not (deleted)"), "wb"), os.open(directory, os.O_RDONLY))
    memory = keep(os.memfd_create("memory"))
    os.write(memory, b"m" * 50000)
    known["deleted_files_bytes"] = os.fstat(removed.fileno()).st_blocks * 512
    known["memfd_bytes"] = os.fstat(memory).st_blocks * 512


def special():
    watching = keep(select.epoll())
    for sock in [h for h in held if isinstance(h, socket.socket) and h.fileno() >= 0][:9]:
        watching.register(sock.fileno(), select.EPOLLIN)
    keep(select.epoll())
    keep(*os.pipe())
    keep(os.eventfd(0)) if hasattr(os, "eventfd") else None
    keep(os.pidfd_open(os.getpid()), os.open("/dev/null", os.O_RDONLY), os.open("/proc/self/ns/net", os.O_RDONLY))
    known["epoll"] = {str(watching.fileno()): 9, str(held[held.index(watching) + 1].fileno()): 0}


def count_kinds():
    """By another way than links: the type of the file, the family of the socket."""
    names = {socket.AF_INET: "", socket.AF_INET6: "6"}
    kinds = collections.Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            continue  # the directory that was listed
        if link.startswith("socket:"):
            with socket.socket(fileno=os.dup(int(name))) as sock:
                kinds[{socket.AF_UNIX: "unix", socket.AF_NETLINK: "netlink"}.get(sock.family) or
                      ("udp" if sock.type == socket.SOCK_DGRAM else "tcp") + names[sock.family]] += 1
        elif link.startswith("/"):
            mode = os.stat("/proc/self/fd/" + name).st_mode
            kinds["memfd" if link.startswith("/memfd:") else
                  {0o04: "directory", 0o02: "device", 0o06: "device", 0o01: "fifo"}.get(mode >> 12, "file")] += 1
        else:
            word = link.removeprefix("anon_inode:").strip("[]").split(":")[0]
            kinds[{"eventpoll": "epoll", "net": "namespace"}.get(word, word)] += 1
    known["kinds"] = kinds


def many(n):
    while len(held) < n:
        keep(os.open("/etc/passwd", os.O_RDONLY), *os.pipe(), *socket.socketpair())


def cgroups(directory, n, how):
    os.makedirs(directory, exist_ok=True)
    if how == "open":
        keep(os.open(directory, os.O_RDONLY))
    elif os.path.exists(directory + "/cgroup.controllers"):  # v2: processes and controllers for others exclude each other
        os.mkdir(directory + "/self")
        enter(directory + "/self")
    else:
        enter(directory)
    for i in range(n):
        job = f"{directory}/job-{i}"
        os.mkdir(job)
        child = os.fork()
        if child == 0:
            enter(job)
            with open(f"{known['files']}/{i}", "wb") as f:
                f.write(b"p" * (1 << 20))
            os._exit(0)
        os.waitpid(child, 0)


def enter(directory):
    with open(directory + "/cgroup.procs", "w", encoding="ascii") as f:
        f.write("0")


with tempfile.TemporaryDirectory(dir=os.environ.get("FDS_FILES")) as place:
    known["files"] = place
    if sys.argv[1] == "all":
        tcp()
        others(os.path.join(place, "socket"))
        files(place)
        special()
    elif sys.argv[1] == "many":
        many(int(sys.argv[2]))
    else:
        cgroups(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    count_kinds()
    print("ready", os.getpid(), flush=True)
    for _ in sys.stdin:
        print(json.dumps(known), flush=True)
