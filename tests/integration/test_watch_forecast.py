# SPDX-License-Identifier: Apache-2.0
"""`ullage watch` sees a kill for lack of memory coming, and raises nothing for programs that settle: bench/watch_forecast runs more."""
from climbs import climbs, watch_climbs
from watching import *

LEAKING = ["line-64-20-1.19", "line-64-20-1.27", "line-garbage-64-20", "mmap-64-20", "malloc-64-20", "goroutines-64-20"]
HARMLESS = ["fill-64-0.25-2", "warm-64-0.25-2", "slower-64-10", "teeth-64-4", "burst-64-1", "garbage-64-8", "cache-64"]
NEAR = "near-64-25"
SECONDS = 45


@test(timeout=240, tries=2, alone=True)
def kills_are_foreseen_and_nothing_else():
    runs = {name: {**climbs()[name], "seconds": SECONDS} for name in [*LEAKING, *HARMLESS, NEAR]}
    for run in runs.values():
        build(run["version"], run["variant"], "climb")
    with Daemon() as daemon:
        done = {c.name: c for c in watch_climbs(daemon, runs)}
    for name in LEAKING:
        climb = done[name]
        check(climb.life() is not None, f"{name} was not killed")
        figure("forecasts", name, "life s", climb.life())
        figure("forecasts", name, "lead, of what is asked", climb.lead() / climb.asked())
        figure("forecasts", name, "error of the time left", climb.error())
        check(climb.lead() >= 0.75 * climb.asked(), f"{name}: warned {climb.lead():.1f} s before its end, of {climb.life():.1f} s")
        check(climb.snapshot_before_the_end(), f"{name}: no snapshot before its end")
    for name in HARMLESS:
        equal(f"alarms of {name}", done[name].alarms(), 0)
    check(done[NEAR].alarms() > 0, "what stops near the limit raised nothing before it stopped")
    after = done[NEAR].withdrawn_after()
    check(after is not None and after < 15, f"withdrawn {after} s after it levelled off")
