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
