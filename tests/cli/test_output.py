"""How results look."""

from __future__ import annotations

import click
import pytest

from app import wording
from app.cli import output


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (1_440_000, "1.4 MB"), (2e14, "200 TB")],
)
def test_sizes(count: float, told: str) -> None:
    assert wording.size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.6, "1 min"), (7500, "2 h 5 min"), (90000, "1 d 1 h"), (-3, "0 s")],
)
def test_spans(seconds: float, told: str) -> None:
    assert wording.span(seconds) == told


def test_a_table_has_numbers_on_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["id", "type", "is on"], [[7, "mail", True], [12, None, False]])
    assert capsys.readouterr().out == "id  type  is on\n 7  mail  yes\n12  -     no\n"


def test_a_table_without_rows_is_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["id", "type"], [])
    assert capsys.readouterr().out == "id  type\n"


def test_a_value_of_several_lines_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_facts([("error", "one\n two"), ("id", 3)])
    assert capsys.readouterr().out == "error  one two\nid     3\n"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress(3, "counting") as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")


def test_nobody_is_asked_without_a_terminal() -> None:
    output.confirm("Delete 3 tasks?", yes=True)
    with pytest.raises(click.UsageError, match=r"Delete 3 tasks\? Nobody can be asked .*--yes"):
        output.confirm("Delete 3 tasks?", yes=False)
