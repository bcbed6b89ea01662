"""Which test files begin first when several processes share them.

A file that takes minutes must not be begun last, when the others have nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

LONGEST_FILES = (
    "test_bench.py",
    "hosting/test_upgrade.py",
    "queue/test_schema_bombs.py",
    "deploy/test_walk.py",
    "deploy/test_interpreters.py",
    "deploy/test_browser.py",
    "dashboard/test_in_browser.py",
    "model/test_machine.py",
    "worker_faults/test_outages.py",
    "deploy/test_one_file.py",
    "faults/test_chaos.py",
    "faults/test_limit_race.py",
    "deploy/test_databases.py",
    "worker/test_click_versions.py",
    "deploy/test_upgrades.py",
    "faults/test_lost_database.py",
    "api/test_deadline.py",
    "api/test_fuzzing.py",
    "deploy/test_uploads.py",
    "dashboard/test_tasks_in_browser.py",
)
LONGEST_FOLDERS = (
    *("deploy", "worker_faults", "install", "faults", "hosting", "worker", "clients", "local"),
)
"""Some of their files mostly compute and some mostly wait, so the folders take turns."""

LAST_FOLDER = "api"
"""Its files are many and short: at the end, no process waits long for another."""


def in_turns(files: Iterable[str]) -> dict[str, int]:
    """The place of each file, named from the folder of the tests on: ``deploy/test_walk.py``."""
    names = sorted(set(files))
    first = [name for name in LONGEST_FILES if name in names]
    turns = []
    for rank, folder in enumerate(LONGEST_FOLDERS):
        inside = [name for name in names if folder_of(name) == folder and name not in first]
        turns += [(number, rank, name) for number, name in enumerate(inside)]
    taken = [*first, *(name for _, _, name in sorted(turns))]
    rest = [name for name in names if name not in taken]
    rest.sort(key=lambda name: folder_of(name) == LAST_FOLDER)
    return {name: place for place, name in enumerate([*taken, *rest])}


def folder_of(name: str) -> str:
    return PurePath(name).parts[0]
