# SPDX-License-Identifier: Apache-2.0
"""The C heap, against what the target's own mallinfo2() says and what it knows that it holds."""
import os

from account import *

LIBRARY = "libc-2.41"


def start(libc, *args, program="cheap"):
    """The target under that C library: the system's own, linked statically, or an unpacked one."""
    path = build("c", "static" if libc == "static" else "plain", program)
    if libc in ("own", "static"):
        return Target([path, *args])
    for below in ("lib", "usr/lib"):
        directory = os.path.join(CACHE, "programs", libc, below, "x86_64-linux-gnu")
        loader = os.path.join(directory, "ld-linux-x86-64.so.2")
        if os.path.exists(loader):
            return Target([loader, "--library-path", directory, path, *args])
    skip(f"{libc} is not here (tools/setup programs brings it)")


class Known:
    """What the target printed."""

    def __init__(self, line):
        (self.arena, _, self.blocks, self.block_bytes, self.used, self.free, self.fast, self.keep,
         self.live) = map(int, line.split()[1:])


def check_exact(account, known, threads):
    """To the byte. What threads have cached is in use for mallinfo2(), and free for us."""
    heap = account["c_heap"]
    check(heap["allocator"].startswith("glibc"), f"the allocator is {heap['allocator']}")
    equal("unknown", heap["unknown_bytes"], 0)
    equal("arena", heap["system_bytes"] - heap["mmapped_bytes"], known.arena)
    equal("fordblks", heap["free_bytes"] - heap["thread_cache_bytes"], known.free)
    equal("uordblks", heap["inuse_bytes"] - heap["mmapped_bytes"] + heap["thread_cache_bytes"], known.used)
    equal("hblks", heap["mmapped_blocks"], known.blocks)
    equal("hblkhd", heap["mmapped_bytes"], known.block_bytes)
    equal("in use, free, unknown", heap["inuse_bytes"] + heap["free_bytes"] + heap["unknown_bytes"],
          heap["system_bytes"])
    for part in ("system_bytes", "free_bytes", "thread_cache_bytes", "top_bytes"):
        own = heap["mmapped_bytes"] if part == "system_bytes" else 0
        equal(part + " of arenas", sum(a[part] for a in heap["arenas"]), heap[part] - own)
    equal("threads of arenas", sum(a["threads"] for a in heap["arenas"]), threads)
    # what the program holds, and malloc's records: of arenas, of caches, fence posts, rests of pages
    records = heap["inuse_bytes"] - known.live
    within("records", records, 0, 4096 * len(heap["arenas"]) + 1024 * threads + 8192 + 4096 * known.blocks)
    return heap


@test(each=[(libc, *case) for libc in ("own", "static", LIBRARY) for case in (
    ("mixed", 1), ("mixed", 8), ("small", 1), ("large", 4), ("trimmed", 1), ("nobrk", 1), ("block", 3),
    ("onearena", 4), ("aligned", 2))], timeout=60)
def exact_to_the_byte(libc, pattern, threads):
    with start(libc, pattern, threads) as target:
        account = ullage_json("map", target.pid)
        heap = check_exact(account, Known(target.ready), threads)
        account_adds_up(account)
        equal("unexplained", account["unexplained_bytes"], 0)
        resident = classes(account)
        check(resident["c.heap"] <= (16384 if libc == "static" else 0), f"{resident['c.heap']} bytes are not told")
        within("resident in use", resident["c.heap.inuse"], heap["inuse_bytes"] // 3, heap["inuse_bytes"])
        check(resident["c.heap.free"] <= heap["free_bytes"] + 4096 * 256, "more is free than there is")
        equal("arenas", len(heap["arenas"]), 1 if pattern == "onearena" else threads)


@test(timeout=60)
def memory_of_others_in_the_heap():
    """Somebody else moved the end of the heap eight times: that memory is not malloc's, and all around it is told."""
    with start("own", "sbrk", 1) as target:
        known = Known(target.ready)
        account = ullage_json("map", target.pid)
        heap = account["c_heap"]
        account_adds_up(account)
        equal("unknown", heap["unknown_bytes"], 8 * 5008)
        equal("arena", heap["system_bytes"], known.arena)
        equal("fordblks", heap["free_bytes"] - heap["thread_cache_bytes"], known.free)
        within("records", heap["inuse_bytes"] - known.live, 0, 4096)


@test(each=[("1.19", "cgo"), ("1.27", "cgopie")], timeout=60)
def go_with_c(version, variant):
    with go_target(version, variant, 4, program="cheap") as target:
        target.read_line()
        for _ in range(20):  # a thread of the runtime that begins meanwhile has blocks, or an arena, of its own
            before = target.ask("")
            account = ullage_json("map", target.pid)
            after = target.ask("")
            if before == after:
                break
        equal("what malloc says of itself", after, before)
    known, heap = Known(after), account["c_heap"]
    equal("arena", heap["system_bytes"] - heap["mmapped_bytes"], known.arena)
    equal("free", heap["free_bytes"] - heap["thread_cache_bytes"], known.free)
    equal("unknown", heap["unknown_bytes"], 0)
    equal("uordblks", heap["inuse_bytes"] - heap["mmapped_bytes"] + heap["thread_cache_bytes"], known.used)
    within("records", heap["inuse_bytes"] - known.live, 0, 64 << 10)
    check_complete(account)
    resident = classes(account)
    within("resident in use", resident["c.heap.inuse"], known.live // 2, heap["inuse_bytes"])
    equal("c.heap", resident["c.heap"], 0)


@test(each=[("own",), (LIBRARY,)], timeout=60)
def while_it_allocates(libc):
    """Its slots are filled within a moment, and stay so: what is in use is known within a few per cent."""
    with start(libc, "moving", 3) as target:
        known = Known(target.ready)
        time.sleep(1)
        worst = 0
        for _ in range(5):
            account = ullage_json("map", target.pid)
            check_moving(account)
            heap = account["c_heap"]
            equal("in use, free, unknown", heap["inuse_bytes"] + heap["free_bytes"] + heap["unknown_bytes"],
                  heap["system_bytes"])
            within("in use", heap["inuse_bytes"], int(known.live * 1.6), int(known.live * 2.6))
            check(heap["unknown_bytes"] <= heap["system_bytes"] / 50, f"{heap['unknown_bytes']} bytes fit no chunk")
            worst = max(worst, heap["unknown_bytes"] / heap["system_bytes"])
        figure("unknown while it allocates", libc, "of the heap", worst)


@test(each=[("own",), ("static",), (LIBRARY,)], timeout=60)
def stacks_of_ended_threads(libc):
    """Those that glibc keeps for the next thread are told from those of threads."""
    with start(libc, 6, 4, program="threads") as target:
        account = ullage_json("map", target.pid)
        account_adds_up(account)
        tids = {int(t) for t in os.listdir(f"/proc/{target.pid}/task")}
        named = {o.split()[1]: r for o, r in owners(account, "c.stack").items() if o.startswith("thread ")}
        equal("threads", {int(t) for t in named}, tids - {target.pid})
        for tid, resident in named.items():
            within(f"stack of {tid}", resident, 100000, 200000)
        within("stacks of ended threads", classes(account)["c.stack.cached"], 4 * 4096, 4 * 128 * 1024)


@test
def what_is_not_used_is_not_there():
    """Go without cgo has no C heap."""
    with go_target("1.27", "plain") as target:
        account = ullage_json("map", target.pid)
        equal("c_heap", account["c_heap"], None)
