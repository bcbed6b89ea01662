#!/usr/bin/env python3
"""Makes a new version: python3 .ci/release.py 0.2.0

Needs a clean checkout of main whose CHANGELOG.md begins with an "(unreleased)" section. Dates
that section, sets the version in app/version.py, commits, builds the files to publish into dist/,
and tags the commit with the section as its message. It pushes nothing, and undoes the commit when
the build fails. Standard library only.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
VERSION_FILE = PROJECT / "app" / "version.py"
CHANGELOG = PROJECT / "CHANGELOG.md"

VERSION_LINE = re.compile(r'^VERSION = "([^"]+)"$', re.MULTILINE)
FIRST_SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.MULTILINE)


class ReleaseFailed(Exception):
    """The version cannot be made. The message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("version", type=version_number, help="the new version, such as 0.2.0")
    version = parser.parse_args(arguments).version
    try:
        check_checkout(version)
        notes = write_version(version)
        git("commit", "--quiet", "--all", "--message", f"Version {version}")
        build()
    except ReleaseFailed as failure:
        print(f"release.py: {failure}", file=sys.stderr)
        return 1
    git("tag", "--annotate", f"v{version}", "--cleanup=verbatim", "--message", notes)
    print(f"Tagged v{version}. To publish it: git push origin main v{version}")
    print("Then attach the files in dist/ to the release on GitHub.")
    return 0


def version_number(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers with dots, like 0.2.0")
    return text


def check_checkout(version: str) -> None:
    """Raises ReleaseFailed unless this is a clean main without such a version."""
    branch = git("rev-parse", "--abbrev-ref", "HEAD")
    if branch != "main":
        raise ReleaseFailed(f"This is the branch {branch}. Switch to main first.")
    changed = git("status", "--porcelain")
    if changed:
        raise ReleaseFailed(f"The checkout has changes. Commit them or put them aside:\n{changed}")
    tags = git("tag", "--list", "v*").split()
    later = [tag for tag in tags if number_of(tag[1:]) >= number_of(version)]
    if later:
        raise ReleaseFailed(f"There is {later[0]} already. Choose a higher version.")


def write_version(version: str) -> str:
    """Set the version and date its section of the changelog. Returns the tag's message."""
    changelog = CHANGELOG.read_text("utf-8")
    section = FIRST_SECTION.search(changelog)
    if not section or not section[1].endswith("(unreleased)") or not section[2].strip():
        raise ReleaseFailed(
            f'CHANGELOG.md must begin with a section "## {version} (unreleased)" that says what '
            "changed for users. Write it, commit it, and run this again."
        )
    heading = f"{version} ({datetime.now(timezone.utc):%Y-%m-%d})"
    dated = f"{changelog[: section.start()]}## {heading}\n{changelog[section.start(2) :]}"
    CHANGELOG.write_text(dated, "utf-8")
    code = VERSION_FILE.read_text("utf-8")
    VERSION_FILE.write_text(VERSION_LINE.sub(f'VERSION = "{version}"', code), "utf-8")
    return f"TaskManager {heading}\n\n{section[2].strip()}\n"


def build() -> None:
    """Build what is published, from the commit that was just made. Raises ReleaseFailed."""
    command = [sys.executable, str(PROJECT / "deploy.py"), "--build"]
    if subprocess.run(command, cwd=PROJECT, check=False).returncode:
        git("reset", "--quiet", "--hard", "HEAD~1")
        raise ReleaseFailed("The build failed, so the commit was undone. Nothing was tagged.")


def number_of(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def git(*arguments: str) -> str:
    """What a git command prints. Raises ReleaseFailed."""
    done = subprocess.run(
        ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseFailed(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
