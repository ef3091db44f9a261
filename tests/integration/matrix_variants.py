# SPDX-License-Identifier: Apache-2.0
"""Every Go version in every variant, idle; `make matrix`."""
from idle import *


@test(each=[(v, k) for v in VERSIONS for k in VARIANTS if has_variant(v, k)])
def every_variant(version, variant):
    idle(version, variant)
