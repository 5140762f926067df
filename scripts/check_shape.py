#!/usr/bin/env python3
"""Keeps files, folders, lines and functions within the house's limits.

Known exceptions stand in scripts/shape_exceptions.txt as `path limit reason`; they may only shrink: an entry whose file has
become shorter than its limit by ten lines, or fits the rule, fails until the entry is lowered or removed.
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES = 400
TEST_LINES = 600
FUNCTION_LINES = 60
FOLDER_NAMES = 12
COLUMNS = 100
EXCEPTIONS = ROOT / "scripts" / "shape_exceptions.txt"


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def load_exceptions() -> dict[str, int]:
    entries = {}
    if EXCEPTIONS.exists():
        for line in EXCEPTIONS.read_text().splitlines():
            if line and not line.startswith("#"):
                path, limit, _reason = line.split(maxsplit=2)
                entries[path] = int(limit)
    return entries


def long_functions(name: str, lines: list[str]):
    """clang-format puts a function's end brace in its first column's indentation; namespaces are never indented."""
    begin = None
    for number, line in enumerate(lines, start=1):
        if line[:1] not in ("", " ", "}", "#", "/") and line.endswith("{") and ")" in line and not line.startswith(("namespace", "class", "struct", "enum", "extern", "union")):
            begin = number
        elif line.startswith("}") and begin is not None:
            if number - begin + 1 > FUNCTION_LINES + 2 and "= {" not in lines[begin - 1] and "{{" not in lines[begin - 1]:
                yield f"{name}:{begin}: function of {number - begin + 1} lines, limit {FUNCTION_LINES}"
            begin = None


def file_problems(exceptions: dict[str, int]):
    for name in tracked("*.cpp", "*.hpp", "*.py"):
        lines = (ROOT / name).read_text().splitlines()
        limit = TEST_LINES if name.startswith("tests/") else FILE_LINES
        allowed = exceptions.get(name, limit)
        if len(lines) > allowed:
            yield f"{name}: {len(lines)} lines, limit {allowed}"
        if name in exceptions and len(lines) <= max(limit, allowed - 10):
            yield f"scripts/shape_exceptions.txt: {name} has {len(lines)} lines now: lower or remove its entry"
        if name.endswith("pp"):
            yield from long_functions(name, lines)
            for number, line in enumerate(lines, start=1):
                if len(line) > COLUMNS and "http" not in line and not line.startswith("#include"):
                    yield f"{name}:{number}: {len(line)} columns, limit {COLUMNS}"


def folder_problems(exceptions: dict[str, int]):
    folders: dict[str, set[str]] = {}
    for name in tracked("broker/*", "storage/*", "client/*", "tests/*", "bench/*"):
        path = pathlib.PurePosixPath(name)
        stem = path.stem if path.suffix in (".cpp", ".hpp") else path.name
        if path.name not in ("README.md", "CMakeLists.txt"):
            folders.setdefault(str(path.parent), set()).add(stem)
    for folder, names in sorted(folders.items()):
        allowed = exceptions.get(folder, FOLDER_NAMES)
        if "corpus" not in folder and len(names) > allowed:
            yield f"{folder}: {len(names)} names, limit {allowed}"


if __name__ == "__main__":
    known = load_exceptions()
    found = [*file_problems(known), *folder_problems(known)]
    print("\n".join(found) or "shape: clean")
    sys.exit(bool(found))
