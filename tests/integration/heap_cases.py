# SPDX-License-Identifier: Apache-2.0
"""The heap profile that a program writes itself, and the one that is read from outside, bucket by bucket."""
import collections
import os
import tempfile

import pprofproto
from ullagetest import *


def start(version, variant, *args, **keywords):
    return go_target(version, variant, *args, program="profiled", **keywords)


def path_for(name):
    directory = tempfile.mkdtemp(prefix="ullage-heap-")
    at_end(shutil.rmtree, directory, True)
    return os.path.join(directory, name)


def written(target):
    """The program's own profile. Writing it allocates, but with the collector off nothing of that is published."""
    path = path_for("own.pb.gz")
    equal("answer", target.ask(f"write {path}"), "ok")
    return pprofproto.read(path)


def buckets(profile):
    """The values of each bucket: of its stack, with the addresses, and the size of its objects.

    Without the files: Go's profiles have one for each function, the one that it was seen in first, and init functions
    are made of several files (debug=1 has the right one).
    """
    sums = collections.defaultdict(lambda: [0, 0, 0, 0])
    for s in profile.samples:
        stack = tuple((function, line, inlined) for function, _, line, inlined in s.stack)
        for i, v in enumerate(s.values):
            sums[stack, s.addresses, dict(s.labels).get("bytes")][i] += v
    # without any value: buckets that are as old as the next collection, and have no size in old versions' profiles
    return {key: tuple(values) for key, values in sums.items() if any(values)}


def same(name, measured, truth):
    for key in truth.keys() | measured.keys():
        if measured.get(key) != truth.get(key):
            raise AssertionError(f"{name}: {measured.get(key)}, not {truth.get(key)} at {key}; "
                                 f"{len(measured)} buckets, not {len(truth)}")


def same_files(read, own):
    """The file that Go names for a function is among those that we do."""
    ours, theirs = collections.defaultdict(set), collections.defaultdict(set)
    for files, profile in ((ours, read), (theirs, own)):
        for s in profile.samples:
            for function, file, _, _ in s.stack:
                files[function].add(file)
    for function in theirs.keys() & ours.keys():
        check(theirs[function] & ours[function], f"{function} is in {ours[function]}, not {theirs[function]}")


def emitted(target, *args):
    path = path_for("ullage.pb.gz")
    ullage("heap", target.pid, "--pprof", path, *args)
    return path


def check_identical(name, target, rate):
    own = written(target)
    target.signal(signal.SIGSTOP)
    read = pprofproto.read(emitted(target))
    target.signal(signal.SIGCONT)
    same(name, buckets(read), buckets(own))
    same_files(read, own)
    equal("types", read.types, own.types)
    equal("default type", read.default_type, "inuse_space")
    equal("period", (read.period, own.period), (rate, rate))
    return len(buckets(own))
