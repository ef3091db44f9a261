# SPDX-License-Identifier: Apache-2.0
"""The balance of the cgroup: v1 where the tests run, v2 in virtual machines with two kernels."""
import functools
import os

import cgroup_cases
from account import *

HERE = os.path.dirname(os.path.abspath(__file__))
IN_VM = [os.path.join(HERE, "run"), os.path.join(HERE, "vm_cgroup.py")]
KERNELS = ["6.1", "6.12"]


@test(each=[kind for kind, words in cgroup_cases.CAUSES.items() if words[0]])
def balance_names_the_cause(kind):
    cgroup_cases.cause(kind)


@test
def limit_of_an_ancestor():
    cgroup_cases.limit_of_an_ancestor()


@test
def an_out_of_memory_kill_is_counted():
    cgroup_cases.an_out_of_memory_kill_is_counted()


@functools.lru_cache(None)
def results(kernel):
    """One boot: what the tests in vm_cgroup.py said, by name."""
    for variant, name in [("1.24", "truth"), ("1.19", "truth"), ("1.27", "truth")]:
        build(variant, "cgopie", name)
    build("c", "plain", "cgcause")
    done = run([os.path.join(ROOT, "tests", "vm", "run"), "-k", kernel, "-m", 1024, "-s", 256, "-t", 280, "--",
                *IN_VM, "--slow", 6], timeout=300)
    lines = re.findall(r"^(ok|FAIL|skip) (\S+) (.*)$", done.out, re.M)
    check(re.search(r"^\d+ passed, \d+ failed, \d+ skipped$", done.out, re.M),
          f"the machine did not finish: status {done.status}, {done.out[-1000:]} {done.err[-1000:]}")
    return {name: (outcome, text) for outcome, name, text in lines}


@test(each=[(k, name) for k in KERNELS for name in run([*IN_VM, "--list"]).out.split()], timeout=320)
def in_a_machine_with_cgroup_v2(kernel, name):
    outcome, text = results(kernel)[name]
    check(outcome == "ok", f"{outcome}: {text}")
    for table, row, column, value in re.findall(r"\{(.*?)\|(.*?)\|(.*?)\|(.*?)\}", text):
        figure(table, f"{row} on {kernel}", column, value)
