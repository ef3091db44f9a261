# SPDX-License-Identifier: Apache-2.0
"""The flame graph page in a real browser."""
import os
import random
import tempfile

import pprofproto
from browser import Browser
from ullagetest import *

HEAP = (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes"))
MIB = 1 << 20


def page_of(samples):
    """Path of the page of a heap profile; samples are (functions from the innermost, bytes)."""
    directory = tempfile.mkdtemp(prefix="ullage-flame-")
    at_end(shutil.rmtree, directory, True)
    profile, page = os.path.join(directory, "heap.pb"), os.path.join(directory, "heap.html")
    with open(profile, "wb") as f:
        f.write(pprofproto.make(HEAP, [(stack, (1, size, 1, size)) for stack, size in samples]))
    ullage("heap", profile, "--flame", page)
    return page


def simple():
    return page_of([(["main.leaf", "main.work", "main.main"], 6 * MIB), (["main.other", "main.work", "main.main"], 2 * MIB),
                    (["net/http.(*conn).serve"], 2 * MIB)])


def healthy(browser):
    equal("errors of the page", browser.errors, [])
    equal("requests but for the page", [r for r in browser.requests if not r.endswith(".html")], [])


@test
def search_tells_what_matches():
    with Browser() as b:
        b.open(simple())
        for text, found in (("main.work", "1 function: 8.00 MiB, 80.0% of all"), ("^main\\.(leaf|other)$", "2 functions: 8.00 MiB, 80.0% of all"),
                            ("LEAF", "nothing matches"), ("conn", "1 function: 2.00 MiB, 20.0% of all"),
                            ("(*conn", "1 function: 2.00 MiB, 20.0% of all"), (".", "5 functions: 10.0 MiB, 100.0% of all")):
            b.keys("Escape", "/")
            b.run("document.getElementById('find').value = ''")
            b.keys(*text)
            equal(f"found for {text}", b.text("#found").replace("\u00a0", " "), found)
        b.keys("Escape")
        equal("after Escape", b.text("#found"), "")
        healthy(b)


@test
def keys_walk_and_zoom():
    with Browser() as b:
        b.open(simple())
        b.run("document.getElementById('flame').focus()")
        walk = [("ArrowDown", "main.main"), ("ArrowRight", "net/http.(*conn).serve"), ("ArrowLeft", "main.main"),
                ("ArrowDown", "main.work"), ("ArrowDown", "main.leaf"), ("ArrowRight", "main.other"), ("ArrowUp", "main.work")]
        for key, name in walk:
            b.keys(key)
            equal(f"after {key}", b.text("#status").split(":")[0], name)
        b.keys("Enter")
        equal("zoomed to", b.text("#crumbs b"), "main.work")
        b.keys("Backspace")
        equal("zoomed out to", b.text("#crumbs b"), "main.main")
        b.keys("Escape")
        equal("all again", b.text("#crumbs"), "all")
        check(b.run("document.getElementById('reset').disabled"), "nothing is left to reset")
        b.keys("i", "ArrowUp")  # the root is at the bottom: up leads away from it
        equal("upwards", b.text("#status").split(":")[0], "main.main")
        b.keys("?")
        check(b.run("document.getElementById('help').open"), "? shows no help")
        b.keys("Escape")
        check(not b.run("document.getElementById('help').open"), "Escape leaves the help open")
        b.keys("/", *"other", "Enter")
        equal("the match", b.text("#status").split(":")[0], "main.other")
        healthy(b)


@test
def a_click_zooms_and_the_pointer_is_told():
    with Browser() as b:
        b.open(simple())
        x, y, width, _ = b.box("#flame")
        row = lambda n: y + 19 * n + 9
        b.move(x + 10, row(1))
        tip = b.text("#tip").replace("\u00a0", " ")
        for part in ("main.main", "8.00 MiB", "80.0% of all", "/src/a.go"):
            check(part in tip, f"{part} is not in {tip!r}")
        b.move(x + .95 * width, row(1))
        check(b.text("#tip").startswith("net/http.(*conn).serve"), b.text("#tip"))
        b.click(x + .7 * width, row(3))
        equal("zoomed to", b.text("#crumbs b"), "main.other")
        b.click(x + 10, row(1))  # what stands above is at full width, and leads back
        equal("zoomed to", b.text("#crumbs b"), "main.main")
        b.run("document.querySelector('#crumbs button').click()")
        equal("zoomed to", b.text("#crumbs"), "all")
        b.run("[...document.querySelectorAll('#functions td button')].find((e) => e.textContent === 'main.other').click()")
        equal("shown", b.text("#status").split(":")[0], "main.other")
        healthy(b)


@test
def hostile_names_stay_text():
    names = ["</script><script>window.broken = 1</script>", "<img src=x onerror='window.broken=1'>", "\u202egnp.exe\x1b[31m",
             "\"];window.broken=1;[\"", "__proto__", "constructor", "a\u2028b", "]]>", "<!--", "x" * 20000, "{{7*7}}"]
    with Browser() as b:
        b.open(page_of([([name, "main.main"], MIB) for name in names] + [(names, MIB)]))
        equal("scripts of names", b.run("typeof window.broken"), "undefined")
        equal("elements made of names", b.run("document.querySelectorAll('main img, main script').length"), 0)
        equal("functions", b.run("document.querySelectorAll('#functions tbody tr').length"), len(names))
        check("\u202e" not in b.run("document.body.innerText"), "a name turns text around")
        x, y, _, _ = b.box("#flame")
        b.move(x + 10, y + 28)
        b.keys("/", *"img", "Enter", "Enter")
        check("onerror" in b.text("#crumbs b"), "the name is not shown as text")
        equal("still", b.run("typeof window.broken"), "undefined")
        healthy(b)


@test(alone=True)
def a_hundred_thousand_stacks():
    chance = random.Random(1)
    stacks, path = [], ["main.main"]
    for i in range(100000):
        path = path[:max(1, min(len(path), chance.randrange(30)))] + [f"example.org/m/p{chance.randrange(50)}.F{chance.randrange(3000)}"
                                                                     for _ in range(chance.randrange(1, 4))]
        stacks.append((path[::-1], 1000 + i))
    page = page_of(stacks)
    with Browser(dark=True) as b:
        start = time.monotonic()
        b.open(page)
        b.settle()
        load = time.monotonic() - start
        start = time.monotonic()
        b.keys("/", *"F12", "Enter")
        search = (time.monotonic() - start) / 6
        start = time.monotonic()
        b.keys("Enter")
        zoom = time.monotonic() - start
        check("functions:" in b.text("#found"), b.text("#found"))
        figure("100,000 stacks in a browser", f"{os.path.getsize(page) / MIB:.1f} MiB", "time",
               f"load {load:.2f} s, a key of the search {1000 * search:.0f} ms, zoom {1000 * zoom:.0f} ms")
        check(load < 30 and search < 5 and zoom < 5, "too slow to use")
        healthy(b)


@test
def the_account_of_a_process_is_a_flame_graph():
    directory = tempfile.mkdtemp(prefix="ullage-flame-")
    at_end(shutil.rmtree, directory, True)
    page = os.path.join(directory, "map.html")
    with go_target("1.24", "stripped", program="minimal") as target, Browser() as b:
        account = ullage_json("map", target.pid, "--flame", page)
        b.open(page)
        b.keys("/", *"^go\\.heap\\.live$")
        live = next(r["resident_bytes"] for r in account["classes"] if r["class"] == "go.heap.live")
        equal("live heap", b.run("profile.byName[data.names.indexOf('go.heap.live')].total"), live)
        equal("all", b.run("profile.now[0]"), account["rss_bytes"])
        check("1 function:" in b.text("#found"), b.text("#found"))
        healthy(b)

