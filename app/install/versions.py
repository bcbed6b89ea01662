"""Which version of an installed site serves: switching, going back, deleting old ones.

The private data folder holds ``releases/<build>/`` for each build, and the file ``current`` with
the name of the one that serves. A process reads it once, when it starts. The file ``previous``
beside it has the name that ``current`` had before. A build's name is its version and what tells
it from every other build of that version.
"""

from __future__ import annotations

import json
import os
import re
import shutil

from app.install.errors import InstallError
from app.install.files import write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

MANIFEST = "MANIFEST.json"
BUILDS = "releases"
CURRENT = "current"
PREVIOUS = "previous"

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")


def version_of(build: str) -> str:
    """The version in a build's name."""
    return build.rpartition("-")[0] or build


def version_key(text: str) -> tuple[int, ...]:
    """By which versions are compared."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:4])


def read_current(home: Path) -> str | None:
    """The name of the build that serves; None before the first."""
    return _read_name(home / CURRENT)


def previous(home: Path) -> str | None:
    """The build that served before the current one; None where there is none to return to."""
    name = _read_name(home / PREVIOUS)
    if name is None or name == read_current(home) or not (home / BUILDS / name).is_dir():
        return None
    return name


def switch(home: Path, name: str) -> None:
    """Let this build serve every process that starts from now on, at once and for good.

    Naming the one that serves already changes nothing. Raises InstallError when there is no
    such build.
    """
    if not NAME.fullmatch(name) or not (home / BUILDS / name).is_dir():
        raise InstallError(f"there is no version {name!r} in {home / BUILDS}")
    before = read_current(home)
    if before == name:
        return
    if before is not None:
        _write_name(home / PREVIOUS, before)
    _write_name(home / CURRENT, name)


def switch_back(home: Path, name: str, earlier: str | None) -> None:
    """Let the build before serve again. The one that failed is not one to go back to, so
    ``earlier`` is again the build before.
    """
    switch(home, name)
    if earlier is None:
        (home / PREVIOUS).unlink(missing_ok=True)
    else:
        _write_name(home / PREVIOUS, earlier)


def prune(home: Path, keep: int = 2) -> list[str]:
    """Delete old builds until ``keep`` are left, and return the names of those deleted.

    The current build and the one before it always stay: processes that started before the
    last switch still use it.
    """
    folder = home / BUILDS
    for rest in folder.glob(".removing-*"):
        shutil.rmtree(rest, ignore_errors=True)
    protected = {read_current(home), previous(home)}
    found = [path for path in folder.iterdir() if path.is_dir() and NAME.fullmatch(path.name)]
    others = [path for path in found if path.name not in protected]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    spare = max(0, keep - (len(found) - len(others)))
    for path in others[spare:]:
        # Renamed first, so that half a build is never taken for a whole one.
        removing = path.with_name(f".removing-{path.name}")
        os.rename(path, removing)
        shutil.rmtree(removing, ignore_errors=True)
    return sorted(path.name for path in others[spare:])


def _read_name(path: Path) -> str | None:
    try:
        name = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    return name if NAME.fullmatch(name) else None


def _write_name(path: Path, name: str) -> None:
    write_whole(path, name + "\n", 0o644)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an unpacked build."""
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return content
