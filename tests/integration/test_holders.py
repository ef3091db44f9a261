# SPDX-License-Identifier: Apache-2.0
"""Go's usual holders, told as themselves: as many as the target made, and no waste where there is none."""
from common import *

CASES = [(v, "stripped") for v in VERSIONS]
OLD_MAPS = [(v, "noswissmap") for v in ("1.24", "1.25")]
HEADERS = 22  # from this minor version on large objects with pointers carry their type


def holding(version, variant, *parts):
    """Every allocation is sampled where types of small objects come from samples alone."""
    rate = ["rate"] if int(version[2:]) < HEADERS else []
    return go_target(version, variant, *rate, *parts, program="holding")


def owners_of(target):
    return ullage_json("owners", target.pid, "--top", 1000)


def class_sizes():
    with open(os.path.join(ROOT, "src", "gort", "layouts.c"), encoding="utf-8") as f:
        text = re.search(r"gort_class_sizes\[[^]]*\] = \{(.*?)\}", f.read(), re.DOTALL).group(1)
    return [int(n) for n in re.findall(r"\d+", text)]


def slot(version, allocation):
    """Bytes that the allocator takes for it."""
    size = allocation["bytes"]
    large = int(version[2:]) >= HEADERS and allocation["scan"] and size > 512
    need = size + 8 if large else size
    if need > 32768:
        return -(-size // 8192) * 8192
    return min(s for s in class_sizes() if s >= need)


def map_bytes(version, known):
    return sum(slot(version, a) for a in known["allocations"])


def only(rows, **wanted):
    found = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
    equal(f"rows with {wanted}", len(found), 1)
    return found[0]


def largest(rows, name):
    return max((r for r in rows if r["type"] == name), key=lambda r: r["entries"])


def held_by(rows, words, **wanted):
    """The rows of a kind whose owner has these words."""
    return [r for r in rows if all(r[k] == v for k, v in wanted.items()) and words in (r["owner"] or "")]


@test(each=CASES + OLD_MAPS, timeout=120)
def maps_are_exact(version, variant):
    """Entries, capacity and bytes by the map's own words; and a rebuilt map gives back what was said."""
    with holding(version, variant, "maps") as target:
        known, found = target.known()["maps"], owners_of(target)["maps"]
        for name in ("map[int]*main.Item", "map[string]string"):
            row, truth = largest(found, name), known[name]
            equal(f"{name}: entries", row["entries"], truth["entries"])
            equal(f"{name}: capacity", row["capacity"], truth["capacity"])
            equal(f"{name}: bytes", row["bytes"], map_bytes(version, truth))
        before = largest(found, "map[int]*main.Item")
        equal("answer to rebuild", target.ask("rebuild"), "ok")
        after = largest(owners_of(target)["maps"], "map[int]*main.Item")
        equal("entries after", after["entries"], before["entries"])
        given = before["bytes"] - after["bytes"]
        figure("recoverable bytes against given back", version, variant,
               relative_error(before["recoverable_bytes"], given))
        close("recoverable", before["recoverable_bytes"], given, 0.02)
        check(after["recoverable_bytes"] < after["bytes"] * 0.2, f"a new map could give back: {after}")


@test(each=CASES + OLD_MAPS)
def small_maps_are_added_up(version, variant):
    with holding(version, variant, "smallmaps") as target:
        known = target.known()["smallmaps"]
        row = only(owners_of(target)["maps"], type="map[string]string", maps=known["maps"])
        equal("entries", row["entries"], 3 * known["maps"])
        equal("capacity", row["capacity"], 8 * known["maps"])
        equal("bytes", row["bytes"], known["maps"] * map_bytes(version, known["each"]))
        equal("recoverable", row["recoverable_bytes"], 0)


@test(each=CASES)
def what_pins_and_what_is_too_large_is_named(version, variant):
    """One of each may still be on a stack, where the function that made it left it, and is then in use."""
    with holding(version, variant, "slices", "strings", "interior", "maps") as target:
        known, waste = target.known(), owners_of(target)["waste"]
        slices, strings, interior = known["slices"], known["strings"], known["interior"]
        expected = [
            ("slice-capacity", "*main.Record", slices["arrays"], slices["bytes"] - slices["used"]),
            ("slice-pin", "*main.Tail", slices["arrays"], slices["tail_bytes"] - slices["tail_used"]),
            ("string-pin", "*main.Name", strings["strings"], strings["bytes"] - strings["used"]),
            ("interior-pin", "*main.Reference", interior["pointers"], interior["bytes"] - interior["used"]),
        ]
        for rule, holder, count, bytes_each in expected:
            rows = held_by(waste, holder, rule=rule)
            found = sum(r["count"] for r in rows)
            within(f"{rule}: count", found, count - 2, count)
            close(f"{rule}: bytes", sum(r["bytes"] for r in rows), found * bytes_each, 0.15)
        row = only(waste, rule="map-capacity")
        check(row["bytes"] > 2 << 20, f"only {row}")
        wrong = {w["rule"] for w in waste} - {"slice-capacity", "slice-pin", "string-pin", "interior-pin", "map-capacity"}
        equal("other waste", wrong, set())


@test(each=CASES)
def a_program_without_waste_is_told_none(version, variant):
    with holding(version, variant, "control=20000", "lists", "closures", "contexts") as target:
        equal("waste", owners_of(target)["waste"], [])


@test(each=CASES)
def sync_maps_and_pools(version, variant):
    with holding(version, variant, "syncmap", "pool") as target:
        known, holders = target.known(), owners_of(target)["holders"]
        rows = held_by(holders, "main.syncMap", kind="sync.Map")
        equal("entries", sorted(r["elements"] for r in rows), sorted([known["syncmap"]["server"],
                                                                      known["syncmap"]["shared"]]))
        deleted = f"{known['syncmap']['deleted']} that were deleted"
        equal("deleted ones told", any(deleted in r["text"] for r in rows), int(version[2:]) < 24)
        pool = only(held_by(holders, "main.pool"), kind="sync.Pool")
        equal("objects of the pool", pool["elements"], known["pool"]["objects"])
        equal("bytes of the pool", pool["bytes"], known["pool"]["objects"] * known["pool"]["size"])
        target.gc()
        gone = [r for r in held_by(owners_of(target)["holders"], "main.pool") if r["kind"] == "sync.Pool"]
        equal("the pool after two collections", gone, [])


@test(each=CASES)
def contexts_hang_on_their_parent(version, variant):
    with holding(version, variant, "contexts") as target:
        known = target.known()["contexts"]
        rows = [h for h in owners_of(target)["holders"] if h["kind"] == "context"]
        equal("children", sum(r["elements"] for r in rows if r["type"] == "context.cancelCtx"), known["children"])
        equal("contexts", sum(r["count"] for r in rows if r["type"] == "context.cancelCtx"),
              known["children"] - known["timers"] + 1)
        equal("timers", sum(r["count"] for r in rows if r["type"] == "context.timerCtx"), known["timers"])
        check(any(f"the most on one are {known['children']}" in r["text"] for r in rows), f"no parent in {rows}")
        check(any(f"chain of values is {known['depth']}" in r["text"] for r in rows), f"no chain in {rows}")


@test(each=CASES)
def closures_lists_and_timers(version, variant):
    with holding(version, variant, "rate", "closures", "lists", "timers") as target:
        known, holders = target.known(), owners_of(target)["holders"]
        closures = [h for h in holders if h["kind"] == "closure" and h["type"] == "func main.closures.func1"]
        equal("closures", sum(c["count"] for c in closures), known["closures"]["list"])
        check(all("main.Item" in c["text"] for c in closures), f"captures: {closures}")
        links = only(holders, kind="list", type="main.Link")
        equal("linked", links["elements"], known["lists"]["links"])
        lru = only(holders, kind="list", type="container/list.List")
        equal("elements of the list", lru["elements"], known["lists"]["lru"])
        equal("entries of the cache", only(holders, kind="cache")["elements"], known["lists"]["lru"])
        timers = [h for h in holders if h["kind"] == "timer" and "main.timers.func1" in (h["text"] or "")]
        equal("timers", sum(t["count"] for t in timers), known["timers"]["timers"])


@test(each=CASES)
def channels_and_who_waits(version, variant):
    with holding(version, variant, "channels") as target:
        known, holders = target.known()["channels"], owners_of(target)["holders"]
        items = [h for h in holders if h["type"] == "chan *main.Item"]
        equal("queued", sum(h["elements"] for h in items), known["items"] + 4)
        check(any(f"of {known['capacity']}, 0 goroutines" in h["text"] for h in items) or
              any(f"of {known['capacity'] + 4}, " in h["text"] for h in items), f"no capacity in {items}")
        check(any(f"{known['waiting']} goroutines waiting" in h["text"] for h in items), f"nobody waits: {items}")


@test(each=[("1.19", "cgo"), ("1.23", "cgopie"), ("1.27", "cgo")])
def handles_of_cgo(version, variant):
    with holding(version, variant, "handles") as target:
        row = only(owners_of(target)["holders"], kind="cgo.Handle")
        equal("handles", row["elements"], target.known()["handles"]["handles"])


@test(each=CASES + OLD_MAPS)
def iterations_under_way(version, variant):
    """By iterators that are alive on stacks; what a loop left behind is none."""
    with holding(version, variant, "iterators") as target:
        known, holders = target.known()["iterators"], owners_of(target)["holders"]
        found = {(r["type"], r["count"]) for r in holders if r["kind"] == "iterator"}
        truth = {("map[string]*main.Item", known["visit"]), ("iter.Pull", known["pull"])}
        equal("iterations", found, {t for t in truth if t[1]})


@test
def an_iteration_that_lasts_is_told_by_diagnose():
    with holding("1.24", "stripped", "iterators=1") as target:
        notes = ullage_json("diagnose", target.pid, "--for", "10s")["notes"]
    check(any("over map[string]*main.Item" in n and "has been under way for" in n for n in notes), f"{notes}")
    check(any("over iter.Pull has been" in n for n in notes), f"{notes}")
