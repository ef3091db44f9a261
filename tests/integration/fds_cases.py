# SPDX-License-Identifier: Apache-2.0
"""Cgroups left behind, for v1 where the tests run and v2 in a virtual machine."""
import os
import shutil
import sys

from common import *

HOLDER = os.path.join(TARGETS, "fds.py")
JOBS = 12


def remove_cgroups(path):
    for directory, _, _ in os.walk(path, topdown=False):
        if directory != path:
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def end(process):
    process.kill()
    process.wait()


def cgroups_left_behind(how):
    """A program makes cgroups, its children write a file each and end; one more cgroup has a process."""
    files = tempfile.mkdtemp(dir="/dev/shm")  # tmpfs: the charge stays with the file
    at_end(shutil.rmtree, files, True)
    group = Cgroup()
    at_end(remove_cgroups, group.path)
    os.mkdir(group.path + "/in-use")
    if group.version == 2:
        group.write("cgroup.subtree_control", "+memory")
    lives = subprocess.Popen(["sleep", "600"])
    at_end(end, lives)
    group.write("in-use/cgroup.procs", lives.pid)
    holder = [sys.executable, HOLDER, "cgroups", group.path, JOBS, how]
    target = Target(holder, env={**os.environ, "FDS_FILES": files})
    left = ullage_json("fds", target.pid)["cgroups"]
    equal("left", {os.path.basename(r["path"]) for r in left["list"]}, {f"job-{i}" for i in range(JOBS)})
    equal("count", left["left"], JOBS)
    charged = [r["charged_bytes"] for r in left["list"]]
    within("the least of them", min(charged), 1 << 20, 3 << 20)
    within("age", left["oldest_seconds"], 0, 600)
    equal("sum", left["charged_bytes"], sum(charged))
    figure("cgroups left, MiB charged", f"v{group.version}", how, left["charged_bytes"] / (1 << 20))
    check("Cgroups left behind" in ullage("fds", target.pid).out, "the text does not tell them")
