# SPDX-License-Identifier: Apache-2.0
"""Metrics, rules, routes and the dashboard of `ullage watch`, before a real Prometheus and Alertmanager.

Most targets are not there (tests/probes/watch_surface.c), so that each alert can be had at will.
"""
import resource

from monitoring import *

PROBE = os.path.join(os.path.dirname(ULLAGE), "tests", "probes", "watch_surface")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# Alerts that the storm raises at once; the others are raised by real programs (test_watch_alerts.py).
STORM = """UllageOomKill UllageBreakerOpen UllageOomForecast UllageLimitCritical UllageLimitNear UllageMemoryEvents
    UllageMemoryPressure UllageSwapOut UllageGcThrash UllageGcStalled UllageGcPause UllageRssWithoutObjects
    UllageGoroutinesDoubled UllagePidsNearMax UllageConfigRefused UllageRecordsLost UllageActionsFailing""".split()


def surface(targets):
    """A probe that shows this many targets, and its port."""
    probe = Target([PROBE, targets])
    return probe, int(probe.ready.split()[1])


# ---- without servers ------------------------------------------------------------------------------

@test(each=[(0,), (200,)])
def metrics_are_what_promtool_wants(targets):
    needs("promtool")
    probe, port = surface(targets)
    with probe:
        for command in ["calm", "storm"]:
            probe.ask(command)
            status, text = get(port, "/metrics")
            equal("status", status, 200)
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
            equal("promtool", (done.returncode, done.stdout + done.stderr), (0, ""))
            check(all(re.match(r"# |ullage_", line) for line in text.splitlines()), "a name does not begin with ullage_")
            samples = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line[0] != "#"]
            equal("series that are there twice", len(samples) - len(set(samples)), 0)


@test
def a_scrape_is_cheap():
    probe, port = surface(200)
    with probe:
        text, text_ns, openmetrics, openmetrics_ns, api, api_ns = map(int, probe.ask("bench").split())
        before = int(probe.ask("cpu"))
        for _ in range(20):
            get(port, "/metrics")
        scrape_ns = (int(probe.ask("cpu")) - before) / 20
        for name, size, ns in [("text", text, text_ns), ("OpenMetrics", openmetrics, openmetrics_ns), ("JSON", api, api_ns)]:
            figure("200 targets", name, "KiB", size / 1024)
            figure("200 targets", name, "CPU ms", ns / 1e6)
        figure("200 targets", "scrape", "KiB", text / 1024)
        figure("200 targets", "scrape", "CPU ms", scrape_ns / 1e6)
        # a tenth of what the looks themselves may cost, at a scrape each 15 s; sanitizers are allowed their share
        within("CPU of a scrape in ms", scrape_ns / 1e6, 0, 100)


@test
def thousands_who_never_ask_lock_nobody_out():
    probe, port = surface(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    at_end(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many = min(3000, hard - 200)
    half_open = []
    at_end(lambda: [s.close() for s in half_open])
    with probe:
        for i in range(many):
            half_open.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            half_open[-1].sendall(b"GET /metrics HT"[:i % 16])
        equal("status", get(port, "/metrics")[0], 200)
        is_open, dropped = map(int, probe.ask("fds").split())
        within("connections", is_open, 1, 128)
        within("dropped", dropped, many - 128, many)
        figure("half-open clients", "", "", many)
        within("descriptors", len(os.listdir(f"/proc/{probe.pid}/fd")), 1, 128 + 20)


def series_of_targets(text):
    return sum(line.startswith("ullage_target_") for line in text.splitlines())


@test(timeout=120)
def a_thousand_that_come_and_go_leave_no_series():
    config = "targets: [{name: ullage-brief, go_only: false}]\nceilings: {series: 5000}\n"
    brief = os.path.join(scratch(), "ullage-brief")
    shutil.copy(shutil.which("sleep"), brief)
    with Daemon(config) as daemon:
        crowd = [subprocess.Popen([brief, "600"]) for _ in range(1000)]
        at_end(lambda: [p.kill() for p in crowd])
        eventually("all are seen", 60, lambda: "ullage_targets{state=\"ok\"} 1000\n" in daemon.get("/metrics")[1])
        full = daemon.get("/metrics")[1]
        within("series of targets", series_of_targets(full), 1000, 5000)
        labels = re.findall(r'\w+="((?:[^"\\]|\\.)*)"', full)
        within("longest label", max(map(len, labels)), 1, 256)
        for process in crowd:
            process.kill()
            process.wait()
        eventually("they are gone", 60, lambda: series_of_targets(daemon.get("/metrics")[1]) == 0)
        figure("1000 short lives", "series", "at most", series_of_targets(full))


@test
def rules_and_routes_are_as_their_programs_want():
    needs("promtool", "amtool")
    directory = os.path.join(DEPLOY, "prometheus")
    for argv in (["promtool", "check", "rules", "alerts.yml", "recording.yml"],
                 ["promtool", "test", "rules", "tests.yml", "tests_baseline.yml"],
                 ["amtool", "check-config", "../alertmanager/example.yml"]):
        result = run(argv, cwd=directory)
        equal(" ".join(argv[:3]), (result.status, result.status and result.out + result.err), (0, 0))
    config = "--config.file=../alertmanager/example.yml"
    for receiver, labels in [("on-call", ["severity=critical"]), ("team", ["severity=warning"]), ("nobody", ["severity=info"])]:
        result = run(["amtool", "config", "routes", "test", config, "alertname=UllageX", *labels], cwd=directory)
        equal(f"receiver of {labels}", result.out.strip(), receiver)


# ---- with them --------------------------------------------------------------------------------------

@test(timeout=120)
def everything_fires_and_every_panel_is_answered():
    needs("prometheus", "prometheus-alertmanager")
    directory, webhook = scratch(), start_webhook()
    probe, port = surface(3)
    manager = start_alertmanager(directory, webhook)
    prometheus = start_prometheus(directory, port, [manager])
    eventually("three scrapes", 40, lambda: float(query(prometheus, "count_over_time(ullage_up[1m])")[0]["value"][1]) >= 3)

    equal("fires of a calm host", {a for a, _ in firing(prometheus)} - {"UllageLooksLate"}, set())
    metadata = get_json(prometheus, "/api/v1/metadata?metric=ullage_target_gc_pause_seconds")["data"]
    equal("scraped as OpenMetrics", [m["type"] for m in metadata["ullage_target_gc_pause_seconds"]], ["counter"])

    probe.ask("storm")
    eventually("all alerts of the storm", 30, lambda: set(STORM) <= {a for a, _ in firing(prometheus)})
    equal("whose they are", {c for _, c in firing(prometheus)}, {None, "service-0"})
    for title, expression in panel_queries():
        check(eventually(f"an answer for the panel '{title}': {expression}", 10, lambda e=expression: query(prometheus, e)), title)
    equal("hosts to choose", variable_values(prometheus, "instance"), [f"127.0.0.1:{port}"])
    equal("programs to choose", variable_values(prometheus, "comm"), ["service-0", "service-1", "service-2"])
    for expression in annotation_queries():
        check(eventually(f"an answer for the annotation {expression}", 10, lambda e=expression: query(prometheus, e)), expression)

    def posted():
        return {a["labels"]["alertname"]: a["status"] for a in get_json(manager, "/api/v2/alerts")}
    eventually("Alertmanager has them", 20, lambda: set(STORM) <= set(posted()))
    eventually("the on-call is called", 20, lambda: ("on-call", "UllageBreakerOpen", "firing") in webhook.got)
    eventually("the team is told", 20, lambda: ("team", "UllageConfigRefused", "firing") in webhook.got)
    state = posted()
    for name in ["UllageLimitNear", "UllageGcStalled", "UllageLimitCritical"]: # the breaker says it all
        equal(f"state of {name}", state[name]["state"], "suppressed")
    check(("team", "UllageGcStalled", "firing") not in webhook.got, "what is inhibited was sent")

    probe.ask("calm")
    eventually("the breaker is said to be closed", 30, lambda: ("on-call", "UllageBreakerOpen", "resolved") in webhook.got)
    probe.close()
    eventually("the watcher is missed", 30, lambda: ("on-call", "UllageDown", "firing") in webhook.got)


@test
def the_dashboard_is_of_the_kind_that_every_grafana_reads():
    board = dashboard()
    within("schemaVersion", board["schemaVersion"], 30, 39)
    equal("identity", (board["id"], board["uid"]), (None, "ullage-watch"))
    ids = [p["id"] for p in board["panels"]]
    equal("ids that are there twice", len(ids) - len(set(ids)), 0)
    cells = [(x, y) for p in board["panels"] for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
             for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])]
    equal("cells of two panels", len(cells) - len(set(cells)), 0)
    within("columns", max(x for x, _ in cells), 0, 23)
    variables = {v["name"] for v in board["templating"]["list"]}
    equal("variables", variables, {"datasource", "instance", "comm"})
    for panel in board["panels"]:
        units = set(re.findall(r'"unit", "value": "(\w+)"|"unit": "(\w+)"', json.dumps(panel)))
        equal(f"units of {panel['title']} that Grafana has not",
              {a or b for a, b in units} - {"bytes", "Bps", "s", "percentunit", "none", "short"}, set())
        if panel["type"] == "timeseries":
            check(all("{{" in t["legendFormat"] or len(panel["targets"]) > 1 for t in panel["targets"]),
                  f"curves of {panel['title']} without a name")
        for target in panel.get("targets", []):
            equal(f"source of {panel['title']}", target["datasource"]["uid"], "${datasource}")
