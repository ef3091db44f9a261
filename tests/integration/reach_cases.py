# SPDX-License-Identifier: Apache-2.0
"""What is reachable, against what the collector itself marked.

The collector counts an object with a finalizer twice, once as what it scans from and once as what it marks: that is what
is missing from reachable bytes here, some bytes a megabyte.
"""
from account import *

EXACT, SLACK = 0.0005, 64 << 10  # the larger of a share of the heap and some bytes, which the target has used since


def owners_of(target, *options):
    return ullage_json("owners", target.pid, *options)


def check_reach(seen, label, share=EXACT, slack=SLACK):
    marked, reachable = seen["heap_marked_bytes"], seen["reachable_bytes"]
    figure("reachable less marked, bytes", label, "", reachable - marked)
    check(abs(reachable - marked) <= max(marked * share, slack), f"{reachable} bytes are reachable, {marked} were marked")
    equal("inconsistencies", seen["inconsistencies"], 0)


def after_a_collection(version, variant, *args, program="web", timeout=60):
    """Right after two collections, with the collector off, so that nothing but the answer was allocated since."""
    with go_target(version, variant, *args, program=program, ready_timeout=timeout) as target:
        check_reach(owners_of(target), f"{version} {variant} {' '.join(map(str, args))}")
