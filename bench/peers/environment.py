"""Environments for other queues: made once, kept for later runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.pythons import oldest_and_newest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taskmanager-bench"


class CannotInstall(Exception):
    """The reason, in pip's words."""


def python_with(requirements: list[str]) -> Path:
    """The interpreter of an environment with these packages: the newest Python here.

    Raises CannotInstall.
    """
    newest = oldest_and_newest()[-1]
    digest = hashlib.sha256("\n".join([newest, *requirements]).encode()).hexdigest()[:12]
    folder = CACHE / f"{requirements[0].partition('=')[0]}-{digest}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run([newest, "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "install", "--quiet"]
        _run([*pip, *requirements])
        (folder / "complete").touch()
    return folder / "bin" / "python"


def versions(python: Path, packages: list[str]) -> str:
    """What is installed of these: ``celery 5.5.3, SQLAlchemy 2.0.44``."""
    program = (
        "import sys; from importlib.metadata import version;"
        "print(', '.join(f'{each} {version(each)}' for each in sys.argv[1:]))"
    )
    return subprocess.check_output([str(python), "-c", program, *packages], text=True).strip()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotInstall((done.stderr or done.stdout).strip().splitlines()[-1])
