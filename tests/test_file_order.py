"""The order in which several processes begin the files."""

from __future__ import annotations

from tests.support.file_order import LONGEST, in_turns
from tests.support.server import PROJECT

FILES = ["api/test_a.py", "deploy/test_a.py", "deploy/test_b.py", "faults/test_a.py", "test_z.py"]


def test_long_ones_begin_first_and_take_turns() -> None:
    places = in_turns(FILES)
    assert sorted(places, key=places.__getitem__) == [
        "deploy/test_a.py",
        "faults/test_a.py",
        "deploy/test_b.py",
        "api/test_a.py",
        "test_z.py",
    ]


def test_the_folders_are_there() -> None:
    for folder in LONGEST:
        assert (PROJECT / "tests" / folder).is_dir(), folder
