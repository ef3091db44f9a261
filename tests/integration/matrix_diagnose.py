# SPDX-License-Identifier: Apache-2.0
"""diagnose over every Go version: all leaks once, all look-alikes several times."""
from sick import *


@test(each=VERSIONS, timeout=600)
def every_leak_is_named(version):
    together(LEAKS, version, "6s")


@test(each=[(v, n) for v in VERSIONS for n in (1, 2, 3)], timeout=600)
def no_look_alike_is_accused(version, _try):
    together(ALIKES, version, "6s")


@test(each=PROGRAMS, timeout=120)
def real_programs_do_not_leak(name):
    """At rest and while they answer requests: a verdict of leak would be wrong."""
    with program(name) as target:
        rest = ullage_json("diagnose", target.pid, "--for", "15s", expect=None)
        check(rest["verdict"] != "leak", f"at rest: {rest['findings']}")
        if not target.pprof:
            return
        stop = time.monotonic() + 17
        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            load = workers.submit(lambda: [target.fetch("heap?debug=1") for _ in iter(lambda: time.monotonic() < stop, False)])
            busy = ullage_json("diagnose", target.pid, "--for", "15s", expect=None)
            load.result()
        check(busy["verdict"] != "leak", f"under load: {busy['findings']}")
