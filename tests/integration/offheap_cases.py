# SPDX-License-Identifier: Apache-2.0
"""What the tests of diagnose off the heap share: leaks and look-alikes of tests/targets/sickc."""
import copy
import functools

from sick import *


def C(mode, *args, **keywords):
    """Sickc takes memory by C, so it is linked with libc."""
    return Case(mode, *args, program="sickc", variant="cgo", **keywords)


OFFHEAP_LEAKS = [
    Case("mmap", "-steps", 12, kind="mmap"),
    Case("malloc", "-steps", 60, kind="cgo", variant="cgo"),
    C("malloc", "-steps", 60, kind="cgo"),
    C("string", "-steps", 200, kind="cgo"),
    C("zlib", "-steps", 10, kind="cgo"),
    C("fast", "-steps", 100, "-block", 8 << 10, kind="cgo"),
    C("mmap", "-steps", 20, "-block", 64 << 10, kind="mmap"),
    C("cmmap", "-steps", 20, "-block", 64 << 10, kind="mmap"),
    C("untouched", "-steps", 20, "-block", MIB, kind="mmap"),
    C("filemap", "-steps", 40, "-block", 64 << 10, kind="mmap"),
    C("brk", "-steps", 40, "-block", 32 << 10, kind="mmap"),
    C("pthread", "-steps", 10, kind="thread"),
    C("unjoined", "-steps", 10, kind="thread"),
    C("virt", "-steps", 40, kind="goroutine", also=["cgo"]),
    C("bump", "-steps", 80, "-block", 32 << 10, kind="mmap"),
]

OFFHEAP_ALIKES = [
    C("freed", "-size", 60 * MIB, "-steps", 100, "-when", 300, explained=["returnable"]),
    C("cache", "-steps", 400, "-size", 8 * MIB, "-warm", "1s"),
    C("cache", "-steps", 300, "-size", 8 * MIB),
    C("cache", "-steps", 60, "-size", 512 * MIB, inconclusive=True),
    C("freeall", "-steps", 100),
    C("ring", "-steps", 100, "-size", 8 * MIB, "-block", 128 << 10),
    C("shm", "-steps", 50, "-block", 64 << 10, "-size", 512 * MIB, explained=["tmpfs"]),
    C("reserve", "-steps", 100, "-when", 200, "-size", 1 << 30),
    C("pool", "-steps", 30, "-size", 40),
    C("garbage", "-steps", 2000),
    C("handle", "-steps", 60, "-churn", 64 * MIB),
    C("idle"),
]


def of_version(case, version):
    """The same case, built with another version."""
    other = copy.copy(case)
    other.version = version
    return other


@functools.lru_cache(maxsize=None)
def why_not_recorded():
    """What diagnose says where nothing can be recorded; None: it can."""
    with go_target("1.24", "cgo", "-mode", "mmap", "-steps", 100, program="sickc") as target:
        verdict = ullage_json("diagnose", target.pid, "--for", "3s", expect=None)
    return None if verdict["record"] else verdict["unrecorded"] or "nothing was recorded"


def skip_without_probes():
    """Where nothing can be recorded the verdict is inconclusive by design."""
    if why_not_recorded():
        skip(why_not_recorded())
