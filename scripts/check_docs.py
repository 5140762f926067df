#!/usr/bin/env python3
"""Fails on dead links between the project's documents, on folders of sources without a README, and on error codes that
docs/protocol.md does not explain."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^\s+(\w+) = \d+,", re.MULTILINE)


def tracked(pattern: str) -> list[pathlib.Path]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def dead_links():
    for page in tracked("*.md"):
        for target in LINK.findall(page.read_text()):
            path = target.split("#")[0]
            if path and "://" not in path and not (page.parent / path).exists():
                yield f"{page.relative_to(ROOT)}: dead link {target}"


def folders_without_readme():
    folders = {path.parent for path in tracked("*.cpp")} | {path.parent for path in tracked("*.hpp")}
    for folder in sorted(folders):
        name = folder.relative_to(ROOT).as_posix()
        if name.startswith("tests/unit") or name.startswith("client/include"):
            continue
        readme = folder / "README.md"
        if not readme.exists():
            yield f"{name}: no README.md"
        elif len(readme.read_text().splitlines()) > 60:
            yield f"{name}/README.md: more than 60 lines"


def unexplained_codes():
    page = ROOT / "docs" / "protocol.md"
    text = page.read_text() if page.exists() else ""
    for code in CODE.findall((ROOT / "storage/base/errc.hpp").read_text()):
        if code != "ok" and f"`{code}`" not in text:
            yield f"docs/protocol.md: error code {code} is not explained"


if __name__ == "__main__":
    found = [*dead_links(), *folders_without_readme(), *unexplained_codes()]
    print("\n".join(found) or "docs: clean")
    sys.exit(bool(found))
