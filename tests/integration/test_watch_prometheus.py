# SPDX-License-Identifier: Apache-2.0
"""Metrics, rules, routes and the dashboard of `ullage watch`, before a real Prometheus and Alertmanager.

Most targets are not there (tests/probes/watch_surface.c), so that each alert can be had at will.
"""
import http.server
import resource
import threading
import urllib.error
import urllib.request

from watching import *

DEPLOY = os.path.join(ROOT, "deploy")
PROBE = os.path.join(os.path.dirname(ULLAGE), "tests", "probes", "watch_surface")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# Alerts that the storm raises at once; what is missing needs days, or another kind of trouble.
STORM = """UllageOomKill UllageBreakerOpen UllageOomForecast UllageLimitCritical UllageLimitNear UllageMemoryEvents
    UllageMemoryPressure UllageSwapOut UllageGcThrash UllageGcStalled UllageGcPause UllageRssWithoutObjects
    UllageGoroutinesDoubled UllagePidsNearMax UllageConfigRefused UllageRecordsLost UllageActionsFailing""".split()


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, **headers):
    """Status and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def get_json(port, path):
    return json.loads(get(port, path)[1])


def eventually(what, seconds, function):
    """The first true result."""
    end = time.monotonic() + seconds
    while True:
        try:
            result = function()
        except (OSError, ValueError, LookupError, http.client.HTTPException):
            result = None
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.2)


def surface(targets):
    """A probe that shows this many targets, and its port."""
    probe = Target([PROBE, targets])
    return probe, int(probe.ready.split()[1])


def start(directory, *argv):
    """A server in the background, its output in a file."""
    log = open(os.path.join(directory, os.path.basename(argv[0]) + ".log"), "wb")
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)
    log.close()
    at_end(process.wait)
    at_end(process.kill)


def scratch():
    directory = tempfile.mkdtemp(prefix="ullage-prometheus-")
    at_end(shutil.rmtree, directory, True)
    return directory


def read(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as f:
        return f.read()


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


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

class Webhook(http.server.BaseHTTPRequestHandler):
    """Keeps what Alertmanager sends, as (receiver, alertname, status)."""

    def do_POST(self):  # pylint: disable=invalid-name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.update((body["receiver"], a["labels"]["alertname"], a["status"]) for a in body["alerts"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def start_webhook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.got = set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at_end(server.server_close)
    at_end(server.shutdown)
    return server


def start_alertmanager(directory, webhook):
    port = free_port()
    text = read("alertmanager", "example.yml").replace("127.0.0.1:9099", f"127.0.0.1:{webhook.server_port}")
    text = re.sub(r"group_wait: \w+", "group_wait: 1s", text)
    text = re.sub(r"group_interval: \w+", "group_interval: 1s", text)
    path = write(directory, "alertmanager.yml", text)
    start(directory, "prometheus-alertmanager", f"--config.file={path}", f"--storage.path={directory}/alertmanager",
          f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=")
    return port


def start_prometheus(directory, port_of_ullage, managers):
    """With the shipped rules, at the pace of a test; managers: ports of Alertmanagers."""
    for name in ["alerts.yml", "recording.yml"]:
        text = re.sub(r"interval: \w+", "interval: 1s", read("prometheus", name))
        write(directory, name, re.sub(r"( +)for: \w+", r"\1for: 0s", text))
    path = write(directory, "prometheus.yml", f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml, recording.yml]
alerting:
  alertmanagers: [{{static_configs: [{{targets: {[f"127.0.0.1:{p}" for p in managers]}}}]}}]
scrape_configs:
  - job_name: ullage
    static_configs: [{{targets: ['127.0.0.1:{port_of_ullage}']}}]
""")
    port = free_port()
    start(directory, "prometheus", f"--config.file={path}", f"--storage.tsdb.path={directory}/data",
          f"--web.listen-address=127.0.0.1:{port}", "--rules.alert.resend-delay=1s")
    return port


def query(port, expression):
    reply = get_json(port, "/api/v1/query?query=" + urllib.parse.quote(expression))
    equal(f"answer to {expression}: {reply.get('error', '')}", reply["status"], "success")
    return reply["data"]["result"]


def firing(port):
    """(alertname, comm) of what fires in Prometheus."""
    return {(a["labels"]["alertname"], a["labels"].get("comm"))
            for a in get_json(port, "/api/v1/alerts")["data"]["alerts"] if a["state"] == "firing"}


def dashboard():
    return json.loads(read("grafana", "ullage.json"))


def panel_queries():
    """(title, expression) of every query, with the variables that Grafana would fill in."""
    values = {"$instance": ".*", "$comm": ".*", "$__rate_interval": "5s", "$__range": "60s"}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in values.items():
                expression = expression.replace(name, value)
            check("$" not in expression, f"an unknown variable in {expression}")
            yield panel["title"], expression


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


@test(timeout=120)
def the_daemon_itself_is_scraped():
    needs("prometheus")
    config = "targets:\n  - name: truth\n"
    with Cgroup(limit=256 << 20) as group, go_target("1.24", "stripped", cgroup=group) as target, Daemon(config) as daemon:
        row = daemon.wait_for_target(target.pid, lambda t: t["goroutines"] is not None)
        port = start_prometheus(scratch(), daemon.port, [])
        shown = eventually("a scrape", 40, lambda: query(port, f'ullage_target_rss_bytes{{target="{row["id"]}"}}'))
        close("rss", float(shown[0]["value"][1]), rollup(target.pid), 0.1)
        ratio = eventually("a recorded ratio", 20, lambda: query(port, "ullage:target_limit:ratio"))
        close("ratio", float(ratio[0]["value"][1]), row["working_set_bytes"] / row["limit_bytes"], 0.2)
        for _, expression in panel_queries():
            query(port, expression)
        # before its first scrape Prometheus misses the daemon
        eventually("nothing fires", 20, lambda: not {a for a, _ in firing(port)} - {"UllageLooksLate"})
        rules = get_json(port, "/api/v1/rules")["data"]["groups"]
        wrong = [(r["name"], r.get("lastError")) for g in rules for r in g["rules"] if r["health"] == "err"]
        equal("rules in error", wrong, [])


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
        for target in panel.get("targets", []):
            equal(f"source of {panel['title']}", target["datasource"]["uid"], "${datasource}")
