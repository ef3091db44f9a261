# SPDX-License-Identifier: Apache-2.0
"""Types of heap objects: exact numbers of a target that knows them, in stripped binaries of every version."""
from account import settle
from ullagetest import *

VERSIONS = ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"]
TYPED = {"1.19": 0.7, "1.21": 0.7}  # what is promised; 0.95 elsewhere


def types_of(pid):
    owners = ullage_json("owners", pid, "--by", "type", "--top", 100000)
    return owners, {row["type"]: row for row in owners["types"]}


def check_known(version, variant, program="typed"):
    with go_target(version, variant, program=program) as target:
        known = target.known()
        settle(target)  # the stack of a goroutine that still runs is not read
        owners, types = types_of(target.pid)
        figure("typed bytes of reachable", program, f"{version} {variant}", owners["typed_ratio"])
        found = {name: types[name]["objects"] if name in types else 0 for name in known}
        # the parts of a map or a channel count as objects of its type
        wrong = {name: (found[name], count) for name, count in known.items()
                 if (found[name] < count if name.startswith(("map", "chan")) else found[name] != count)}
        check(not wrong, f"types with other numbers than (found, held): {wrong}")
        check(owners["typed_ratio"] >= 0.95, f"only {owners['typed_ratio']:.1%} of bytes have a type")


@test(each=VERSIONS)
def numbers_of_known_types(version):
    check_known(version, "stripped")


@test(each=[("1.24", "noswissmap"), ("1.25", "noswissmap"), ("1.22", "noallocheaders"), ("1.25", "greentea"),
            ("1.27", "nogreentea"), ("1.26", "pie"), ("1.19", "cgopie")])
def numbers_in_other_builds(version, variant):
    check_known(version, variant)


@test(each=VERSIONS)
def what_only_stacks_hold_has_a_type(version):
    check_known(version, "stripped", "framed")


@test(each=VERSIONS)
def most_bytes_have_a_type(version):
    """The mixture of the other tests: a map, slices of slices, a list that a global holds by its head, large arrays."""
    with go_target(version, "stripped", "-heap", 32 << 20, program="truth") as target:
        owners, _ = types_of(target.pid)
        figure("typed bytes of reachable", "truth", f"{version} stripped", owners["typed_ratio"])
        check(owners["typed_ratio"] >= TYPED.get(version, 0.95), f"{owners['typed_ratio']:.1%} of bytes have a type")


@test(each=VERSIONS)
def what_functions_return_has_a_type(version):
    """Nodes that a function returns, half of them in a list that a global holds; no heap profile is linked in."""
    with go_target(version, "stripped", "-nodes", 20000, program="hp") as target:
        owners, types = types_of(target.pid)
        figure("typed bytes of reachable", "hp", f"{version} stripped", owners["typed_ratio"])
        check(owners["typed_ratio"] >= 0.95, f"{owners['typed_ratio']:.1%} of bytes have a type")
        equal("nodes", types["main.node"]["objects"], 20000)
        equal("meta", types["main.meta"]["objects"], 20000)


@test(each=["1.19", "1.22", "1.24", "1.25", "1.27"])
def debug_information_agrees(version):
    """The same program with debug information and without: the same numbers, and no fewer bytes with a type."""
    found = {}
    for variant in ["plain", "stripped"]:
        with go_target(version, variant, program="typed") as target:
            known = target.known()
            owners, types = types_of(target.pid)
            # how many parts a map has depends on its seed
            found[variant] = {name: types[name]["objects"] if name in types else 0 for name in known
                              if not name.startswith("map")}
            found[variant + " ratio"] = owners["typed_ratio"]
            figure("typed bytes of reachable", f"typed, {variant}", version, owners["typed_ratio"])
    equal("numbers of objects", found["plain"], found["stripped"])
    check(found["plain ratio"] >= found["stripped ratio"] - 0.001, f"fewer bytes with debug information: {found}")
