# SPDX-License-Identifier: Apache-2.0
"""Real programs in trouble, a real daemon, a real Prometheus and Alertmanager: what is fired, what is inhibited, who is told.

What needs minutes, swap, PSI or cgroup v2 is fired by figures that are made up (test_watch_prometheus.py).
"""
from monitoring import *

MIB = 1 << 20
# One program that takes all of its cgroup, and one that collects all the time.
KILLED = {"UllageOomKill", "UllageBreakerOpen", "UllageOomForecast", "UllageLimitCritical", "UllageLimitNear", "UllageMemoryEvents",
          "UllageRssWithoutObjects", "UllageActionsFailing", "UllageAboveBaseline", "UllageGoroutinesAboveBaseline"}
SLOW = {"UllageGcThrash"}
# Of which the kernel has no figures here.
ONLY_V2 = ("memory_high_events", "memory_max_events", "memory_pressure")


def config(webhook, extra=""):
    return f"""
targets: [{{cgroup: "/ullage-alerts-{os.getpid()}-*", go_only: false}}]
sampling: {{map: 2s, slow: 2s}}
signals:
  gc_thrash: {{window: 12s}}
policies:
  - name: all
    mode: act
    warn: 70%
    open: 80%
    close: 60%
    actions: [{{kind: webhook, name: page, url: "http://127.0.0.1:{webhook}/", retries: 0}}]
{extra}"""


def small_disk():
    """A directory with room for the records of a minute."""
    directory = tempfile.mkdtemp(prefix="ullage-disk-")
    at_end(shutil.rmtree, directory, True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", directory], check=False).returncode:
        skip("no tmpfs can be mounted here")
    at_end(subprocess.run, ["umount", "-l", directory])
    return directory


def come_and_go(group):
    crowd = [subprocess.Popen(["sleep", "600"], preexec_fn=group.enter) for _ in range(300)]
    time.sleep(2)
    for process in crowd:
        process.kill()
        process.wait()


# Alone: what share of all processors the collector gets is what others leave.
@test(timeout=400, tries=2, alone=True)
def real_programs_in_trouble_raise_the_alerts():
    needs("prometheus", "prometheus-alertmanager", "promtool")
    for program in ("climb", "signs"):
        build("1.24", "plain", program)
    directory, webhook, disk = scratch(), start_webhook(), small_disk()
    nobody = free_port()
    with Daemon(config(nobody), data=os.path.join(disk, "data")) as daemon, Cgroup("ullage-alerts", 1024 * MIB) as roomy, \
            Cgroup("ullage-alerts", 192 * MIB) as tight, go_target("1.24", "stripped", cgroup=roomy) as calm:
        labels = f'job="ullage",instance="127.0.0.1:{daemon.port}",comm="climb"'
        backfill(directory, [(f"ullage:comm_rss_bytes:max{{{labels}}}", MIB), (f"ullage:comm_goroutines:max{{{labels}}}", 0.5)])
        manager = start_alertmanager(directory, webhook)
        prometheus = start_prometheus(directory, daemon.port, [manager])

        # ---- all is well
        row = daemon.wait_for_target(calm.pid, lambda t: t["goroutines"] is not None)
        def same(expression, value):
            found = query(prometheus, expression)
            return found and abs(float(found[0]["value"][1]) / value - 1) < 0.2
        series = f'ullage_target_rss_bytes{{target="{row["id"]}"}}'
        eventually("the rss that the kernel says", 60, lambda: same(series, rollup(calm.pid)))
        used = lambda t: t["working_set_bytes"] / t["limit_bytes"]
        eventually("a recorded ratio", 20, lambda: same("ullage:target_limit:ratio", used(daemon.target(calm.pid))))
        eventually("nothing fires", 20, lambda: not {a for a, _ in firing(prometheus)} - {"UllageLooksLate"})

        # ---- programs in trouble
        go_target("1.24", "plain", "-kind", "thrash", "-live", 96 * MIB, program="signs", cgroup=roomy,
                  env={**os.environ, "GOMEMLIMIT": "104MiB", "GOMAXPROCS": "1"})
        # Near its limit for some four seconds: a page is read each second, and a recorded ratio is a second old.
        go_target("1.24", "plain", "-kind", "mmap", "-base", 40 * MIB, "-rate", 4 * MIB, program="climb", cgroup=tight)
        seen, quiet = set(), set()

        def all_of(wanted):
            seen.update(a for a, _ in firing(prometheus))
            for a in get_json(manager, "/api/v2/alerts"):
                if a["status"]["state"] == "suppressed":
                    quiet.add(a["labels"]["alertname"])
            return wanted <= seen

        def raised(wanted, seconds, nudge=lambda: None):
            end = time.monotonic() + seconds
            while not all_of(wanted):
                check(time.monotonic() < end, f"not raised: {sorted(wanted - seen)}; {daemon.text()[-1500:]}")
                nudge()
                time.sleep(0.2)
        raised(KILLED, 90)
        raised(SLOW, 120)
        multi = f"(127.0.0.1:{daemon.port}|nobody)", "(climb|signs|truth)"
        unanswered = [(t, e) for t, e in panel_queries(*multi) if not any(w in e for w in ONLY_V2) and not query(prometheus, e)
                      and not query(prometheus, f"last_over_time(({e})[5m:1s])")]
        equal("panels without an answer", unanswered, [])
        for name in ("UllageLimitNear", "UllageRssWithoutObjects"):  # what is critical of the same target says it all
            check(name in quiet, f"{name} was not inhibited: {sorted(quiet)}")
        for told in [("on-call", "UllageBreakerOpen", "firing"), ("on-call", "UllageOomKill", "firing"),
                     ("on-call", "UllageGcThrash", "firing"), ("on-call", "UllageBreakerOpen", "resolved")]:
            eventually(f"{told}", 30, lambda t=told: t in webhook.got)

        # ---- a daemon in trouble
        daemon.reload("lisen: 1\n")
        raised({"UllageConfigRefused"}, 30)
        daemon.reload(config(nobody, "ceilings: {series: 100}\n"))
        for _ in range(3):
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(2.5)
            daemon.process.send_signal(signal.SIGCONT)
            time.sleep(1)
        raised({"UllageTargetsOmitted", "UllageLooksLate"}, 60)
        with open(os.path.join(disk, "fill"), "wb") as fill, contextlib.suppress(OSError):
            while os.write(fill.fileno(), b"x" * 4096):
                pass
        raised({"UllageRecordsLost"}, 90, lambda: come_and_go(roomy))  # each start and end is an event that has to be kept
        daemon.kill()
        raised({"UllageDown"}, 40)
        configure_prometheus(directory, prometheus, f"'127.0.0.1:{daemon.port}'", "")
        raised({"UllageAbsent"}, 30)
        wrong = re.findall(r"^(prometheus_target_scrapes?_\w*(?:duplicate|out_of_order|out_of_bounds|exceeded)\w*_total) ([1-9].*)$",
                           get(prometheus, "/metrics")[1], re.M)
        equal("samples that Prometheus could not take", wrong, [])
        rules = get_json(prometheus, "/api/v1/rules")["data"]["groups"]
        equal("rules in error", [(r["name"], r.get("lastError")) for g in rules for r in g["rules"] if r["health"] == "err"], [])
        alerts = {r["name"] for g in rules for r in g["rules"] if r["type"] == "alerting"}
        figure("alerts fired by real programs", "of", len(alerts), len(seen))
        print("never fired here:", sorted(alerts - seen))
