# SPDX-License-Identifier: Apache-2.0
"""What the tools/check-* scripts share: the files, the code without comments, and how to report."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_problems = []


def problem(path, line, text):
    _problems.append(f"{path}:{line}: {text}")


def finish(what):
    """Print the problems and end: 1 when there are any."""
    for line in _problems:
        print(line)
    print(f"{what}: {len(_problems)} problems")
    sys.exit(1 if _problems else 0)


def tracked():
    """Files of the project, relative to ROOT: what git knows or would add; without git, all."""
    git = subprocess.run(["git", "-C", ROOT, "ls-files", "-zco", "--exclude-standard"], check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if git.returncode == 0:
        names = git.stdout.split("\0")
    else:
        names = [os.path.relpath(os.path.join(d, f), ROOT) for d, _, files in os.walk(ROOT) for f in files]
    return sorted(n for n in names if not n.startswith("build") and os.path.isfile(os.path.join(ROOT, n)))


def sources(suffixes=(".c", ".h"), under="src/"):
    return [n for n in tracked() if n.startswith(under) and n.endswith(suffixes)]


def room(path):
    """Second part of src/<room>/..., or None outside."""
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def is_test(path):
    return os.path.basename(path).startswith("test_") or path.startswith("tests/")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(text):
    """The text with comments and literals blanked; line numbers stay."""
    return _NOT_CODE.sub(lambda m: m[0][0] + re.sub(r"[^\n]", " ", m[0][1:-1]) + m[0][-1]
                         if m[0][0] in "\"'" else re.sub(r"[^\n]", " ", m[0]), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
