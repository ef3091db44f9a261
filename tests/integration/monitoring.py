# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus and a real Alertmanager with what deploy/ has for them, for the tests of the daemon."""
import http.server
import threading
import urllib.error
import urllib.request

from watching import *

DEPLOY = os.path.join(ROOT, "deploy")


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
    text = re.sub(r"group_wait: [1-9]\w*", "group_wait: 1s", text)
    text = re.sub(r"group_interval: \w+", "group_interval: 1s", text)
    path = write(directory, "alertmanager.yml", text)
    start(directory, "prometheus-alertmanager", f"--config.file={path}", f"--storage.path={directory}/alertmanager",
          f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=")
    return port


def start_prometheus(directory, port_of_ullage, managers):
    """With the shipped rules, at the pace of a test (durations alone are others); managers: ports of Alertmanagers."""
    for name in ["alerts.yml", "recording.yml"]:
        text = re.sub(r"interval: \w+", "interval: 1s", read("prometheus", name))
        text = re.sub(r"(looks_late_total)\[5m\]", r"\1[15s]", text)
        text = re.sub(r"( +)for: \w+", r"\1for: 0s", text)
        # one scrape that a busy machine misses is no end, and would inhibit all else
        write(directory, name, re.sub(r"(up{job=\"ullage\"} == 0\n +for:) 0s", r"\1 5s", text))
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
          f"--web.listen-address=127.0.0.1:{port}", "--rules.alert.resend-delay=1s",
          "--web.enable-lifecycle")
    return port


def configure_prometheus(directory, port, old, new):
    """Replaces text in its configuration, and has that take effect."""
    path = os.path.join(directory, "prometheus.yml")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(old in text, f"{old} is not in the configuration")
    write(directory, "prometheus.yml", text.replace(old, new))
    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/reload", data=b"", timeout=20).close()


def backfill(directory, samples):
    """Puts history into the data of a Prometheus that is not started yet: (series, value) for each five minutes of eight days."""
    now = int(time.time()) - 3 * 3600
    lines = []
    for series, value in samples:
        lines += [f"# TYPE {series.split('{')[0]} gauge"] + [f"{series} {value} {t}" for t in range(now - 8 * 86400, now, 300)]
    path = write(directory, "history.om", "\n".join(lines) + "\n# EOF\n")
    done = run(["promtool", "tsdb", "create-blocks-from", "openmetrics", path, os.path.join(directory, "data")])
    equal("backfill", (done.status, done.status and done.out + done.err), (0, 0))


def query(port, expression):
    reply = get_json(port, "/api/v1/query?query=" + urllib.parse.quote(expression))
    equal(f"answer to {expression}: {reply.get('error', '')}", reply["status"], "success")
    return reply["data"]["result"]


def ever_fired(port):
    """Names of the alerts that fired at some time."""
    return {r["metric"]["alertname"] for r in query(port, 'last_over_time(ALERTS{alertstate="firing"}[30m])')}


def firing(port):
    """(alertname, comm) of what fires in Prometheus."""
    return {(a["labels"]["alertname"], a["labels"].get("comm"))
            for a in get_json(port, "/api/v1/alerts")["data"]["alerts"] if a["state"] == "firing"}


def dashboard():
    return json.loads(read("grafana", "ullage.json"))


def panel_queries(instance=".*", comm=".*"):
    """(title, expression) of every query, with the variables that Grafana would fill in: of several values it makes (a|b)."""
    values = {"$instance": instance, "$comm": comm, "$__rate_interval": "5s", "$__range": "60s"}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in values.items():
                expression = expression.replace(name, value)
            check("$" not in expression, f"an unknown variable in {expression}")
            yield panel["title"], expression


def variable_values(port, name):
    """What a variable of the dashboard offers, asked as Grafana does."""
    variable = [v for v in dashboard()["templating"]["list"] if v["name"] == name][0]
    series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
    match = urllib.parse.quote(series.replace("$instance", ".*"))
    return get_json(port, f"/api/v1/label/{label}/values?match[]={match}")["data"]


def annotation_queries():
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["expr"].replace("$instance", ".*")
