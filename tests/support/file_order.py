"""Which test files begin first when several processes share them.

A file that takes a minute must not be begun last, when the others have nothing left to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath

LONGEST = ("deploy", "worker_faults", "install", "faults", "hosting", "worker", "clients", "local")
"""The folders whose files take longest. Some mostly compute, some mostly wait, so their files take
turns.
"""


def in_turns(files: Iterable[str]) -> dict[str, int]:
    """The place of each file, named from the folder of the tests on: ``deploy/test_walk.py``."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(files)):
        by_folder[PurePath(name).parts[0]].append(name)
    turns = [
        (number, LONGEST.index(folder), name)
        for folder in LONGEST
        for number, name in enumerate(by_folder.pop(folder, []))
    ]
    rest = [name for names in by_folder.values() for name in names]
    ordered = [*(name for _, _, name in sorted(turns)), *rest]
    return {name: place for place, name in enumerate(ordered)}
