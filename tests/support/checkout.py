"""Copies of the project, as somebody who just got it has them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.server import PROJECT

LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv*",
    "local",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    "*.sqlite3*",
)


def copy_project(target: Path) -> Path:
    """Copy what belongs to the project, and nothing that a run of it made."""
    return Path(shutil.copytree(PROJECT, target, ignore=LEFT_OUT))
