# SPDX-License-Identifier: Apache-2.0
"""Reachable bytes against heapMarked for every Go version in every variant, and heaps from 1 MB to 8 GiB; `make matrix`."""
from idle import has_variant
from reach_cases import *

NODE = 343  # bytes of a node of hp


def available():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("MemAvailable"))


@test(each=[(v, k) for v in VERSIONS for k in [*VARIANTS, "arenas"] if has_variant(v, k)])
def every_variant(version, variant):
    after_a_collection(version, variant, "-heap", 16 << 20)


@test(each=[(v, 1 << n) for v in VERSIONS for n in (20, 24, 28, 30)], timeout=600)
def heaps_of_all_shapes(version, size):
    after_a_collection(version, "stripped", "-heap", size, timeout=300)


@test(each=["1.19", "1.21", "1.24", "1.27"], timeout=1800)
def a_heap_of_eight_gibibytes(version):
    if available() < 18 << 30:
        skip("less than 18 GiB of memory are available")
    after_a_collection(version, "stripped", "-nodes", (8 << 30) // NODE, program="hp", timeout=900)
