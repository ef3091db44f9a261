# SPDX-License-Identifier: Apache-2.0
"""What test_cgroup.py runs in a virtual machine with one kernel, with the other one too: `ullage watch` on cgroup v2 of 6.1."""
import functools
import os
import re

from ullagetest import *

HERE = os.path.dirname(os.path.abspath(__file__))
IN_VM = [os.path.join(HERE, "run"), os.path.join(HERE, "vm_watch.py")]
MACHINE = ["-k", "6.1", "-m", "1024", "-s", "256", "-d", "512", "-t", "1000"]


@functools.lru_cache(None)
def results():
    for program in ("cgcause", "pagecache", "threads"):
        build("c", "plain", program)
    machine = run([os.path.join(ROOT, "tests", "vm", "run"), *MACHINE, "--", *IN_VM, "--slow", "8"], timeout=1000)
    return {name: (outcome, rest) for outcome, name, rest in re.findall(r"^(ok|FAIL|skip) (\S+) (.*)$", machine.out, re.M)}


@test(each=run([*IN_VM, "--list"]).out.split(), timeout=1020)
def in_a_machine_with_an_older_kernel(name):
    check(name in results(), "the machine did not finish")
    outcome, text = results()[name]
    check(outcome == "ok", f"{outcome} in the machine: {text}")
