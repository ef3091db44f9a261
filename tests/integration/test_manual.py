# SPDX-License-Identifier: Apache-2.0
"""The manual page and --help say the same."""
import glob
import re

from common import *

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z])(?![\w-])")


def commands():
    """Names in the list that `ullage help` prints."""
    return re.findall(r"^  ([a-z-]+)  +\S", ullage("help").out, re.M)


def manual():
    """{command: its text}: sections of docs/man/*.scd, by headings or one page for each command."""
    pages = {}
    for path in glob.glob(os.path.join(ROOT, "docs", "man", "*.scd")):
        with open(path, encoding="utf-8") as f:
            pages[os.path.basename(path).split(".")[0]] = f.read()
    return pages


def plain(text):
    """scdoc source without its marks."""
    return re.sub(r"\\(.)", r"\1", re.sub(r"[*_]([^*_\n]+)[*_]", r"\1", text))


@test
def every_option_of_help_is_in_the_manual():
    text = plain("\n".join(manual().values()))
    known = set(OPTION.findall(text))
    for command in commands():
        check(re.search(rf"\b{command}\b", text), f"the manual does not know {command}")
        missing = set(OPTION.findall(ullage("help", command).out)) - known
        check(not missing, f"options of {command} that the manual lacks: {sorted(missing)}")


@test
def every_option_of_the_manual_is_in_help():
    known = set(OPTION.findall("\n".join(ullage("help", c).out for c in commands()) + ullage("help").out))
    for name, text in manual().items():
        missing = set(OPTION.findall(plain(text))) - known
        check(not missing, f"options of {name} that no command knows: {sorted(missing)}")


@test
def the_manual_is_well_formed():
    for path in glob.glob(os.path.join(ROOT, "docs", "man", "*.scd")):
        with open(path, encoding="utf-8") as f:
            page = subprocess.run(["scdoc"], stdin=f, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        equal(f"scdoc on {path}", page.stderr.decode(), "")
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page.stdout, check=False,
                              stdout=subprocess.PIPE)
        wrong = [line for line in lint.stdout.decode().splitlines() if "paragraph macro" not in line]  # scdoc's habit
        equal(f"mandoc on {path}", wrong, [])


@test
def every_exit_status_is_in_the_manual():
    text = plain("\n".join(manual().values()))
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 70):
        check(re.search(rf"^\W*{number}\b", text, re.M), f"exit status {number} is not explained")
