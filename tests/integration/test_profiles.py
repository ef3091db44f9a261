# SPDX-License-Identifier: Apache-2.0
"""Profiles that are written, in the eyes of Go's own tool; profiles that are fetched; profiles that are damaged."""
import functools
import gzip
import http.server
import os
import re
import resource
import tempfile
import threading

import pprofproto
from common import one_sentence
from ullagetest import *

SEED = os.path.join(ROOT, "tests", "corpora", "pprof", "seed")
HEAP = (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes"))


def folder():
    directory = tempfile.mkdtemp(prefix="ullage-profiles-")
    at_end(shutil.rmtree, directory, True)
    return directory


@functools.cache
def pprof_tool(version):
    """Path of `go tool pprof`; from 1.25 on Go builds it when it is first asked for."""
    go = f"/usr/lib/go-{version}/bin/go"
    if not os.path.exists(go):
        skip(f"go{version} is not installed: tools/setup go")
    found = subprocess.run([go, "tool", "-n", "pprof"], capture_output=True, text=True, timeout=300)
    if found.returncode:
        skip(f"go{version} cannot make its pprof: {found.stderr.strip()[-200:]}")
    return found.stdout.strip().splitlines()[-1]


def pprof(version, *args):
    home = folder()
    done = subprocess.run([pprof_tool(version), "-symbolize=none", *args], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "HOME": home, "PPROF_TMPDIR": home})
    equal(f"status of pprof {args}: {done.stderr.strip()[-300:]}", done.returncode, 0)
    return done.stdout


def rows(text):
    """{function: (flat, cumulative)} of -top with -unit=B."""
    found = re.findall(r"^\s*(-?\d+)(?:B)?\s+\S+%\s+\S+%\s+(-?\d+)(?:B)?\s+\S+%\s+(.+?)( \(inline\))?$", text, re.MULTILINE)
    return {name: (int(flat), int(cum)) for flat, cum, name, _ in found}


def raw_totals(text):
    """Sums of the sample values that -raw prints, for each type."""
    body = text.split("Samples:\n", 1)[1].split("Locations\n", 1)[0].splitlines()
    names, *lines = body
    values = [list(map(int, m[1].split())) for m in (re.match(r"\s*((?:-?\d+\s+)*-?\d+):", line) for line in lines) if m]
    return [name.split("/")[0] for name in names.replace("[dflt]", "").split()], [sum(v) for v in zip(*values)]


def totals(path, name):
    profile = pprofproto.read(path)
    at = [t for t, _ in profile.types].index(name)
    return sum(s.values[at] for s in profile.samples)


@test(each=["1.19", "1.27"])
def gos_tool_reads_what_is_written(version):
    """The profile of a live process, by -top and -raw; and a recorded one, read and written again, stays the same to it."""
    path = os.path.join(folder(), "heap.pb.gz")
    with go_target("1.24", "stripped", "-profrate", 512, "-stacks", 256, program="profiled") as target:
        ullage("heap", target.pid, "--pprof", path)
        sites = ullage_json("heap", target.pid)["sites"]
    names, sums = raw_totals(pprof(version, "-raw", path))
    equal("types", names, [t for t, _ in HEAP])
    equal("totals", sums, [totals(path, t) for t, _ in HEAP])
    top = rows(pprof(version, "-top", "-unit=B", "-nodecount=0", "-nodefraction=0", path))
    equal("bytes in use by -top", sum(flat for flat, _ in top.values()), totals(path, "inuse_space"))
    check(sum(s["inuse_bytes"] for s in sites) > 0 and len(top) > 10, f"{len(top)} functions")
    figure("totals of `go tool pprof` equal ours", f"go{version}", "inuse_space, B", totals(path, "inuse_space"))
    for sample in ("go1.22-heap", "go1.27-heap"):
        again = os.path.join(folder(), "again.pb.gz")
        ullage("heap", os.path.join(SEED, sample), "--pprof", again)
        for index in ("inuse_space", "alloc_objects"):
            args = ("-top", "-unit=B", "-nodecount=0", "-nodefraction=0", f"-sample_index={index}")
            equal(f"{sample} {index}", rows(pprof(version, *args, again)), rows(pprof(version, *args, os.path.join(SEED, sample))))


@test
def folded_stacks_have_the_same_total():
    for sample in ("go1.22-heap", "go1.27-heap"):
        path = os.path.join(folder(), "heap.folded")
        ullage("heap", os.path.join(SEED, sample), "--folded", path)
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
        equal("total", sum(int(line.rsplit(" ", 1)[1]) for line in lines), totals(os.path.join(SEED, sample), "inuse_space"))
        equal("order", lines, sorted(lines, key=lambda line: line.rsplit(" ", 1)[0]))
        equal("each stack once", len({line.rsplit(" ", 1)[0] for line in lines}), len(lines))


# ---- over HTTP -------------------------------------------------------------------------------

class Server(http.server.ThreadingHTTPServer):
    """On loopback, in threads of this test; `answers` is {path: function of the handler}."""
    daemon_threads = True

    def __init__(self, answers):
        outer = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                answers[self.path](self)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        at_end(self.shutdown)

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"


def answer(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(bytes(1 << 20))


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"short")


@test
def a_profile_is_fetched():
    with open(os.path.join(SEED, "go1.27-heap"), "rb") as f:
        body = f.read()
    server = Server({
        "/debug/pprof/heap": lambda h: answer(h, 200, gzip.compress(body)),
        "/moved": lambda h: answer(h, 302, b"elsewhere", Location="/debug/pprof/heap"),
        "/round": lambda h: answer(h, 302, Location="/round"),
        "/away": lambda h: answer(h, 302, Location="http://127.0.0.2:1/heap"),
        "/file": lambda h: answer(h, 302, Location="file:///etc/hostname"),
        "/none": lambda h: answer(h, 404, b"no"),
        "/secret": lambda h: answer(h, 401, b"no"),
        "/broken": lambda h: answer(h, 500, b"no"),
        "/page": lambda h: answer(h, 200, b"<html>it works</html>"),
        "/endless": endless,
        "/cut": cut,
    })
    want = [s["inuse_bytes"] for s in ullage_json("heap", os.path.join(SEED, "go1.27-heap"))["sites"]]
    proxy = {**os.environ, "http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
    for path in ("/debug/pprof/heap", "/moved"):
        done = subprocess.run([ULLAGE, "heap", server.url(path), "--json"], capture_output=True, env=proxy, timeout=60, check=True)
        equal(path, [s["inuse_bytes"] for s in json.loads(done.stdout)["sites"]], want)
    for path, status_, words in (("/round", 3, "redirects"), ("/away", 3, "not followed"), ("/file", 3, "not followed"),
                                 ("/none", 3, "404"), ("/secret", 4, "401"), ("/broken", 3, "500"), ("/page", 6, "offset 0"),
                                 ("/endless", 6, "more than"), ("/cut", 6, "")):
        text = ullage("heap", server.url(path), expect=status_).err
        one_sentence(text)
        check(words in text, f"{path}: {text!r}")
    check(server.asked.count("/round") < 10, f"asked {server.asked.count('/round')} times")
    one_sentence(ullage("heap", "http://127.0.0.1:1/heap", expect=3).err)
    text = ullage("heap", f"http://user:secret@127.0.0.1:{server.server_port}/none", expect=3).err
    check("secret" not in text, f"the password is shown: {text!r}")


# ---- damage ----------------------------------------------------------------------------------

def bombs():
    good = pprofproto.make(HEAP, [(["main.f", "main.main"], (1, 8, 1, 8))])
    yield "cut", good[:-3], "offset"
    yield "cut gzip", gzip.compress(good * 50)[:-20], "too early"
    yield "a length of ten billion", good + b"\x12\x80\xc8\xaf\xa0\x25", f"offset {len(good)}"
    yield "a string that is not there", good + pprofproto.pack((14, 999)), "string 999"
    yield "a location that is not there", good + pprofproto.pack((2, pprofproto.pack((1, 77), (2, b"\1\1\1\1")))), "location 77"
    yield "a function that is not there", good + pprofproto.pack((4, pprofproto.pack((1, 9), (4, pprofproto.pack((1, 99)))))), "function 99"
    yield "values too many", good + pprofproto.pack((2, pprofproto.pack((2, b"\1" * 9)))), "9 values for 4 types"
    yield "groups without end", good + b"\x13" * 100000, f"offset {len(good)}"
    yield "a first string", pprofproto.pack((1, pprofproto.pack((1, 0))), (6, "not empty")), "not empty"
    yield "ten GiB of nothing in 10 MB", gzip.compress(good) + gzip.compress(bytes(256 << 20)) * 42, "more than"


@test
def damage_is_one_sentence():
    for name, data, words in bombs():
        path, out = (os.path.join(folder(), n) for n in ("bad.pb.gz", "out"))
        with open(path, "wb") as f:
            f.write(data)
        for args in (("--json", "-o", out), ("--pprof", out, "-o", out + "2"), ("--flame", out, "-o", out + "2")):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = ullage("heap", path, *args, expect=6)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            one_sentence(done.err)
            check(path in done.err and words in done.err, f"{name}: {done.err!r}")
            equal(f"{name}: files", os.listdir(os.path.dirname(out)), [])
            cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            check(cpu < 20, f"{name} took {cpu:.1f} s of CPU")
            if name.startswith("ten GiB"):
                break
