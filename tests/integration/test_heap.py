# SPDX-License-Identifier: Apache-2.0
"""The heap profile, read from outside, against the one that the program writes itself."""
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
    """The values of each bucket: of its stack, with the addresses, and the size of its objects."""
    sums = collections.defaultdict(lambda: [0, 0, 0, 0])
    for s in profile.samples:
        for i, v in enumerate(s.values):
            sums[s.stack, s.addresses, dict(s.labels).get("bytes")][i] += v
    # without any value: buckets that are as old as the next collection, and have no size in old versions' profiles
    return {key: tuple(values) for key, values in sums.items() if any(values)}


def same(name, measured, truth):
    for key in truth.keys() | measured.keys():
        if measured.get(key) != truth.get(key):
            raise AssertionError(f"{name}: {measured.get(key)}, not {truth.get(key)} at {key}; "
                                 f"{len(measured)} buckets, not {len(truth)}")


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
    equal("types", read.types, own.types)
    equal("default type", read.default_type, "inuse_space")
    equal("period", (read.period, own.period), (rate, rate))
    return len(buckets(own))


@test(each=[(v, "stripped") for v in VERSIONS] + [("1.19", "pie"), ("1.23", "cgo"), ("1.25", "greentea"),
                                                  ("1.26", "nogreentea"), ("1.27", "cgopie"), ("1.24", "nosect")])
def the_same_as_the_programs_own(version, variant):
    """Bucket by bucket, all four values, at three rates; again after another collection."""
    for rate in 1, 512, 512 << 10:
        with start(version, variant, "-profrate", rate, "-stacks", 512) as target:
            n = check_identical(f"rate {rate}", target, rate)
            figure("buckets with identical values", f"go{version} {variant}", f"rate {rate}", n)
            target.ask("gc")
            check_identical(f"rate {rate}, after a collection", target, rate)


@test(each=[("1.19", "stripped"), ("1.23", "stripped"), ("1.27", "pie")])
def before_the_first_collection(version, variant):
    """Nothing is published: the runtime then gives all cycles, and so do we, before and after it looked itself."""
    with start(version, variant, "-profrate", 64, "-gc", 0, "-stacks", 64) as target:
        own_code = lambda found: {k: v for k, v in found.items() if not any("pprof" in f[0] for f in k[0])}
        before = buckets(pprofproto.read(emitted(target)))
        own = buckets(written(target))
        check(len(before) > 40, f"only {len(before)} buckets")
        # to write a profile it allocates: that is the program's own business, and new
        same("what is ours", {k: v for k, v in own_code(before).items() if k in own},
             {k: v for k, v in own_code(own).items() if k in before})
        equal("buckets that are missing", [k for k in own_code(before) if k not in own], [])
        same("after it looked", buckets(pprofproto.read(emitted(target))), own)


main()
