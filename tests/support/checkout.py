"""Copies of the project, as somebody who just got it has them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.server import PROJECT

MADE_BY_RUNS = shutil.ignore_patterns(
    ".git",
    ".venv*",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    "*.sqlite3*",
)


def copy_project(target: Path) -> Path:
    """Copy what belongs to the project, and nothing that a run of it made."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        is_top = Path(folder) == PROJECT
        return {*MADE_BY_RUNS(folder, names), *(["local"] if is_top else [])}

    return Path(shutil.copytree(PROJECT, target, ignore=left_out))
