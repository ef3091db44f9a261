# SPDX-License-Identifier: Apache-2.0
"""The service as systemd sees it: units that are right, and what they leave open."""
from ullagetest import *

UNITS = os.path.join(ROOT, "deploy", "systemd")
EXPOSURE = 2.5  # what systemd-analyze says may be this at most; 0 is best


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        skip("systemd-analyze is not here")
    return subprocess.run(["systemd-analyze", "--no-pager", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def units(*drop_ins):
    """A folder with the units, their program being the one that is tested."""
    folder = tempfile.mkdtemp(prefix="ullage-units-")
    at_end(shutil.rmtree, folder, True)
    for name in ("ullage.service", "ullage.slice"):
        with open(os.path.join(UNITS, name), encoding="utf-8") as f:
            text = f.read()
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text.replace("/usr/bin/ullage", ULLAGE))
    for name in drop_ins:
        os.makedirs(os.path.join(folder, "ullage.service.d"), exist_ok=True)
        shutil.copy(os.path.join(UNITS, name), os.path.join(folder, "ullage.service.d"))
    return os.path.join(folder, "ullage.service")


@test(each=[(), ("bpf.conf",), ("kernel-log.conf",), ("bpf.conf", "kernel-log.conf")])
def units_are_right(*drop_ins):
    done = analyze("verify", "--man=no", units(*drop_ins))
    equal("complaints", (done.returncode, done.stdout), (0, ""))


@test
def little_is_left_open():
    done = analyze("security", "--offline=true", units())
    found = re.search(r"exposure level for ullage.service: ([0-9.]+)", done.stdout)
    check(found, f"no score: {done.stdout}")
    figure("exposure by systemd-analyze security", "service", "", float(found.group(1)))
    within("exposure", float(found.group(1)), 0, EXPOSURE)


@test
def only_the_capabilities_of_the_table_are_asked_for():
    with open(os.path.join(ROOT, "docs", "watch-privileges.md"), encoding="utf-8") as f:
        table = set(re.findall(r"CAP_\w+", f.read().split("Never asked for")[0]))
    for name in os.listdir(UNITS):
        with open(os.path.join(UNITS, name), encoding="utf-8") as f:
            text = f.read()
        ambient, bounding = (re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
                             for key in ("AmbientCapabilities", "CapabilityBoundingSet"))
        equal(f"{name}: what it has and what it could have", ambient, bounding)
        for word in " ".join(ambient).split():
            check(word in table, f"{name}: {word} is not in docs/watch-privileges.md")
