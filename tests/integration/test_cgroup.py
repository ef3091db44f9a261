# SPDX-License-Identifier: Apache-2.0
"""The balance of the cgroup: v1 where the tests run, v2 in virtual machines with two kernels; there `watch` too."""
import atexit
import functools
import os
import re
import subprocess

import cgroup_cases
from account import *

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(HERE, "run")
# What runs with which kernel; vm_watch.py on 6.1 is a matter of matrix_vm.py.
IN_VM = {"6.1": [RUN, os.path.join(HERE, "vm_cgroup.py")],
         "6.12": [RUN, os.path.join(HERE, "vm_cgroup.py"), os.path.join(HERE, "vm_watch.py")]}


@test(each=[kind for kind, words in cgroup_cases.CAUSES.items() if words[0]], tries=2)
def balance_names_the_cause(kind):
    cgroup_cases.cause(kind)


@test
def limit_of_an_ancestor():
    cgroup_cases.limit_of_an_ancestor()


@test
def an_out_of_memory_kill_is_counted():
    cgroup_cases.an_out_of_memory_kill_is_counted()


@functools.lru_cache(None)
def machines():
    """Both boot at once; they spend half of their time waiting for the kernel's counts to settle."""
    for version in ("1.19", "1.24", "1.27"):
        build(version, "cgopie")
    for program in ("cgcause", "pagecache", "threads"):
        build("c", "plain", program)
    cgroup_cases.file_to_read()
    argv = [os.path.join(ROOT, "tests", "vm", "run"), "-m", "1024", "-s", "256", "-d", "512", "-t", "1000", "-k"]
    started = {k: subprocess.Popen([*argv, k, "--", *IN_VM[k], "--slow", "8"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for k in IN_VM}
    for machine in started.values():
        atexit.register(machine.terminate)
    return started


@functools.lru_cache(None)
def results(kernel):
    """What the tests in vm_cgroup.py said in one machine, by name."""
    text = machines()[kernel].communicate(timeout=1000)[0]
    finished = re.search(r"^\d+ passed, \d+ failed, \d+ skipped$", text, re.M)
    check(finished, f"the machine did not finish: {text[-2000:]}")
    return {name: (outcome, rest) for outcome, name, rest in re.findall(r"^(ok|FAIL|skip) (\S+) (.*)$", text, re.M)}


@test(each=[(k, name) for k in IN_VM for name in run([*IN_VM[k], "--list"]).out.split()], timeout=1020)
def in_a_machine_with_cgroup_v2(kernel, name):
    outcome, text = results(kernel)[name]
    check(outcome == "ok", f"{outcome} in the machine: {text}")
