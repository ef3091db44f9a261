# SPDX-License-Identifier: Apache-2.0
"""Goroutines from what Go prints: every dialect of every version, cut or hostile, several files, and their hints."""
import http.server
import tempfile
import threading

from common import *

# What target stuck has, by the function that a goroutine is blocked in, but for main itself.
KNOWN = {"main.receive": ("chan receive", 150), "main.answer": ("chan send", 30), "main.worker": ("chan receive", 8),
         "main.(*store).get": ("lock", 5), "main.choose": ("select", 3), "main.labelled.func1": ("chan receive", 3),
         "main.rest": ("sleep", 2), "main.waitGroup": ("semaphore", 2), "main.locked": ("chan receive", 1),
         "main.nilChannel": ("chan receive (nil chan)", 1)}
TOTAL = sum(n for _, n in KNOWN.values()) + 1
REASONS = {"lock": {"semacquire", "sync.Mutex.Lock"}, "semaphore": {"semacquire", "sync.WaitGroup.Wait"}}
CRASHES = {"panic": "all", "fatal": "system", "nil": "crash", "quit": "crash"}


def directory():
    path = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, path, True)
    return path


def stuck(version, **env):
    return go_target(version, "plain", program="stuck", env={**os.environ, **env})


def blocked_in(group):
    """The function of ours, if any, that a group is blocked in."""
    return next((f["function"] for f in group["stack"] if f["function"] in KNOWN), None)


def check_known(name, result, reasons=True):
    """Every function has its goroutines, each in its state."""
    counts = {}
    for group in result["groups"]:
        function = blocked_in(group)
        if function is None:
            continue
        counts[function] = counts.get(function, 0) + group["count"]
        reason = KNOWN[function][0]
        if reasons:
            check(group["wait_reason"] in REASONS.get(reason, {reason}), f"{name}: {function} is in {group['wait_reason']}")
    equal(f"goroutines of {name}", counts, {f: n for f, (_, n) in KNOWN.items()})


def written(version):
    """A running target and the directory with its dumps."""
    target, path = stuck(version, GODEBUG="tracebacklabels=1"), directory()
    target.gc()
    equal("answer", target.ask(f"write {path}"), "ok")
    return target, path


def site_counts(result):
    """{(state, reason, creator, stack): count}, but for the goroutine that wrote the dump."""
    counts = {}
    for g in result["groups"]:
        stack = tuple((f["function"], f["line"], f["inlined"]) for f in g["stack"])
        created = g["created_by"] and (g["created_by"]["function"], g["created_by"]["line"])
        if "main.main" not in [f[0] for f in stack]:
            counts[(g["state"], g["wait_reason"], created, stack)] = g["count"]
    return counts


@test(each=VERSIONS)
def what_a_running_program_writes_is_what_it_has(version):
    target, path = written(version)
    for name, total, reasons in (("debug2.txt", TOTAL, True), ("debug1.txt", TOTAL, False), ("proto.pb.gz", TOTAL, False)):
        result = ullage_json("goroutines", f"{path}/{name}")
        equal(f"total of {name}", result["goroutines_total"], total)
        check_known(name, result, reasons)
        equal(f"notes on {name}", result["notes"], [])
    live, dump = (ullage_json("goroutines", x, "--group", "stack") for x in (target.pid, f"{path}/debug2.txt"))
    check_known("the live process", live)
    equal("total of the live process", live["goroutines_total"], TOTAL)
    equal("stacks live and in the dump", site_counts(live), site_counts(dump))


@test(each=["1.19", "1.26", "1.27"])
def labels_locks_and_parents_are_told(version):
    _, path = written(version)
    rows = ullage_json("goroutines", f"{path}/debug2.txt", "--group", "none")["groups"]
    equal("goroutines", len(rows), TOTAL)
    equal("ids", len({r["id"] for r in rows}), TOTAL)
    equal("locked", [blocked_in(r) for r in rows if "locked_to_thread" in r["flags"]], ["main.locked"])
    parents = {r["parent"] for r in rows if blocked_in(r)}
    equal("parents", parents, {None} if version == "1.19" else {1})
    profile = ullage_json("goroutines", f"{path}/debug1.txt", "--group", "stack")["groups"]
    equal("labels", [g["labels"] for g in profile if blocked_in(g) == "main.labelled.func1"], [{"job": "j7", "tenant": "t 42"}])
    if version != "1.19":
        labelled = [r["labels"] for r in rows if blocked_in(r) == "main.labelled.func1"]
        equal("labels in headers", labelled, [{"job": "j7", "tenant": "t 42"}] * 3)


@test(each=[(v, how) for v in ("1.19", "1.23", "1.27") for how in CRASHES])
def a_crash_shows_all_goroutines(version, how):
    target = stuck(version, GOTRACEBACK=CRASHES[how])
    if how == "quit":
        target.signal(signal.SIGQUIT)
    else:
        target.send(how)
    target.process.wait(30)
    path = os.path.join(directory(), "crash.log")
    with open(path, "w", encoding="utf-8") as f:
        f.write("2025-11-21 09:57:03 starting\n" + target.errors() + "\n")
    result = ullage_json("goroutines", path)
    check_known(how, result)
    equal("total", result["goroutines_total"], TOTAL)
    guilty = [g for g in result["groups"] if "panic" in g["flags"]]
    equal("the goroutine that crashed", len(guilty), 0 if how == "quit" else 1)


@test
def only_the_one_that_panicked_is_said_to_be():
    target = stuck("1.24", GOTRACEBACK="single")
    target.send("panic")
    target.process.wait(30)
    path = os.path.join(directory(), "crash.log")
    with open(path, "w", encoding="utf-8") as f:
        f.write(target.errors())
    result = ullage_json("goroutines", path)
    equal("total", result["goroutines_total"], 1)
    check(any("GOTRACEBACK=all" in n for n in result["notes"]), f"no note: {result['notes']}")


@test
def what_the_runtime_calls_leaked_is_said_to_be():
    target, path = written("1.27")
    equal("answer", target.ask(f"leaks {path}"), "ok")
    for name in ("leak-debug1.txt", "leak-proto.pb.gz", "leak-debug2.txt"):
        groups = ullage_json("goroutines", f"{path}/{name}")["groups"]
        leaked = {blocked_in(g): g["count"] for g in groups if "leaked" in g["flags"]}
        equal(f"leaked by {name}", leaked, {"main.receive": 150, "main.answer": 30, "main.nilChannel": 1})
        for g in groups:
            if blocked_in(g) in leaked:
                check("leaked" in [s["rule"] for s in g["suspicion"]], f"no hint for {blocked_in(g)} in {name}")


@test(each=["1.19", "1.24", "1.27"])
def hints_name_what_is_stuck_and_not_the_pool(version):
    target, path = written(version)
    expected = {"main.answer": "blocked-send", "main.nilChannel": "nil-channel", "main.(*store).get": "lock-abandoned"}
    for source in (target.pid, f"{path}/debug2.txt"):
        rules = {}
        for g in ullage_json("goroutines", source)["groups"]:
            rules.setdefault(blocked_in(g), set()).update(s["rule"] for s in g["suspicion"])
        for function, rule in expected.items():
            check(rule in rules[function], f"{source}: {function} has {rules[function]}, not {rule}")
        for function in ("main.worker", "main.choose", "main.rest", "main.waitGroup", "main.labelled.func1", None):
            equal(f"hints on {function} from {source}", rules.get(function, set()), set())
        if source == target.pid:  # each waits on a channel of its own: a dump does not tell that
            check("blocked-receive" in rules["main.receive"], f"main.receive has {rules['main.receive']}")


@test
def bodies_and_connections_are_told_apart():
    def rules(target):
        return {s["rule"] for g in ullage_json("goroutines", target.pid)["groups"] for s in g["suspicion"]}

    with go_target("1.24", "plain", program="bodies") as target:
        target.ask("read 20")
        equal("hints on a client that closes", rules(target), set())
        target.ask("idle 30")
        equal("hints on a Transport for each request", rules(target) - {"no-deadline"}, {"idle-connections"})
        target.ask("open 10")
        equal("hints on bodies left open", rules(target) - {"no-deadline"}, {"idle-connections", "open-bodies"})


@test
def several_files_are_put_side_by_side():
    _, path = written("1.24")
    files = [f"{path}/debug2.txt", f"{path}/debug1.txt", f"{path}/debug2.txt"]
    result = ullage_json("goroutines", *files)
    equal("inputs", result["inputs"], files)
    equal("total", result["goroutines_total"], 3 * TOTAL)
    for g in result["groups"]:
        equal("sum of counts", sum(g["counts"]), g["count"])
    pairs = {tuple(g["counts"]) for g in result["groups"] if blocked_in(g) == "main.receive"}
    equal("counts by file", pairs, {(150, 0, 150), (0, 150, 0)})  # a profile knows no creator
    text = ullage("goroutines", *files).out
    check(re.search(r"COUNT +A +B +C ", text), f"no column for each file:\n{text[:500]}")


@test
def an_address_stands_in_place_of_a_file():
    _, path = written("1.24")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with open(f"{path}/debug{self.path[-1]}.txt", "rb") as f:
                body = f.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    at_end(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for debug in (1, 2):
        result = ullage_json("goroutines", f"http://127.0.0.1:{server.server_port}/debug/pprof/goroutine?debug={debug}")
        check_known(f"debug={debug}", result, debug == 2)


@test
def a_cut_dump_says_so():
    _, path = written("1.24")
    with open(f"{path}/debug2.txt", "rb") as f:
        text = f.read()
    cut = os.path.join(path, "cut.txt")
    silent = 0
    for n in range(7, len(text), len(text) // 60):
        with open(cut, "wb") as f:
            f.write(text[:n])
        result = ullage("goroutines", cut, "--json", expect=None)
        check(result.status in (0, 2, 6), f"cut to {n}: status {result.status}")
        silent += result.status == 0 and not json.loads(result.out)["notes"]
    check(silent <= 3, f"{silent} cuts were not noticed; only those between two lines may be")


HOSTILE = {
    "text": b"hello\nworld\n" * 1000,
    "zeroes": bytes(100000),
    "header only": b"goroutine 1 [run",
    "total only": b"goroutine profile: total 99999999999\n",
    "bomb": None,
    "bad gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 1000,
}


@test(each=HOSTILE)
def what_is_no_dump_is_refused_in_one_sentence(name):
    path, data = os.path.join(directory(), "input"), HOSTILE[name]
    if data is None:
        import gzip
        data = gzip.compress(b"goroutine 1 [select]:\n" + b"x" * (1 << 20) + b"\n")[:500]
    with open(path, "wb") as f:
        f.write(data)
    out = path + ".json"
    result = ullage("goroutines", path, "--json", "-o", out, expect=None, timeout=30)
    equal("status", result.status, 6)
    one_sentence(result.err)
    check(path in result.err, f"does not name the file: {result.err}")
    check(not os.path.exists(out), "left an output file")


@test(each=["prometheus-1.24"], tries=3)
def a_real_program_is_told_alike_live_and_by_its_endpoint(name):
    with program(name) as instance:
        time.sleep(2)
        live = ullage_json("goroutines", instance.pid, "--group", "stack")
        dump = ullage_json("goroutines", f"{instance.pprof}/goroutine?debug=2", "--group", "stack")

        def own(result):
            return {k: n for k, n in site_counts(result).items() if not any(f[0].startswith("net/http.") for f in k[3])}

        equal("stacks", own(live), own(dump))
        figure("goroutines", name, "count", live["goroutines_total"])
