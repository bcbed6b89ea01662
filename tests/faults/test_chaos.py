"""A short chaos run on each engine: nothing lost, nothing doubled, every response as promised. Long
ones are run by hand: docs/reliability.md.
"""

from __future__ import annotations

import re

import pytest

from tests.faults.__main__ import read_options
from tests.faults.chaos import Options, run
from tests.faults.report import summary, table
from tests.support.server import PROJECT

SECONDS = 300
FAULTS = {"sqlite": 6, "mariadb": 6, "galera": 3}


@pytest.mark.parametrize("engine", FAULTS)
def test_the_books_balance_after_faults(engine: str) -> None:
    count = FAULTS[engine]
    options = Options(engine, SECONDS, seed=4, fault_seconds=1.0, gap=0.5, most=count)
    outcome = run(options)
    shown = "\n".join([table(outcome), summary(outcome), *outcome.logged])
    assert len(outcome.hits) == count, shown
    assert len(outcome.created) >= 50, shown
    assert outcome.errors == [], shown
    assert [event["what"] for event in outcome.outside] == [], shown


def test_the_commands_of_the_page_are_taken() -> None:
    page = (PROJECT / "docs" / "reliability.md").read_text("utf-8")
    commands = re.findall(r"-m tests\.faults (.+)", page)
    engines = {read_options(command.split()).engine for command in commands}
    assert engines >= {"mariadb", "galera"}
