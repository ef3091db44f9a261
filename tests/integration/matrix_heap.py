# SPDX-License-Identifier: Apache-2.0
"""The heap profile of every Go version in every variant is the program's own, bucket by bucket."""
from idle import has_variant
from heap_cases import *


@test(each=[(v, k) for v in VERSIONS for k in VARIANTS if has_variant(v, k)])
def heap_profile(version, variant):
    for rate in 1, 4096:
        with start(version, variant, "-profrate", rate, "-stacks", 256) as target:
            n = check_identical(f"rate {rate}", target, rate)
            figure("buckets with identical values", f"go{version} {variant}", f"rate {rate}", n)
