# SPDX-License-Identifier: Apache-2.0
"""Every Go version in every variant, idle; `make matrix`."""
import test_exact
import ullagetest
from account import *

ullagetest._tests.clear()  # pylint: disable=protected-access # those of test_exact run with `make check`


@test(each=[(v, k) for v in VERSIONS for k in VARIANTS if test_exact.has_variant(v, k)])
def every_variant(version, variant):
    test_exact.idle(version, variant)
