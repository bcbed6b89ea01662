"""The order in which several processes begin the files."""

from __future__ import annotations

from tests.support.file_order import LAST_FOLDER, LONGEST_FILES, LONGEST_FOLDERS, in_turns
from tests.support.server import PROJECT

FILES = [
    *("api/test_a.py", "deploy/test_a.py", "deploy/test_b.py", "faults/test_a.py"),
    *("queue/test_b.py", "queue/test_schema_bombs.py", "test_z.py"),
]


def test_long_ones_begin_first_and_take_turns_and_short_ones_end() -> None:
    places = in_turns(FILES)
    assert sorted(places, key=places.__getitem__) == [
        "queue/test_schema_bombs.py",
        "deploy/test_a.py",
        "faults/test_a.py",
        "deploy/test_b.py",
        "queue/test_b.py",
        "test_z.py",
        "api/test_a.py",
    ]


def test_they_are_there() -> None:
    for name in (*LONGEST_FILES, *LONGEST_FOLDERS, LAST_FOLDER):
        assert (PROJECT / "tests" / name).exists(), name
