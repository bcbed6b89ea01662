"""The order in which several processes begin the files."""

from __future__ import annotations

from tests.support.file_order import LONGEST_FILES, LONGEST_FOLDERS, in_turns
from tests.support.server import PROJECT

FILES = [
    *("api/test_a.py", "deploy/test_a.py", "deploy/test_b.py", "faults/test_a.py"),
    *("queue/test_schema_bombs.py", "test_z.py"),
]


def test_long_ones_begin_first_and_take_turns() -> None:
    places = in_turns(FILES)
    assert sorted(places, key=places.__getitem__) == [
        "queue/test_schema_bombs.py",
        "deploy/test_a.py",
        "faults/test_a.py",
        "deploy/test_b.py",
        "api/test_a.py",
        "test_z.py",
    ]


def test_they_are_there() -> None:
    for name in (*LONGEST_FILES, *LONGEST_FOLDERS):
        assert (PROJECT / "tests" / name).exists(), name
