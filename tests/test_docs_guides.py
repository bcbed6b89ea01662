"""docs/guides.md has all blocks and names of the guides, each with a test or a reason for none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.server import PROJECT
from tests.test_docs_workers import is_test, quoted, rows

TEXT = (PROJECT / "docs" / "guides.md").read_text("utf-8")
BLOCKS = {
    "A worker template": 21,
    "A worker integration guide": 35,
    "A PHP worker's guide": 33,
    "Spooled's worker guide": 17,
    "TaskManager's first README": 21,
}
"""How many blocks of code each of the guides has."""


def table(guide: str) -> list[list[str]]:
    _, _, rest = TEXT.partition(f"\n## {guide}\n")
    return rows(re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0])


@pytest.mark.parametrize("guide", BLOCKS)
def test_every_block_is_there_in_its_order(guide: str) -> None:
    numbers = [int(row[0].partition(" ")[0]) for row in table(guide)]
    assert numbers == list(range(1, BLOCKS[guide] + 1))


@pytest.mark.parametrize("guide", BLOCKS)
def test_each_has_a_test_or_a_reason(guide: str) -> None:
    for number, reason, shown in table(guide):
        tests = quoted(shown)
        assert [each for each in tests if not is_test(each)] == [], number
        assert tests or (shown == "—" and reason != "as pasted"), number


def test_each_name_has_a_test() -> None:
    _, _, names = TEXT.partition("\n## Names in other guides\n")
    table = rows(names)
    assert len(table) > 120
    assert [row for row in table if len(row) != 3 or "::test_" not in row[2]] == []
    ids = {each for row in table for each in quoted(row[2]) if "::" in each}
    assert len(ids) > 80
    assert [each for each in sorted(ids) if not is_test(each)] == []


def test_every_test_of_the_guides_is_named() -> None:
    """Except those for what the blocks do not say."""
    beside = {
        "test_without_a_key_the_refusal_says_so",
        "test_process_task_takes_what_the_options_say",
    }
    beside |= {"test_what_keeps_tasks_from_being_added_is_said"}
    beside |= {"test_between_two_attempts_a_job_is_pending"}
    for path in sorted((PROJECT / "tests" / "clients").glob("test_guide_*.py")):
        names = re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert [n for n in names if f"{path.name}::{n}`" not in TEXT and n not in beside] == []


def test_links() -> None:
    targets = re.findall(r"\]\((\w+\.md)#([\w-]+)\)", TEXT)
    assert targets
    for page, anchor in targets:
        headings = re.findall(
            r"^#+ (.*)$", (PROJECT / "docs" / page).read_text("utf-8"), re.MULTILINE
        )
        anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert anchor in anchors


def test_the_programs_of_the_tests_are_all_used() -> None:
    sources = "".join(
        path.read_text("utf-8") for path in (PROJECT / "tests" / "clients").glob("test_*.py")
    )
    programs = [p for p in (PROJECT / "tests" / "clients" / "guides").iterdir() if p.is_file()]
    assert len(programs) >= 9
    assert [str(Path(p.name)) for p in programs if p.name not in sources] == []
