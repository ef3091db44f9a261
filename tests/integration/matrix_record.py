# SPDX-License-Identifier: Apache-2.0
"""Memory outside the Go heap of every Go version, stripped or not, by call path against the truth."""
from record_cases import *


@test(each=[(v, k) for v in VERSIONS for k in ("cgo", "cgopie", "cgostatic")])
def every_call_path_is_exact(version, variant):
    with go_target(version, variant, *ALL, program="offheap") as target:
        truth, record = record_of(target, "--budget", "100")
        check_truth(record, truth)
        short = record["stacks_cut"]
        figure("call paths", f"go{version}", f"{variant}: in the truth", len(truth))
        figure("call paths", f"go{version}", f"{variant}: frames unknown", short)


@test(each=[(v, k) for v in VERSIONS for k in ("cgo", "cgopie")])
def an_interval_holds_the_truth_of_a_million_calls_a_second(version, variant):
    with go_target(version, variant, "flood", program="offheap") as target:
        truth, record = record_of(target, seconds=5)
        rows = rows_of(record, truth[0])
        low, high = total(rows, "low_bytes"), total(rows, "high_bytes")
        within("truth", truth[0]["bytes"], low, high)
        figure("low and high over the truth", f"go{version}", f"{variant} low", low / truth[0]["bytes"])
        figure("low and high over the truth", f"go{version}", f"{variant} high", high / truth[0]["bytes"])


@test(each=[(v, c) for v in VERSIONS for c in ("free", "free-fast")])
def what_is_freed_is_not_blamed(version, case):
    with go_target(version, "cgo", case, program="offheap") as target:
        _, record = record_of(target, seconds=3 if case == "free-fast" else 0)
        equal("low_bytes", sum(r["low_bytes"] for r in record["outstanding"] if r["kind"] == "malloc" and site_of(r)), 0)
