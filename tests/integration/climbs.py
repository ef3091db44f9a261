# SPDX-License-Identifier: Apache-2.0
"""Programs that take memory in known ways under a limit (tests/targets/climb), and what `ullage watch` says of them."""
import calendar
import contextlib
import functools
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from ullagetest import *

MIB = 1 << 20


def climbs():
    """name: (version, variant, limit, sort, arguments, environment, seconds)"""
    runs = {}

    def add(name, version, limit, sort, life, env=None, variant="plain", start=0, still=None, **args):
        words = [word for k, v in args.items() for word in (f"-{k}", str(v if isinstance(v, str) else int(v)))]
        runs[name] = dict(version=version, variant=variant, limit=limit * MIB, sort=sort, words=words, env=env or {},
                          seconds=life, start=start, still=still)

    for limit in (64, 256, 1024):
        for life in (20, 60, 150):
            rate = limit * MIB / (life + 1.5)
            for version in ("1.19", "1.24", "1.27"):
                add(f"line-{limit}-{life}-{version}", version, limit, "leaks", 2 * life, kind="line", rate=rate)
            add(f"line-garbage-{limit}-{life}", "1.24", limit, "leaks", 2 * life, kind="line", rate=rate / 2, garbage=rate * 2)
            add(f"mmap-{limit}-{life}", "1.24", limit, "leaks", 2 * life, kind="mmap", rate=rate)
            add(f"goroutines-{limit}-{life}", "1.27", limit, "leaks", 2 * life, kind="goroutines", rate=rate)
            add(f"slice-{limit}-{life}", "1.24", limit, "leaks", 4 * life, kind="slice", rate=rate / 4)
            add(f"map-{limit}-{life}", "1.24", limit, "leaks", 4 * life, kind="map", rate=rate / 4)
            add(f"map-{limit}-{life}-1.19", "1.19", limit, "leaks", 4 * life, kind="map", rate=rate / 4)
            add(f"steps-{limit}-{life}", "1.24", limit, "leaks", 4 * life, kind="steps", rate=rate / 4)
    for limit in (64, 512):
        for life in (20, 90):
            rate = limit * MIB / (life + 2)
            add(f"malloc-{limit}-{life}", "1.19", limit, "leaks", 2 * life, variant="cgo", kind="malloc", rate=rate)
            add(f"late-{limit}-{life}", "1.24", limit, "leaks", 2 * life + 60, start=30, kind="line", rate=0.75 * rate, after="30s",
                base=limit * MIB / 10, garbage=4 * MIB)
            add(f"late-mmap-{limit}-{life}", "1.27", limit, "leaks", 2 * life + 60, start=30, kind="mmap", rate=0.75 * rate, after="30s",
                base=limit * MIB / 10, garbage=4 * MIB)
            for every in (1, 5):
                add(f"lumps-{limit}-{life}-{every}", "1.24", limit, "leaks", 2 * life, kind="line", rate=rate, every=f"{every}s",
                    garbage=MIB)
            add(f"small-{limit}-{life}", "1.27", limit, "leaks", 3 * life, kind="small", rate=rate, garbage=rate)
            add(f"small-{limit}-{life}-1.19", "1.19", limit, "leaks", 3 * life, kind="small", rate=rate, garbage=MIB)
            add(f"pool-{limit}-{life}", "1.24", limit, "leaks", 2 * life, kind="pool", rate=rate, burst=limit * MIB / 16)
            add(f"faster-{limit}-{life}", "1.24", limit, "leaks", 2 * life, kind="mmap", curve="faster", rate=rate / 2)
            add(f"after-warm-up-{limit}-{life}", "1.27", limit, "leaks", 2 * life + 60, start=30, kind="line", rate=rate / 2, after="30s",
                base=limit * MIB / 4, garbage=limit * MIB / 20)
            add(f"hungry-{limit}-{life}", "1.21", limit, "leaks", 2 * life, kind="line", rate=rate / 2, garbage=rate * 20)
        for seconds in (10, 60):
            for kind, version in (("map", "1.19"), ("map", "1.24"), ("slice", "1.27"), ("steps", "1.27")):
                share = 0.2
                add(f"filled-{kind}-{limit}-{seconds}-{version}", version, limit, "harmless", 150, kind=kind,
                    rate=share * limit * MIB / seconds, plateau=share * limit * MIB)
            add(f"s-{limit}-{seconds}", "1.24", limit, "harmless", 150, kind="mmap", curve="s", rate=0.7 * limit * MIB / seconds,
                plateau=0.7 * limit * MIB)
            add(f"s-heap-{limit}-{seconds}", "1.24", limit, "harmless", 150, kind="line", curve="s",
                rate=0.35 * limit * MIB / seconds, plateau=0.35 * limit * MIB, garbage=limit * MIB / 20)
            add(f"slower-{limit}-{seconds}", "1.24", limit, "harmless", 150, kind="mmap", curve="slower",
                rate=0.74 * limit * MIB / seconds, plateau=0.74 * limit * MIB)
        add(f"kept-burst-{limit}", "1.24", limit, "harmless", 150, kind="line", after="20s", rate=0.5 * limit * MIB / 3,
            plateau=0.36 * limit * MIB, base=limit * MIB / 50, garbage=limit * MIB / 50)
        for share in (0.25, 0.36):
            for seconds in (2, 8, 30, 90):
                rate = share * limit * MIB / seconds
                add(f"warm-{limit}-{share}-{seconds}", "1.24", limit, "harmless", 150, kind="line", curve="slower", rate=rate,
                    plateau=share * limit * MIB, garbage=share * limit * MIB / 10)
                if seconds < 10:
                    add(f"fill-{limit}-{share}-{seconds}", "1.27", limit, "harmless", 150, kind="line", rate=rate,
                        plateau=share * limit * MIB, garbage=share * limit * MIB / 10)
        for seconds in (4, 15, 50):
            add(f"teeth-{limit}-{seconds}", "1.24", limit, "harmless", 150, kind="teeth", burst=0.65 * limit * MIB,
                rate=0.65 * limit * MIB / seconds)
        for seconds in (6, 15):
            for version in ("1.19", "1.22", "1.27"):
                add(f"reload-{limit}-{seconds}-{version}", version, limit, "harmless", 200, kind="reload", burst=0.2 * limit * MIB,
                    rate=0.2 * limit * MIB / 2, period=f"{seconds}s")
        add(f"batch-{limit}", "1.27", limit, "harmless", 200, kind="burst", burst=0.3 * limit * MIB, rate=0.3 * limit * MIB / 10,
            period="50s", base=limit * MIB / 20, garbage=limit * MIB / 50)
        for seconds in (1, 5):
            add(f"burst-{limit}-{seconds}", "1.24", limit, "harmless", 150, kind="burst", burst=0.5 * limit * MIB,
                rate=0.5 * limit * MIB / seconds, period="40s", base=limit * MIB / 10)
        for garbage in (1, 8, 64):
            add(f"garbage-{limit}-{garbage}", "1.27", limit, "harmless", 150, kind="line", rate=limit * MIB, garbage=garbage * MIB,
                plateau=0.33 * limit * MIB)
        add(f"cache-{limit}", "1.24", limit, "harmless", 180, kind="cache", rate=limit * MIB / 20, plateau=1.5 * limit * MIB,
            file=f"/var/tmp/climb-cache-{limit}")
        for seconds in (25, 60):
            add(f"near-{limit}-{seconds}", "1.24", limit, "near", 120, still=0.9 * seconds, kind="mmap", rate=limit * MIB / seconds,
                plateau=0.88 * limit * MIB)
        add(f"gomemlimit-{limit}", "1.24", limit, "near", 120, still=40, env={"GOMEMLIMIT": str(int(0.85 * limit * MIB))},
            kind="line", rate=limit * MIB / 60, plateau=0.7 * limit * MIB, garbage=limit * MIB / 20)
    return runs


@functools.lru_cache(None)
def program(version, variant):
    """Where it is, built. In a virtual machine a copy on its disk: the host's files are so far away that pages of code come
    and go for half a minute before the kernel gives up and kills."""
    path = build(version, variant, "climb")
    if "ULLAGE_VM" not in os.environ:
        return path
    return shutil.copy(path, tempfile.mkdtemp(dir="/var/tmp"))


def start(run, group, *words):
    """The process, in a cgroup with its limit."""
    return subprocess.Popen([program(run["version"], run["variant"]), *words, *run["words"]], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE if words else subprocess.DEVNULL,
                            preexec_fn=group.enter, env={**os.environ, **run["env"]})


class Climb:
    """One that runs, and what was said of it."""

    def __init__(self, name, run):
        self.name, self.run = name, run
        self.group = Cgroup("ullage-climb", run["limit"])
        self.process = start(run, self.group)
        self.began, self.reached, self.ended = time.time(), None, None
        self.key, self.etas, self.events = None, [], []

    def look(self):
        """Whether it has reached its limit: the kernel may search for memory for seconds before it kills."""
        with contextlib.suppress(OSError):
            v1 = self.group.version == 1
            hits = self.group.read("memory.failcnt") if v1 else re.search(r"^max (\d+)", self.group.read("memory.events"), re.M)[1]
            if self.reached is None and int(hits):
                self.reached = time.time()

    def over(self):
        if self.ended is None and self.process.poll() is not None:
            self.ended = time.time()
        return self.ended is not None or time.time() - self.began > self.run["seconds"]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.group.close()

    def times(self, kind, name):
        """When such events were, in seconds since it began."""
        return [e["at"] - self.began for e in self.events if e["kind"] == kind and e["name"] == name]

    def life(self):
        """How long it grew until it was killed; None: it was not."""
        return None if self.ended is None else self.ended - self.began - self.run["start"]

    def asked(self):
        return min(60, self.life() / 2)

    def lead(self):
        """From the first warning to the kill; 0 without one."""
        warned = self.times("alarm", "oom_forecast")
        return self.life() + self.run["start"] - warned[0] if warned else 0

    def error(self):
        """The median error of the time left to the limit in the last minute, from when it could be known; None: not killed."""
        if self.ended is None:
            return None
        errors, end = [], self.reached or self.ended
        for at, eta in self.etas:
            left = end - at
            if 1 < left < min(60, 0.6 * (end - self.began - self.run["start"])):
                errors.append(9.99 if eta is None else abs(eta - left) / left)
        return statistics.median(errors) if errors else None

    def snapshot_before_the_end(self):
        return self.ended is not None and any(t < self.ended - self.began for t in self.times("snapshot", "snapshot"))

    def alarms(self):
        return len(self.times("alarm", "oom_forecast"))

    def other_alarms(self):
        return sorted({e["name"] for e in self.events if e["kind"] == "alarm"} - {"oom_forecast"})

    def withdrawn_after(self):
        """Seconds from when it levelled off until the last warning was withdrawn; None: there was none, or it still is up."""
        cleared = self.times("clear", "oom_forecast")
        if not self.alarms() or len(cleared) < self.alarms():
            return None
        return max(0, cleared[-1] - self.run["still"])


def moment(text):
    """RFC 3339, in UTC."""
    whole, fraction = text.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + fraction)


def watch_climbs(daemon, runs, together=24, bytes_together=8 << 30):
    """Runs them, as many at once as there is room for; a Climb for each."""
    waiting, running, done = dict(runs), [], []
    while waiting or running:
        while waiting and len(running) < together:
            name, run = next(iter(waiting.items()))
            if running and sum(c.run["limit"] for c in running) + run["limit"] > bytes_together:
                break
            running.append(Climb(name, waiting.pop(name)))
        rows = {t["pid"]: t for t in json.loads(daemon.get("/api/v1/targets")[1])["targets"]}
        for climb in [*running]:
            climb.look()
            row = rows.get(climb.process.pid)
            if row:
                climb.key = row["id"]
                climb.etas.append((time.time(), row["eta_seconds"]))
            if climb.over():
                running.remove(climb)
                done.append(climb)
                if climb.ended is not None:
                    climb.close()
        time.sleep(0.1)
    time.sleep(2)
    for climb in done:
        path = f"/api/v1/events?limit=1000&target={climb.key}"
        climb.events = json.loads(daemon.get(path)[1])["events"] if climb.key else []
        for event in climb.events:
            event["at"] = moment(event["time"])
        climb.close()
    return done
