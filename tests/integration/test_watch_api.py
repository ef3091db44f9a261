# SPDX-License-Identifier: Apache-2.0
"""docs/api.yaml says what the daemon answers: paths, and the fields of documents."""
from watching import *

PROBE = os.path.join(os.path.dirname(ULLAGE), "tests", "probes", "watch_surface")


def document():
    with open(os.path.join(ROOT, "docs", "api.yaml"), encoding="utf-8") as f:
        return f.read()


def properties(schema):
    """Names below `properties` of a schema, by their indentation."""
    block = re.search(rf"^    {schema}:\n((?:      .*\n)+)", document(), re.M)
    check(block, f"there is no schema {schema}")
    return re.findall(r"^        (\w+):", block[1], re.M)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


@test
def every_path_is_documented_and_no_other():
    with open(os.path.join(ROOT, "src", "surface", "routes.def"), encoding="utf-8") as f:
        routes = re.findall(r'^ROUTE\((\w+), "([^"]*)", "([^"]*)"', f.read(), re.M)
    documented = re.findall(r"^  (/\S*):\n    get:\n      operationId: (\w+)", document(), re.M)
    equal("routes that are not documented", {(path, name) for name, _, path in routes} - set(documented), set())
    for path, _ in documented:
        taken = [r for _, r, _ in routes if path == r or (len(r) > 1 and r.endswith("/") and path.startswith(r))]
        equal(f"routes that take {path}", len(taken), 1)


@test
def every_reference_leads_somewhere():
    text = document()
    for kind, name in set(re.findall(r'"#/components/(\w+)/(\w+)"', text)):
        section = re.search(rf"^  {kind}:\n((?:    .*\n)+)", text, re.M)
        check(section and re.search(rf"^    {name}:", section[1], re.M), f"there is no {kind}/{name}")


@test
def documents_have_the_fields_that_are_documented():
    with Target([PROBE, 2]) as probe:
        port = int(probe.ready.split()[1])
        probe.ask("storm")
        reply, body = get(port, "/api/v1/targets")
        equal("type", reply.headers["Content-Type"], "application/json")
        answer = json.loads(body)
        equal("of all", list(answer), properties("Targets"))
        equal("of a target", list(answer["targets"][0]), properties("Target"))
        equal("of a signal", list(answer["targets"][0]["signals"][0]), properties("Signal"))
        equal("of a class", list(answer["targets"][0]["classes"][0]), properties("Class"))
        equal("order", [t["pid"] for t in answer["targets"]], [1000, 1001])
        reply, body = get(port, "/nothing")
        equal("status", reply.status, 404)
        equal("type", reply.headers["Content-Type"], "application/problem+json")
        equal("of a problem", list(json.loads(body)), properties("Problem"))


# Fields that programs rely on; the document has more.
CONTRACT = """id pid comm cgroup_path limit_bytes limit_source usage_bytes working_set_bytes headroom_bytes
    rate_bytes_per_second eta_seconds state reason signals classes""".split()


def samples(text):
    """{(name, value of the label target): value} of metrics as text."""
    found = re.findall(r'^(\w+)(?:\{(?:target="([^"]*)")?.*\})? (\S+)$', text, re.M)
    return {(name, target): float(value) for name, target, value in found}


@test
def the_daemon_answers_as_documented():
    config = "targets:\n  - name: truth\n"
    with Cgroup(limit=256 << 20) as group, go_target("1.24", "stripped", cgroup=group) as target, Daemon(config) as daemon:
        row = daemon.wait_for_target(target.pid, lambda t: t["goroutines"] is not None and t["threads"] is not None)
        equal("fields", list(row), properties("Target"))
        equal("fields of the contract that are missing", set(CONTRACT) - set(row), set())
        equal("headroom", row["headroom_bytes"], row["limit_bytes"] - row["working_set_bytes"])
        equal("alone", list(daemon.json(f"/api/v1/targets/{row['id']}"))[2:], list(row))
        for name in [row["id"], target.pid]:
            status_, text = daemon.get(f"/health/{name}")
            equal("health", (status_, list(json.loads(text))), (200, properties("Breaker")))
        time.sleep(1.2)
        for name, path in [("series", f"/api/v1/targets/{row['id']}/series"), ("events", "/api/v1/events?kind=start"),
                           ("snapshots", "/api/v1/snapshots")]:
            answer = daemon.json(path)
            equal("schema", answer["schema"], f"ullage.watch.{name}/1")
            equal("fields not documented", set(answer) - set(properties("List")), set())
            if name != "snapshots":
                check(answer[name], f"{path} is empty")
        event = daemon.json("/api/v1/events?limit=1")["events"][0]
        equal("fields of an event that are not documented", set(event) - set(properties("Event")), set())
        for path, status_ in [("/", 200), ("/livez", 200), ("/readyz?verbose", 200), ("/healthz", 200), ("/health/nobody", 404),
                              ("/api/v1/targets/nobody", 404), ("/api/v1/events?kind=nonsense", 400),
                              ("/api/v1/events?limit=x", 400), ("/metrics/", 404), ("/api", 404)]:
            equal(f"status of {path}", daemon.get(path)[0], status_)
        parameters_are_taken_or_told(daemon, row["id"])


def parameters_are_taken_or_told(daemon, key):
    paths = {"series": f"/api/v1/targets/{key}/series", "events": "/api/v1/events", "snapshots": "/api/v1/snapshots"}
    for name, query, code in [
            ("series", "from=-1m&to=now&step=10s", 200), ("series", "from=1700000000&max=3", 200), ("series", "step=60", 200),
            ("series", "step=0", 400), ("series", "step=-5s", 400), ("series", "max=0", 400), ("series", "max=20001", 400),
            ("series", "form=-1m", 400), ("series", "from=-1m&from=-2m", 400), ("series", "from=now&to=-1m", 400),
            ("series", "limit=1", 400), ("events", "kind=start,exit&limit=5", 200), ("events", "kind=start,", 400),
            ("events", f"target={key}", 200), ("events", "target=", 400), ("events", "limit=0", 400),
            ("snapshots", "kind=profile&from=-1h", 200), ("snapshots", "kind=start", 400)]:
        reply, text = daemon.get(f"{paths[name]}?{query}")
        equal(f"{name}?{query}", reply, code)
        if code == 400:
            check(query.split("=")[0].split("&")[0] + ":" in json.loads(text)["detail"], text)
    pid = key.split("-")[0]
    equal("events of a pid", daemon.json(f"/api/v1/events?target={pid}")["target"], key)
    steps = daemon.json(paths["series"] + "?step=1h")["series"]
    check(1 <= len(steps) <= 2, f"looks of one an hour: {steps}")


@test
def the_daemons_metrics_are_the_kernels_and_the_runtimes_figures():
    config = "targets:\n  - name: truth\n"
    with Cgroup(limit=256 << 20) as group, go_target("1.24", "stripped", cgroup=group) as target, Daemon(config) as daemon:
        row = daemon.wait_for_target(target.pid, lambda t: t["goroutines"] is not None and t["threads"] is not None)
        got = samples(daemon.get("/metrics")[1])
        value = lambda name: got["ullage_target_" + name, row["id"]]
        close("rss", value("rss_bytes"), rollup(target.pid), 0.05)
        close("usage", value("usage_bytes"), group.usage(), 0.05)
        close("heap", value("heap_alloc_bytes"), target.stats()["HeapAlloc"], 0.05)
        equal("limit", value("limit_bytes"), 256 << 20)
        equal("threads", value("threads"), status(target.pid, "Threads"))
        equal("kills", value("oom_kills_total"), 0)
        equal("targets", got["ullage_targets_omitted", ""], 0)
        check(("ullage_target_go_memory_limit_bytes", row["id"]) not in got, "no GOMEMLIMIT is shown as one")
        close("start", got["ullage_process_start_time_seconds", ""], time.time(), 0.01)
        within("resident memory of the daemon", got["ullage_process_resident_memory_bytes", ""], 1 << 20, 1 << 30)
