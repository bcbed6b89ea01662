"""Pythons as a site may have them: other versions than the tests' own, run by the web server."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.account import as_owner

OLDEST_MINOR, NEWEST_MINOR = 9, 20

# Where a Python of pyenv has its library, which a copy of it finds beside itself.
OWN_LIBRARY = b"$ORIGIN/../lib"

# Of an installation: what takes space and no site needs.
LEFT_OUT = {"test", "idlelib", "tkinter", "turtledemo", "lib2to3"}
PACKAGES_KEPT = ("pip", "README")


def oldest_and_newest() -> list[str]:
    """The paths of the oldest and the newest Python here that a site may have."""
    known: dict[tuple[int, ...], str] = {}
    for path in _candidates():
        known.setdefault(_version(path), path)
    versions = sorted(version for version in known if version)
    return [known[version] for version in dict.fromkeys([versions[0], versions[-1]])]


def too_old() -> list[str]:
    """Pythons on this machine that nothing here can run with: there may be none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    paths = [*root.glob("2.7*/bin/python"), *root.glob("3.[5-8].*/bin/python")]
    named = [shutil.which(f"python{version}") for version in ("3.6", "3.7", "3.8")]
    return [str(path) for path in paths] + [path for path in named if path and "shims" not in path]


def for_everybody(python: str) -> str:
    """The Python's path; that of a copy if the account of the programs may not run it as it is.

    The copy is for this process, and gone when it ends.
    """
    if _runs([*as_owner(), python]):
        return python
    prefix = Path(_ask(python, "sys.base_prefix"))
    folder = Path(tempfile.mkdtemp(prefix="tm-python-", dir="/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    copy = folder / prefix.name
    shutil.copytree(prefix, copy, symlinks=True, ignore=_left_out)
    program = copy / "bin" / os.path.basename(os.path.realpath(python))
    library = bytes(prefix / "lib")
    content = program.read_bytes().replace(
        library + b"\0", OWN_LIBRARY.ljust(len(library), b"\0") + b"\0"
    )
    program.write_bytes(content)
    if not _runs([*as_owner(), str(program)]):
        raise RuntimeError(f"{python} cannot be made to run for the web server's user")
    return str(program)


def _candidates() -> list[str]:
    names = [f"python3.{minor}" for minor in range(OLDEST_MINOR, NEWEST_MINOR)]
    found = [path for name in ("python3", *names) for path in _in_path(name)]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += [str(path) for path in sorted(root.glob("versions/*/bin/python3"))]
    return [*found, os.path.realpath(sys.executable)]


def _in_path(name: str) -> list[str]:
    folders = ["/usr/local/bin", "/usr/bin"]
    return [path for folder in folders if (path := shutil.which(name, path=folder))]


def _version(python: str) -> tuple[int, ...]:
    """The version of one that a site can run with; none for all others."""
    try:
        text = _ask(python, "'%d %d' % sys.version_info[:2] if sqlite3 and ssl and zlib else ''")
    except (OSError, subprocess.CalledProcessError):
        return ()
    version = tuple(int(number) for number in text.split())
    return version if version >= (3, OLDEST_MINOR) else ()


def _ask(python: str, expression: str) -> str:
    program = f"import sqlite3, ssl, sys, zlib; print({expression})"
    done = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, cwd="/", check=True
    )
    return done.stdout.strip()


def _runs(command: list[str]) -> bool:
    done = subprocess.run([*command, "-c", "pass"], capture_output=True, cwd="/", check=False)
    return done.returncode == 0


def _left_out(folder: str, names: list[str]) -> set[str]:
    if os.path.basename(folder) == "site-packages":
        return {name for name in names if not name.startswith(PACKAGES_KEPT)}
    return {name for name in names if name in LEFT_OUT or name.startswith("config-")}
