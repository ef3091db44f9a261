# SPDX-License-Identifier: Apache-2.0
"""What several test files here share, with all of ullagetest."""
import os
import re

from ullagetest import *


def small():
    return go_target("1.24", "stripped", program="minimal")


def one_sentence(text):
    """One line that says what is wrong, and nothing that looks like a crash."""
    lines = text.strip().splitlines()
    check(len(lines) == 1, f"not one line: {text!r}")
    check(re.match(r"ullage( [a-z]+)?: ", lines[0]), f"does not say who speaks: {text!r}")
    check(not re.search(r"[\x00-\x1f\x7f]", lines[0]), f"control characters: {text!r}")


def has_fields(name, row, fields):
    missing = set(fields.split()) - set(row)
    check(not missing, f"{name} lacks {sorted(missing)}")


def root_only():
    if os.geteuid() != 0:
        skip("only root may become another user")


def account_adds_up(account):
    equal("sum of the classes", sum(r["resident_bytes"] for r in account["classes"]) - account["rss_bytes"], 0)


def installed():
    """A directory with what `meson install` makes of this build, removed at the end of the test; and the prefix in it."""
    directory = os.path.dirname(ULLAGE)
    if not shutil.which("meson") or not os.path.exists(os.path.join(directory, "build.ninja")):
        skip("this program was not built here")
    place = tempfile.mkdtemp(prefix="ullage-installed-")
    at_end(shutil.rmtree, place, True)
    os.chmod(place, 0o755)
    done = run(["meson", "install", "-C", directory, "--no-rebuild", "--destdir", place])
    equal("meson install", (done.status, done.status and done.out + done.err), (0, 0))
    with open(os.path.join(directory, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
        return place, [o["value"] for o in json.load(f) if o["name"] == "prefix"][0]
