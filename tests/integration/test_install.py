# SPDX-License-Identifier: Apache-2.0
"""What `meson install` puts where, and that it works from there."""
from common import *

FILES = """bin/ullage lib/systemd/system/ullage.service lib/systemd/system/ullage.slice lib/sysusers.d/ullage.conf
    share/ullage/prometheus/alerts.yml share/ullage/prometheus/recording.yml share/ullage/alertmanager/example.yml
    share/ullage/grafana/ullage.json share/ullage/systemd/bpf.conf share/ullage/systemd/kernel-log.conf
    share/doc/ullage/README.md share/doc/ullage/signals.md share/doc/ullage/examples/ullage.yaml""".split()


@test
def what_is_installed_works_from_there():
    place, prefix = installed()
    at = lambda name: place + prefix + "/" + name
    equal("files that are missing", [f for f in FILES if not os.path.exists(at(f))], [])
    writable = [os.path.join(d, f) for d, _, files in os.walk(place) for f in files
                if os.stat(os.path.join(d, f)).st_mode & 0o022]
    equal("files that others may change", writable, [])

    with open(at("lib/systemd/system/ullage.service"), encoding="utf-8") as f:
        unit = f.read()
    equal("what the unit starts", re.findall(r"^ExecStart=(\S+)", unit, re.M), [prefix + "/bin/ullage"])
    program = at("bin/ullage")
    equal("its version", run([program, "--version"]).out, ullage("--version").out)
    equal("the example", run([program, "check-config", at("share/doc/ullage/examples/ullage.yaml"), "--json"]).status, 0)
    look = run([program, "watch", "--once", "--json", "--data", os.path.join(place, "data")])
    equal("a look", (look.status, json.loads(look.out)["schema"]), (0, "ullage.watch/1"))
    if shutil.which("promtool"):
        done = run(["promtool", "check", "rules", at("share/ullage/prometheus/alerts.yml")])
        equal("rules", (done.status, done.status and done.err), (0, 0))
    if shutil.which("systemd-analyze"):
        with open(at("lib/systemd/system/ullage.service"), "w", encoding="utf-8") as f:
            f.write(unit.replace(prefix + "/bin/ullage", program))
        done = run(["systemd-analyze", "verify", "--man=no", at("lib/systemd/system/ullage.service")])
        equal("the unit", (done.status, done.out + done.err), (0, ""))
    if shutil.which("man") or shutil.which("mandoc"):
        equal("the manual", os.path.exists(at("share/man/man1/ullage.1")), bool(shutil.which("scdoc")))
