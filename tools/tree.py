# SPDX-License-Identifier: Apache-2.0
"""What the check tools share: the files of the tree, C source without comments, and findings.

Every check tool is called with an optional root folder, prints one line per sin as path:line: text,
and exits 1 when there was one. tools/selftest gives each a small bad tree to prove that it sees it.
"""
import os
import re
import subprocess
import sys

SKIPPED = ("node_modules", ".git", "coverage", "data", "dist")


# Files that belong to tests: x_test.c, x_fuzz.c, x_contract.c, and their helpers x_fixture.c, bed.h.
TEST_FILE = re.compile(r"(?:^|[/_])(?:test|fuzz|contract|fixture|bed)(?:_\w+)?\.[ch]$")


def is_test(path):
    return bool(TEST_FILE.search(path))


def root():
    """The folder to look at: the first argument, or the project."""
    given = [a for a in sys.argv[1:] if not a.startswith("-")]
    return os.path.abspath(given[0] if given else os.path.join(os.path.dirname(__file__), ".."))


def walk(top):
    for folder, folders, names in os.walk(top):
        folders[:] = [d for d in folders if d not in SKIPPED and not d.startswith("build")]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), top)


def files(top, *suffixes):
    """Paths, from top, of all files that are or will be committed; by name."""
    if os.path.exists(os.path.join(top, ".git")):
        out = subprocess.run(
            ["git", "-C", top, "ls-files", "-coz", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout
        paths = [p for p in out.split("\0") if p and os.path.isfile(os.path.join(top, p))]
    else:
        paths = list(walk(top))
    return sorted(p for p in paths if not suffixes or p.endswith(suffixes))


def text(top, path):
    with open(os.path.join(top, path), encoding="utf-8", errors="replace") as f:
        return f.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(source):
    """C source with comments and literals blanked; every line keeps its number."""
    def blank(match):
        s = match.group()
        if s[0] in "\"'":
            return s[0] + s[0]
        return " " + "\n" * s.count("\n")
    return TOKEN.sub(blank, source)


def line_of(source, offset):
    return source.count("\n", 0, offset) + 1


class Findings:
    """Collects sins; done() ends the program."""

    def __init__(self, tool):
        self.tool, self.count = tool, 0

    def add(self, path, line, what):
        self.count += 1
        print(f"{path}:{line}: {what}")

    def done(self, summary):
        if self.count:
            sys.exit(f"{self.tool}: {self.count} found")
        print(f"{self.tool}: {summary}")
