#!/usr/bin/env python3
"""Reads every source with clang-tidy and fails on a finding.

    scripts/check_tidy.py [--analyze] [--jobs N] [PATH...]    PATH: only sources below it; --analyze: the static analyzer alone

The sources are read as build/asan compiles them: most of a target together, so that their headers are parsed once. What passed is
read again only when it, a file of the tree that it includes, or the list of checks has changed. The static analyzer follows every
path through every function, which takes several times as long.
"""
import argparse
import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "asan"
# Where sources are compiled together, one includes them all, and private names of one meet what another calls its own.
CHECKS = "-clang-analyzer-*,-bugprone-suspicious-include"
ANALYZER = "-*,clang-analyzer-*"
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def tracked(*patterns: str) -> list[pathlib.Path]:
    names = output("git", "ls-files", *patterns).splitlines()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def prepare() -> None:
    """Makes the compile commands and the generated headers, and lays each folder's checks beside what is compiled for it."""
    output("cmake", "--preset", "asan")
    output("cmake", "--build", BUILD, "--target", "millrace_schema")
    for checks in tracked("*/.clang-tidy"):
        (BUILD / checks.relative_to(ROOT)).write_text(checks.read_text())


@dataclasses.dataclass
class Unit:
    """What is compiled at once."""

    path: pathlib.Path
    command: str
    sources: list[pathlib.Path]


def load_units() -> list[Unit]:
    """All but those that only try whether a header compiles alone."""
    units = []
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if "verify_interface" not in str(path):
            sources = INCLUDE.findall(path.read_text()) if "Unity" in path.parts else [path]
            units.append(Unit(path, entry["command"], [pathlib.Path(source) for source in sources]))
    return units


def unify(units: list[Unit]) -> pathlib.Path:
    """The analyzer looks into what a source includes only by this name. Returns the folder of the compile commands."""
    folder = BUILD / "analyze"
    folder.mkdir(exist_ok=True)
    for unit in units:
        if unit.sources != [unit.path]:
            copy = folder / f"UnifiedSource_{digest([str(unit.path)])[:8]}.cpp"
            copy.write_text(unit.path.read_text())
            unit.command = unit.command.replace(str(unit.path), str(copy))
            unit.path = copy
    commands = [{"directory": str(BUILD), "file": str(unit.path), "command": unit.command} for unit in units]
    (folder / "compile_commands.json").write_text(json.dumps(commands))
    return folder


class Closure:
    """What a file includes of the tree, at any depth."""

    def __init__(self):
        self.by_name: dict[str, list[pathlib.Path]] = {}
        for path in tracked("*.hpp", "*.cpp", "*.h"):
            self.by_name.setdefault(path.name, []).append(path)

    @functools.cache
    def includes(self, path: pathlib.Path) -> list[pathlib.Path]:
        wanted = INCLUDE.findall(path.read_text())
        return [one for name in wanted for one in self.by_name.get(pathlib.Path(name).name, []) if str(one).endswith(name)]

    def of(self, path: pathlib.Path) -> list[pathlib.Path]:
        found, left = {path}, [path]
        while left:
            new = set(self.includes(left.pop())) - found
            found |= new
            left += new
        return sorted(found)


def digest(texts) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


class Reader:
    def __init__(self, checks: str, commands: pathlib.Path):
        self.checks = checks
        self.commands = commands
        self.closure = Closure()
        # The generated headers are made of the schema.
        common = tracked(".clang-tidy", "*/.clang-tidy", "*.fbs")
        self.common = digest([checks, output("clang-tidy", "--version"), *(path.read_text() for path in common)])
        self.passed_file = BUILD / f"tidy_passed_{digest([checks])[:8]}.txt"
        self.passed = set(self.passed_file.read_text().split()) if self.passed_file.exists() else set()

    def state_of(self, unit: Unit) -> str:
        return digest([self.common, unit.command, *(path.read_text() for path in self.closure.of(unit.path))])

    def read(self, unit: Unit) -> str:
        """What clang-tidy finds, or nothing."""
        options = [f"--checks={self.checks}", "--extra-arg=-Wno-shadow", "-p", str(self.commands)]
        command = ["clang-tidy", "--quiet", *options, str(unit.path)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return "" if ran.returncode == 0 else ran.stdout or ran.stderr

    def read_all(self, units: list[Unit], jobs: int) -> int:
        """Returns how many units have findings."""
        states = [(unit, self.state_of(unit)) for unit in units]
        left = [(unit, state) for unit, state in states if state not in self.passed]
        left.sort(key=lambda one: -len(one[0].sources))  # the long ones first, so that none is left over at the end
        print(f"tidy: {len(left)} of {len(units)} to read", flush=True)
        failed = 0
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool, self.passed_file.open("a") as passed:
            for (_, state), found in zip(left, pool.map(self.read, [unit for unit, _ in left])):
                if found:
                    failed += 1
                    print(found, flush=True)
                else:
                    print(state, file=passed, flush=True)
        return failed


def main() -> bool:
    parser = argparse.ArgumentParser()
    parser.add_argument("--analyze", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("paths", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    prepare()
    units = load_units()
    missed = set(tracked("*.cpp")) - {source for unit in units for source in unit.sources}
    for path in sorted(missed):
        print(f"{path.relative_to(ROOT)}: no target compiles it, so it is not read")
    wanted = [path.resolve() for path in options.paths or [ROOT]]
    chosen = [unit for unit in units if any(source.is_relative_to(path) for source in unit.sources for path in wanted)]
    reader = Reader(ANALYZER, unify(units)) if options.analyze else Reader(CHECKS, BUILD)
    failed = reader.read_all(chosen, options.jobs)
    print(f"tidy: {failed} with findings" if failed or missed else "tidy: clean")
    return bool(failed or missed)


if __name__ == "__main__":
    sys.exit(main())
