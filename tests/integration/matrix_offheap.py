# SPDX-License-Identifier: Apache-2.0
"""diagnose off the heap over every Go version: all leaks and all look-alikes, in short windows and in longer ones."""
from offheap_cases import *


@test(each=[(v, w) for v in VERSIONS for w in ("8s", "20s")], timeout=600)
def every_leak_outside_of_the_go_heap_is_named(version, window):
    skip_without_probes()
    together(OFFHEAP_LEAKS, version, window, 7)


@test(each=[(v, n) for v in VERSIONS for n in (1, 2)], timeout=600)
def no_look_alike_outside_of_the_go_heap_is_accused(version, _try):
    skip_without_probes()
    together(OFFHEAP_ALIKES, version, "8s", 6)
