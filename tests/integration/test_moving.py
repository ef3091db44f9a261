# SPDX-License-Identifier: Apache-2.0
"""A target that allocates while it is read, is stopped for it, is signalled, ends or becomes another program."""
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from account import *

RUNS = 100
SPANS = 30000
VERSIONS_HERE = ["1.19", "1.22", "1.26", "1.27"]
# runtime.gcControllerState.heapInUse, from the toolchains' debug information
HEAP_IN_USE = {"1.19": 304, "1.22": 272, "1.26": 272, "1.27": 272}


class Counter:
    """gcController.heapInUse of a target that is neither stripped nor PIE, read past the tool."""

    def __init__(self, pid, version):
        symbols = run(["nm", build(version, "plain")]).out
        base = re.search(r"^([0-9a-f]+) . runtime\.gcController$", symbols, re.M).group(1)
        self.at = int(base, 16) + HEAP_IN_USE[version]
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        at_end(self.close)

    def read(self):
        return int.from_bytes(os.pread(self.memory, 8, self.at), "little")

    def close(self):
        if self.memory >= 0:
            os.close(self.memory)
            self.memory = -1


def churning(version, heap):
    return go_target(version, "plain", "-heap", heap, "-churn", 3)


def account_and_counter(pid, counter):
    """One account, and what heapInUse was meanwhile: first, last, and about every half millisecond."""
    values = [counter.read()]
    process = subprocess.Popen([ULLAGE, "map", str(pid), "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    at_end(process.kill)
    os.set_blocking(process.stdout.fileno(), False)
    text = b""
    while process.poll() is None:
        values.append(counter.read())
        time.sleep(0.0005)
        text += process.stdout.read() or b""
    text += process.stdout.read() or b""
    process.stdout.close()
    values.append(counter.read())
    equal("status", process.returncode, 0)
    return json.loads(text), values


@test(each=VERSIONS_HERE, tries=2)
def allocating_without_a_stop(version):
    """A collection that ends meanwhile leads out of the interval of the two ends, so all values count as well."""
    with churning(version, 192 << 20) as target:
        counter = Counter(target.pid, version)
        of_ends, of_all, bounds = [], [], []
        for _ in range(RUNS):
            account, values = account_and_counter(target.pid, counter)
            check_moving(account)
            equal("stopped_ms", account["stopped_ms"], 0)
            within("goroutines", account["runtime"]["goroutines"], 16 + 3 + 1, 16 + 3 + 3)
            measured = account["runtime"]["heap_inuse_bytes"]
            of_ends.append(outside(measured, *sorted([values[0], values[-1]])))
            of_all.append(outside(measured, min(values), max(values)))
            bounds.append(account["error_bound_bytes"] / measured)
        equal("tracer", status(target.pid, "TracerPid"), 0)
    table = f"span sum without a stop, distance to heapInUse before and after, {RUNS} runs"
    figure(table, version, "median", median(of_ends))
    figure(table, version, "largest", max(of_ends))
    figure(table, version, "median, to all values between", median(of_all))
    figure(table, version, "largest, to all values between", max(of_all))
    figure(table, version, "median of error_bound", median(bounds))
    check(median(of_all) <= 0.001, f"the median is {median(of_all):.4f} off all values")


def was_late(account):
    return any("budget was over before" in note for note in account["notes"])


def check_stop(account, budget):
    """A machine may be too busy to let the target go in time: then that is said."""
    if account["stopped_ms"] > budget:
        check(any("longer than the budget" in n for n in account["notes"]), f"held for {account['stopped_ms']} ms, and no note")


@test(each=VERSIONS_HERE, tries=2, alone=True)  # held for milliseconds
def allocating_with_a_stop(version):
    with churning(version, 180 << 20) as target:
        rows = [ullage_json("map", target.pid, "--stop") for _ in range(40)]
        equal("tracer", status(target.pid, "TracerPid"), 0)
        check(running(target), "the target does not go on")
    for account in rows:
        check_moving(account)
        check_stop(account, 20)
    held = [account for account in rows if account["stopped_ms"] > 0]
    stops = [account["stopped_ms"] for account in held]
    spans = [account["runtime"]["spans"] for account in held]
    whole = [account for account in held if not was_late(account)]  # what is copied late is of a target that runs
    errors = [relative_error(account["runtime"]["heap_inuse_bytes"], account["runtime"]["heap_inuse_counter_bytes"])
              for account in whole]
    check(errors, f"no copy was made within the budget: {rows[-1]['notes']}")
    figure("span sum with a stop, largest error", version, "plain", max(errors))
    figure("stop at SPANS spans, ms", version, "median", median(stops))
    figure("stop at SPANS spans, ms", version, "longest", max(stops))
    figure("stop at SPANS spans, ms", version, "SPANS", median(spans))
    figure("stop at SPANS spans, ms", version, "refused", len(rows) - len(held))
    figure("stop at SPANS spans, ms", version, "late", len(held) - len(whole))
    check(len(held) >= len(rows) * 9 // 10, f"only {len(held)} of {len(rows)} were stopped: {rows[-1]['notes']}")
    check(median(spans) >= SPANS, f"only {median(spans)} spans")
    # a thread may be held between the two updates of one span, of at most 72 KiB here
    check(sorted(errors)[len(errors) * 9 // 10] <= 1e-4, f"the ninth decile is {sorted(errors)[-5:]} off")
    check(max(errors) <= 4 * 1e-4, f"{max(errors):.6f} off")


def running(target):
    """The churning threads use the processor again, as soon as others let them."""
    before = processor_time(target.pid)
    for _ in range(40):
        time.sleep(0.05)
        if processor_time(target.pid) - before > 20e6:
            return True
    return False


@test
def a_budget_is_kept():
    """A stop that cannot be long enough is given up, and said."""
    with churning("1.26", 420 << 20) as target:
        for _ in range(10):
            account = ullage_json("map", target.pid, "--stop=1")
            check_moving(account)
            check_stop(account, 1)
            check(was_late(account) or "not stopped" in str(account["notes"]), f"45,000 spans in a millisecond: {account}")
        check(running(target), "the target does not go on")


@test
def signals_get_through_a_stop():
    for _ in range(10):
        with churning("1.26", 16 << 20) as target:
            reader = threading.Thread(target=ullage, args=("map", target.pid, "--stop"), kwargs={"expect": None})
            reader.start()
            time.sleep(random.uniform(0, 0.03))
            target.signal(signal.SIGTERM)
            equal("end", target.process.wait(10), -signal.SIGTERM)
            reader.join()


@test(tries=2)
def an_interrupted_stop_lets_the_target_go():
    """The tool is killed, with no chance to clean up."""
    with churning("1.26", 200 << 20) as target:
        for number in [signal.SIGKILL, signal.SIGINT, signal.SIGTERM] * 5:
            process = subprocess.Popen([ULLAGE, "map", str(target.pid), "--stop"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.03))
            process.send_signal(number)
            process.wait(10)
            equal("tracer", status(target.pid, "TracerPid"), 0)
            check(running(target), "the target does not go on")


def changing(target, change, *options):
    """Map while something happens to the target; only the documented ends."""
    timer = threading.Timer(random.uniform(0, 0.03), change)
    timer.start()
    result = ullage("map", target.pid, *options, "--json", expect=None)
    timer.join()
    check(result.status in (0, 3), f"status {result.status}: {result.err}")
    if result.status == 0:
        account = json.loads(result.out)
        check_schema_of_any(account)
        check_moving(account)
    else:
        one_sentence(result.err)


def check_schema_of_any(account):
    """A target that is no longer Go has no Go part."""
    if account["go"] and account["runtime"]:
        check_schema(account)


@test(each=["kill", "exit"], tries=2)
def ending_while_stopped(how):
    for _ in range(20):
        with churning("1.26", 16 << 20) as target:
            changing(target, target.process.kill if how == "kill" else lambda t=target: t.send("exit"), "--stop")


@test(each=["self", "sleep"], tries=2)
def becoming_another_program_while_stopped(what):
    for _ in range(20):
        with go_target("1.26", "stripped", program="selfexec") as target:
            changing(target, lambda t=target: t.send(what), "--stop")
            check(status(target.pid, "TracerPid") == 0, "still traced")
