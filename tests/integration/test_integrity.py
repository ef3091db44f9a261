# SPDX-License-Identifier: Apache-2.0
"""What in a process is not what its files say: replaced binaries, changed code, foreign code, preloads."""
import os
import re
import shutil
import subprocess
import tempfile

from account import *

INJECTED = r"""
#include <sys/mman.h>
__attribute__((constructor)) static void start(void)
{
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*p = '\xc3';
}
"""


def library(source):
    directory = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, directory, True)
    path = os.path.join(directory, "injected.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, "-xc", "-"], input=source.encode(), check=True, timeout=60)
    return path


def function_address(version, name):
    """Of a plain build: not stripped, not PIE."""
    symbols = run(["nm", build(version, "plain")]).out
    return int(re.search(rf"^([0-9a-f]+) . {re.escape(name)}$", symbols, re.M).group(1), 16)


def poke(pid, address, code):
    """As a debugger does it: the page becomes a private copy."""
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as f:
        f.seek(address)
        f.write(code)


def check_still_right(account, version):
    check(account["go"]["version"].startswith(f"go{version}"), f"version {account['go']['version']}")
    check_complete(account)
    check_counters(account)


@test(each=[(v, how) for v in ("1.19", "1.27") for how in ("renamed over", "deleted", "changed name")])
def binary_on_disk(version, how):
    path = public_copy(build(version, "cgopie"))
    other = public_copy(build("1.23", "stripped"))
    with Target([path, "-heap", 8 << 20]) as target:
        wait_until_idle(target)
        before = ullage_json("map", target.pid)
        equal("before", before["integrity"]["exe_matches_disk"], True)
        if how == "renamed over":
            os.rename(other, path)
        elif how == "deleted":
            os.unlink(path)
        else:
            os.rename(path, path + ".old")
            os.rename(other, path)
        account = ullage_json("map", target.pid)
        check_still_right(account, version)
        equal("build id", account["go"]["build_id"], before["go"]["build_id"])
        equal("rss", account["rss_bytes"], before["rss_bytes"])
        if how != "changed name":  # the kernel follows a file that moves
            equal("exe_matches_disk", account["integrity"]["exe_matches_disk"], False)


@test(each=["1.19", "1.27"])
def breakpoints_are_probes(version):
    with go_target(version, "plain", "-heap", 8 << 20) as target:
        address = function_address(version, "main.freeHalf")
        for offset in (0, 16, 40):
            poke(target.pid, address + offset, b"\xcc")
        account = ullage_json("map", target.pid)
        equal("probes", account["integrity"]["probes"], 3)
        equal("changed text", account["integrity"]["text_modified_bytes"], 0)
        check_still_right(account, version)


@test(each=["1.19", "1.27"])
def other_code_is_told(version):
    with go_target(version, "plain", "-heap", 8 << 20) as target:
        poke(target.pid, function_address(version, "main.freeHalf"), b"\x31\xc0\xc3\x31\xc0\xc3")
        account = ullage_json("map", target.pid)
        equal("changed text", account["integrity"]["text_modified_bytes"], 4096)
        check_still_right(account, version)


@test
def a_page_written_with_what_was_there_is_not_changed():
    with go_target("1.24", "plain", "-heap", 8 << 20) as target:
        address = function_address("1.24", "main.freeHalf")
        with open(f"/proc/{target.pid}/mem", "rb", buffering=0) as f:
            f.seek(address)
            code = f.read(16)
        poke(target.pid, address, code)
        integrity = ullage_json("map", target.pid)["integrity"]
        equal("probes and changes", (integrity["probes"], integrity["text_modified_bytes"]), (0, 0))


@test
def a_preload_and_its_foreign_code():
    with go_target("1.24", "cgo", "-heap", 8 << 20) as target:
        integrity = ullage_json("map", target.pid)["integrity"]
        equal("without", (integrity["foreign_exec_mappings"], integrity["preloaded"]), ([], []))
    injected = library(INJECTED)
    with go_target("1.24", "cgo", "-heap", 8 << 20, env={**os.environ, "LD_PRELOAD": injected}) as target:
        account = ullage_json("map", target.pid)
        equal("preloaded", account["integrity"]["preloaded"], [injected])
        equal("foreign executable mappings", len(account["integrity"]["foreign_exec_mappings"]), 1)
        check_still_right(account, "1.24")


@test
def a_preload_that_does_nothing_here():
    """A static program is not touched by LD_PRELOAD, so it is not told of."""
    with go_target("1.24", "stripped", env={**os.environ, "LD_PRELOAD": library(INJECTED)}) as target:
        equal("preloaded", ullage_json("map", target.pid)["integrity"]["preloaded"], [])
