# SPDX-License-Identifier: Apache-2.0
"""diagnose: each leak by its right name and line, and none of what only looks like one."""
from sick import *


@test(each=["1.24"], timeout=300)
def leaks_are_named(version):
    together(LEAKS, version, "6s")


@test(each=["1.24"], timeout=300)
def look_alikes_are_not_accused(version):
    together(ALIKES, version, "6s")
