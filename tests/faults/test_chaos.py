"""A short chaos run on each engine: nothing lost, nothing doubled, every answer as promised. Long
ones are run by hand: docs/reliability.md.
"""

from __future__ import annotations

import pytest

from tests.faults.chaos import Options, run
from tests.faults.report import summary, table

SECONDS = {"sqlite": 12.0, "mariadb": 15.0, "galera": 15.0}


@pytest.mark.parametrize("engine", SECONDS)
def test_the_books_balance_after_faults(engine: str) -> None:
    options = Options(engine, SECONDS[engine], seed=4, fault_seconds=1.0, gap=0.5)
    outcome = run(options)
    shown = "\n".join([table(outcome), summary(outcome), *outcome.logged])
    assert len(outcome.hits) >= 2, shown
    assert len(outcome.created) >= 50, shown
    assert outcome.errors == [], shown
    assert [event["what"] for event in outcome.outside] == [], shown
