"""The benchmark's scenarios all run; what they print and draw can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from bench import svg
from bench.report import Report, Table, number
from bench.scenarios import QUICK_SCENARIOS, SCENARIOS
from tests.support.server import PROJECT

SECONDS = 900

# What each scenario leaves in the results.
TITLES = {
    "cycles": ["Cycles: tasks completed a second, MariaDB", "SQLite"],
    "floor": ["Share of the raw-SQL floor"],
    "servers": ["Servers: single tasks by", "Processor time of a claim and a complete"],
    "growth": ["Growth: a claim's median milliseconds", "Waking:"],
    "fair": ["Fair: claims until the ten", "Fair: a claim's milliseconds", "Fair: claims a second"],
    "schedules": ["Schedules: a claim's milliseconds"],
    "prunable": ["Prunable: milliseconds with tasks around", "while flask prune runs"],
    "limits": ["Limits: milliseconds beside tasks that are held back"],
    "settles": ["Settles and heartbeats: median milliseconds"],
    "creates": ["Creates: median milliseconds"],
    "lists": ["Lists: median milliseconds"],
    "statistics": ["Statistics: milliseconds of processor time of a call"],
    "operating": ["dry run", "of what is read", "of a call that changes"],
    "pages": ["of a visit"],
    "cold": ["Cold CGI: milliseconds a request"],
    "cron": ["A cron run of"],
    "worker": ["One worker process"],
    "drain": ["no-ops by worker.py", "Processor time a task"],
    "peers": ["Other queues"],
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


class QuickRun(NamedTuple):
    """What a run of all scenarios printed, said of failures, and wrote."""

    printed: str
    failures: str
    folder: Path

    @property
    def results(self) -> str:
        return (self.folder / "results.md").read_text("utf-8")


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> QuickRun:
    """All in one run: a server's start takes longer than most scenarios."""
    folder = tmp_path_factory.mktemp("bench")
    done = bench("--quick", "--output", str(folder))
    return QuickRun(done.stdout, done.stderr, folder)


@pytest.mark.parametrize("name", QUICK_SCENARIOS)
def test_a_scenario_runs(name: str, quick_run: QuickRun) -> None:
    assert f"\n({name}: " in quick_run.printed, quick_run.failures
    for title in TITLES[name]:
        assert title in quick_run.results


def test_plots_and_conditions_are_written(quick_run: QuickRun) -> None:
    assert "durable defaults" in quick_run.results
    plots = re.findall(r"\]\((.*\.svg)\)", quick_run.results)
    assert len(plots) == 3
    for plot in plots:
        ElementTree.parse(quick_run.folder / plot)


def test_another_checkout_beside_this_one(tmp_path: Path) -> None:
    done = bench("creates", "--quick", "--against", str(PROJECT), "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "results.md").read_text("utf-8")
    assert re.search(r"\| call +\| ms +\| ms, before +\| ratio +\|", results)


def test_scenarios_are_named(tmp_path: Path) -> None:
    assert list(TITLES) == list(SCENARIOS)
    done = bench("speed", "--output", str(tmp_path))
    assert done.returncode == 2
    assert "no such scenario: speed; there are cycles, " in done.stderr


def test_a_report_has_tables_plots_and_goals(tmp_path: Path) -> None:
    report = Report(tmp_path)
    report.heading("Conditions", ["two cores"])
    report.table(Table("Speed", ["what", "ms"], [["a claim", 1.234], ["a list", 1234.5]], "Note."))
    report.lines("plot", "Claims", ("rows", "ms"), {"now": [(1, 2.0), (1000, 3.0)]})
    report.goal("claim", 1.2, at_most=1.3)
    report.goal("drain", 4.0, at_least=5)
    report.finish()
    text = (tmp_path / "results.md").read_text("utf-8")
    assert "## Conditions\n\n- two cores\n" in text
    assert "| a claim | 1.23  |\n| a list  | 1,234 |\n\nNote." in text
    assert "![Claims](plot.svg)" in text
    assert re.search(r"\| claim \| 1.20 +\| ≤ 1.3 \| yes \|", text)
    assert re.search(r"\| drain \| 4.00 +\| ≥ 5 +\| NO  \|", text)


def test_a_quick_run_has_no_goals(tmp_path: Path) -> None:
    report = Report(tmp_path, has_goals=False)
    report.goal("claim", 1.2, at_most=1.3)
    assert "Goals" not in report.finish().read_text("utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234"), (float("inf"), "refused")],
)
def test_numbers_have_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_plots_hold_their_values() -> None:
    drawn = svg.lines(
        "A < B", ("rows", "ms"), {"flat": [(1, 5), (1_000_000, 5)], "grows": [(1, 1), (1000, 20)]}
    )
    texts = [each.text for each in ElementTree.fromstring(drawn).iter() if each.text]
    assert {"A < B", "1", "1k", "1M", "20", "flat", "grows"} <= set(texts)
    bars = svg.bars("Queues", "a second", {"one": 2000.0, "two": 0.0})
    assert {"Queues (a second)", "one", "2,000"} <= {
        each.text for each in ElementTree.fromstring(bars).iter() if each.text
    }
