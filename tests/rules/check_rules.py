#!/usr/bin/python3
"""Checks the rules of this tree: includes, sizes, layout, cleanliness. Prints FILE:LINE: [RULE] WHY

  check_rules.py ROOT [--compile-commands build/release/compile_commands.json]

With the compile commands of a configured build it also finds sources that nothing compiles.
"""

import argparse
import json
import os
import re
import sys
from pathlib import PurePosixPath

import source_text

# A folder may include what stands beside it. Generated headers, "engram/v1/...", belong to proto.
MAY_INCLUDE = {
    "proto": {"proto"},
    "storage": {"storage"},
    "server": {"server", "storage", "proto"},
    "client": {"client", "proto"},
    "tests": {"proto", "storage", "server", "client", "tests"},
}
# Of what its top folder may include, such a folder may include only what starts like this.
INCLUDES_ONLY = {
    "storage/placement": ("storage/placement/", "storage/table_spec.h", "storage/row_digest.h",
                          "storage/store_stats.h", "storage/latency_histogram.h"),
}
TOP_FOLDERS = {*MAY_INCLUDE, "cmake", "deploy", ".ci"}
TOP_FILES = {
    "CMakeLists.txt", "CMakePresets.json", "Dockerfile", "LICENSE", "README.md", "CHANGELOG.md",
    ".clang-format", ".clang-tidy", ".dockerignore", ".gitignore",
}
# Folders of tests that mirror none of the tree.
TEST_FOLDERS = {"bench", "corpus", "crash", "data", "e2e", "fault", "fuzz", "issues", "rules",
                "sanitizers"}
SKIPPED_FOLDERS = {"build", "__pycache__"}

CODE_SUFFIXES = {".cc", ".h", ".py", ".sh", ".proto"}
TEXT_SUFFIXES = CODE_SUFFIXES | {".cmake", ".json", ".md", ".service", ".yaml", ".yml"}
TEXT_NAMES = {"CMakeLists.txt", "Dockerfile", "run"} | {n for n in TOP_FILES if n[0] == "."}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100
MAX_TEST_DATA_BYTES = 2_000_000
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b|@" r"@")

FUNCTION_FINDERS = {
    ".cc": source_text.cpp_functions,
    ".h": source_text.cpp_functions,
    ".py": source_text.python_functions,
    ".sh": source_text.shell_functions,
}


def is_test_data(path):
    return path.parts[:2] == ("tests", "data")


def is_text(path):
    return not is_test_data(path) and (path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES)


def list_files(root):
    """Paths of all files of the tree, relative to its root."""
    for folder, subfolders, names in os.walk(root):
        at_root = os.path.samefile(folder, root)
        subfolders[:] = sorted(
            s for s in subfolders
            if s not in SKIPPED_FOLDERS and (s[0] != "." or at_root and s in TOP_FOLDERS))
        for name in sorted(names):
            yield PurePosixPath(os.path.relpath(os.path.join(folder, name), root))


class Checker:
    """Collects violations as (path, line, rule, why)."""

    def __init__(self, root, compiled=None):
        self.root = root
        self.compiled = compiled  # real paths of compiled sources, or None if not known
        self.files = list(list_files(root))
        self.known = set(self.files)
        self.included = set()
        self.violations = []

    def report(self, path, line, rule, why):
        self.violations.append((str(path), line, rule, why))

    def run(self):
        for path in self.files:
            self.check_place(path)
            if is_text(path):
                with open(os.path.join(self.root, path), encoding="utf-8", newline="") as file:
                    self.check_text(path, file.read())
        self.check_unused()
        self.check_test_data()
        return sorted(self.violations)

    def check_place(self, path):
        top = path.parts[0]
        if len(path.parts) == 1:
            if top[0] != "." and top not in TOP_FILES:
                self.report(path, 1, "place", "no file of this name belongs at the top")
        elif top not in TOP_FOLDERS:
            self.report(path, 1, "place", f"no folder {top}/ belongs at the top")
        elif top == "tests" and len(path.parts) > 2 and path.parts[1] not in TEST_FOLDERS:
            mirrored = PurePosixPath(*path.parts[1:-1])
            if not os.path.isdir(os.path.join(self.root, mirrored)):
                self.report(path, 1, "place", f"tests mirror the tree, but there is no {mirrored}/")
        if top in MAY_INCLUDE and top != "tests" and path.stem.endswith("_test"):
            self.report(path, 1, "place", "tests live in tests/")

    def check_text(self, path, text):
        lines = text.split("\n")
        self.check_lines(path, lines)
        if path.suffix in CODE_SUFFIXES and len(lines) - 1 > MAX_FILE_LINES:
            self.report(path, MAX_FILE_LINES + 1, "file-length",
                        f"{len(lines) - 1} lines, at most {MAX_FILE_LINES}")
        for first, last, name in FUNCTION_FINDERS.get(path.suffix, lambda _: ())(text):
            if last - first + 1 > MAX_FUNCTION_LINES:
                self.report(path, first, "function-length",
                            f"{name} has {last - first + 1} lines, at most {MAX_FUNCTION_LINES}")
        if path.suffix in (".cc", ".h"):
            self.check_includes(path, text)
        if path.suffix == ".h":
            self.check_guard(path, lines)

    def check_lines(self, path, lines):
        for number, line in enumerate(lines, start=1):
            if "\t" in line:
                self.report(path, number, "whitespace", "a tab")
            if line != line.rstrip():
                self.report(path, number, "whitespace", "blanks at the line's end")
            if UNFINISHED.search(line):
                self.report(path, number, "unfinished", f"'{UNFINISHED.search(line).group()}'")
            wide = path.suffix in CODE_SUFFIXES | {".cmake"} or path.name == "CMakeLists.txt"
            if wide and len(line) > MAX_COLUMNS:
                self.report(path, number, "line-length",
                            f"{len(line)} columns, at most {MAX_COLUMNS}")
        if lines[-1] or lines[-2:] == ["", ""]:
            self.report(path, len(lines), "whitespace", "must end in one line feed")

    def check_includes(self, path, text):
        folder = path.parts[0]
        for number, name in source_text.includes(text):
            included = PurePosixPath(name)
            self.included.add(included)
            target = "proto" if included.parts[:2] == ("engram", "v1") else included.parts[0]
            if target in MAY_INCLUDE:
                if target not in MAY_INCLUDE.get(folder, ()):
                    self.report(path, number, "include-direction",
                                f"{folder}/ must not include {target}/: {name}")
                elif not name.startswith(INCLUDES_ONLY.get(str(path.parent), "")):
                    self.report(path, number, "include-direction",
                                f"{path.parent}/ must not include this: {name}")
                elif target == included.parts[0] and included not in self.known:
                    self.report(path, number, "include-path", f"there is no {name}")
            elif path.parent / included in self.known:
                self.report(path, number, "include-path",
                            f"includes start at the root: {path.parent / included}")

    def check_guard(self, path, lines):
        guard = "ENGRAM_" + re.sub(r"[^A-Z0-9]", "_", str(path).upper()) + "_"
        directives = [(n, line) for n, line in enumerate(lines, start=1) if line.startswith("#")]
        expected = [(0, f"#ifndef {guard}"), (1, f"#define {guard}"), (-1, f"#endif  // {guard}")]
        for index, text in expected:
            number, line = directives[index] if len(directives) > 2 else (1, "")
            if line != text:
                self.report(path, number, "include-guard", f"expected '{text}'")
                return

    def check_unused(self):
        for path in self.files:
            if path.suffix == ".h" and path not in self.included:
                self.report(path, 1, "unused", "no file includes this header")
            if path.suffix == ".cc" and self.compiled is not None:
                if os.path.realpath(os.path.join(self.root, path)) not in self.compiled:
                    self.report(path, 1, "unused", "no target compiles this file")

    def check_test_data(self):
        data = [p for p in self.files if is_test_data(p)]
        total = sum(os.path.getsize(os.path.join(self.root, p)) for p in data)
        if total > MAX_TEST_DATA_BYTES:
            self.report(PurePosixPath("tests/data"), 1, "test-data",
                        f"{total} bytes, at most {MAX_TEST_DATA_BYTES}")


def compiled_sources(compile_commands):
    with open(compile_commands, encoding="utf-8") as file:
        return {os.path.realpath(os.path.join(entry["directory"], entry["file"]))
                for entry in json.load(file)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--compile-commands")
    args = parser.parse_args()
    compiled = compiled_sources(args.compile_commands) if args.compile_commands else None
    checker = Checker(args.root, compiled)
    violations = checker.run()
    for path, line, rule, why in violations:
        print(f"{path}:{line}: [{rule}] {why}")
    print(f"{len(checker.files)} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
