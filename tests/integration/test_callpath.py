# SPDX-License-Identifier: Apache-2.0
"""Call paths from C into Go and back, of threads that wait in known places: every frame is right, or said to be unknown."""
import re
import subprocess

from ullagetest import *

PROBE = os.path.join(ROOT, "build", "tests", "probes", "watch_paths")
UNKNOWN = "(unknown)"
CGO = [r"_cgo_\w+_Cfunc_\w+", r"runtime\.asmcgocall", r"runtime\.cgocall"]
WAIT = [r"__libc_read|read", r"wait_here"]
GOROUTINE = [r"main\.locked\.func1", r"runtime\.goexit"]
HIDDEN = r"[\w.-]+\+0x[0-9a-f]+"  # a function without a name

# By the Go function or C function that tells the thread: the whole path, innermost first.
PATHS = {
    "main.plainC": WAIT + ["c_leaf", "c_middle", "c_outer"] + CGO + [r"main\._Cfunc_c_outer", r"main\.plainC"],
    "main.inlinedC": WAIT + ["c_leaf", "c_middle", "c_outer"] + CGO + [r"main\._Cfunc_c_outer", r"main\.small",
                                                                     r"main\.inlinedC", r"main\.main\.func1"],
    "main.scratchC": WAIT + ["scratch_wait", "c_scratch"] + CGO + [r"main\._Cfunc_c_scratch", r"main\.scratchC"],
    "main.sortC": WAIT + [HIDDEN + "|compare", HIDDEN + r"|msort_with_tmp.*", HIDDEN + r"|msort_with_tmp.*", "qsort_r",
                          "sort_wait"] + CGO + [r"main\._Cfunc_sort_wait", r"main\.sortC"],
    "main.templates": WAIT + [r"waiting<double>::allocate", r"std::allocator_traits<waiting<double> >::allocate",
                              r"std::_Vector_base<double, waiting<double> >::_M_allocate",
                              r"std::vector<double, waiting<double> >::_M_default_append",
                              r"std::vector<double, waiting<double> >::resize", r"shapes::bag<double>::grow", "cxx_wait"] + CGO + [r"main\._Cfunc_cxx_wait", r"main\.templates"],
    "main.inSyscall": [r".*syscall(/linux)?\.Syscall6", r"syscall\.RawSyscall6", r"syscall\.Syscall", r"main\.inSyscall"],
}


def paths_of(pid, *options):
    """[(whole, [function...])] of the threads."""
    done = subprocess.run([PROBE, str(pid), *options], stdout=subprocess.PIPE, check=True, text=True, timeout=60)
    threads = []
    for line in done.stdout.splitlines():
        if line.startswith("thread"):
            threads.append((line.split()[3] == "whole", []))
        elif line.startswith("\t"):
            threads[-1][1].append(line.split("\t")[1])
    return threads


def thread_with(threads, *functions):
    found = [t for t in threads if all(f in t[1] for f in functions)]
    equal(f"threads with {functions}", len(found), 1)
    return found[0]


def follows(name, path, patterns):
    check(len(path) == len(patterns) and all(re.fullmatch(p, f) for p, f in zip(patterns, path)),
          f"{name}: {path} is not {patterns}")


def unnamed(pattern):
    """What is left of a pattern where the program has no symbols of its own C functions."""
    return f"{pattern}|{HIDDEN}" if re.match(r"c_|_cgo_", pattern) else pattern


def waiting(pid):
    """The threads, once all of them are where they wait: five by Go, three by callbacks, one of C, one in Go."""
    for _ in range(200):
        threads = paths_of(pid)
        in_c = sum(bool(len(t[1]) > 1 and re.fullmatch(WAIT[0], t[1][0]) and t[1][1] == WAIT[1]) for t in threads)
        in_go = sum("main.inSyscall" in t[1] and t[1][0].endswith("Syscall6") for t in threads)
        if (in_c, in_go) == (9, 1):
            return threads
        time.sleep(0.1)
    raise AssertionError(f"the threads of the target do not arrive: {threads}")


@test(each=[("1.19", "cgo"), ("1.21", "cgo"), ("1.24", "cgopie"), ("1.27", "cgo"), ("1.27", "cgopie")])
def paths_are_whole_and_right(version, variant):
    with go_target(version, variant, program="crossing") as target:
        threads = waiting(target.pid)
        for name, patterns in PATHS.items():
            whole, path = thread_with(threads, name)
            if variant == "cgopie":
                patterns = [unnamed(p) for p in patterns]
            follows(name, path, patterns + GOROUTINE)
            check(whole, f"{name} is not whole")


# Of a callback: from C to Go, and of C from Go again.
TO_C = CGO + [r"main\._Cfunc_wait_below", r"main\.goDeepest", r"main\.goBack"]
TO_GO = [r"_cgoexp_\w+_goBack", r"runtime\.cgocallbackg1", r"runtime\.cgocallbackg", r"runtime\.cgocallback", "crosscall2",
         "goBack|" + HIDDEN, HIDDEN, "call_go"]
CALL_GO = CGO + [r"main\._Cfunc_call_go"]
AGAIN = TO_GO + CALL_GO + [r"main\.goBack"]


@test(each=["1.21", "1.23", "1.25", "1.27"])
def callbacks_are_followed_to_whoever_called(version):
    with go_target(version, "cgo", program="crossing") as target:
        threads = [t for t in waiting(target.pid) if "main.goDeepest" in t[1]]
        innermost_part = WAIT + ["wait_below"] + TO_C
        outermost = {
            "main.callback": TO_GO + CALL_GO + [r"main\.callback"] + GOROUTINE,
            "main.nested": AGAIN + AGAIN + TO_GO + CALL_GO + [r"main\.nested"] + GOROUTINE,
        }
        for name, patterns in outermost.items():
            whole, path = thread_with(threads, name)
            follows(name, path, innermost_part + patterns)
            check(whole, f"{name} is not whole")
        others = [t for t in threads if not any(name in t[1] for name in outermost)]
        equal("threads of C that called Go", len(others), 1)
        whole, path = others[0]
        if whole:
            follows("a thread of C", path, innermost_part + TO_GO + [HIDDEN, HIDDEN + "|start_thread", HIDDEN + "|.*clone3?"])
        else:
            follows("a thread of C", path[:len(innermost_part + TO_GO[:4])], innermost_part + TO_GO[:4])
            equal("the last frame", path[-1], UNKNOWN)


@test
def a_callback_of_an_old_version_is_unknown_beyond_it():
    with go_target("1.19", "cgo", program="crossing") as target:
        threads = [t for t in waiting(target.pid) if "main.goDeepest" in t[1]]
        equal("threads that came by a callback", len(threads), 3)
        for whole, path in threads:
            patterns = WAIT + ["wait_below"] + TO_C + TO_GO[:4]
            follows("the end of a callback", path[:len(patterns)], patterns)
            equal("whole, with frames that are unknown", (whole, UNKNOWN in path), (UNKNOWN not in path, not whole))


@test
def a_thread_of_c_is_c_to_its_end():
    with go_target("1.24", "cgo", program="crossing") as target:
        threads = [t for t in waiting(target.pid) if "wait_below" in t[1] and "main.goBack" not in t[1]]
        equal("threads of C alone", len(threads), 1)
        whole, path = threads[0]
        follows("it", path, WAIT + ["wait_below", HIDDEN, HIDDEN + "|start_thread", HIDDEN + r"|__clone3|clone3"])
        check(whole, "it is not whole")


@test(each=["1.19", "1.27"])
def without_a_copy_nothing_is_guessed(version):
    """Frame pointers alone: what C code skips is marked, and the Go part is right all the same."""
    with go_target(version, "cgo", program="crossing") as target:
        waiting(target.pid)
        threads = paths_of(target.pid, "-b", "0")
        for name, patterns in PATHS.items():
            if name == "main.inSyscall":
                continue
            whole, path = thread_with(threads, name)
            check(not whole and UNKNOWN in path, f"{name}: {path} is said to be whole")
            go = [p for p in patterns if p.startswith("main")] + GOROUTINE
            follows(name, path[-len(go):], go)
            allowed = "|".join(patterns + GOROUTINE + [re.escape(UNKNOWN)])
            check(all(re.fullmatch(allowed, f) for f in path), f"{name}: {path} has a frame that was never there")


@test
def a_library_that_was_deleted_or_replaced_is_known_as_it_is_mapped():
    """Its file is the mapped one, not what has its name now."""
    built = build("1.27", "cgo", "crossing")
    directory = tempfile.mkdtemp(prefix="ullage-")
    at_end(shutil.rmtree, directory, True)
    for library in glob.glob(built + ".lib/*.so"):
        shutil.copy(library, directory)
    with go_target("1.27", "cgo", program="crossing", env={**os.environ, "LD_LIBRARY_PATH": directory}) as target:
        waiting(target.pid)
        os.remove(os.path.join(directory, "libnofp.so"))
        os.rename(os.path.join(directory, "libcxx.so"), os.path.join(directory, "libnofp.so"))
        threads = waiting(target.pid)
        for name in ("main.scratchC", "main.templates"):
            whole, path = thread_with(threads, name)
            follows(name, path, PATHS[name] + GOROUTINE)
            check(whole, f"{name} is not whole")


@test
def c_code_has_lines_where_it_has_debug_information():
    with go_target("1.27", "cgo", program="crossing") as target:
        waiting(target.pid)
        done = subprocess.run([PROBE, str(target.pid)], stdout=subprocess.PIPE, check=True, text=True, timeout=60)
        places = {tuple(line.split("\t")[1:3]) for line in done.stdout.splitlines() if line.startswith("\t")}
        source = open(os.path.join(TARGETS, "crossing", "main.go"), encoding="utf-8").read().splitlines()
        for function in ("c_leaf", "c_middle", "c_outer"):
            line = next(i for i, text in enumerate(source, 1) if f" {function}(int fd)" in text)
            found = [place for name, place in places if name == function]
            check(len(found) == 1 and found[0].endswith(f"crossing/main.go:{line}"), f"{function} is at {found}, not {line}")
        grow = [place for name, place in places if name == "shapes::bag<double>::grow"]
        check(len(grow) == 1 and re.search(r"lib/cxx\.cc:\d+$", grow[0]), f"a template's function is at {grow}")


@test
def what_a_stack_costs():
    with go_target("1.27", "cgo", program="crossing") as target:
        waiting(target.pid)
        done = subprocess.run([PROBE, str(target.pid), "-r"], stdout=subprocess.PIPE, check=True, text=True, timeout=60)
        costs = re.findall(r"cost ([\d.]+) us first, ([\d.]+) us again", done.stdout)
        again = max(float(a) for _, a in costs)
        figure("cost of a stack, us", "first", "median", median(float(f) for f, _ in costs))
        figure("cost of a stack, us", "again", "largest", again)
        within("the cost of a stack seen before, us", again, 0, 25)
