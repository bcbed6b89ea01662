"""``flask stats`` and ``flask failures``."""

from __future__ import annotations

import pytest

from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.settle import Failure, settle
from app.queue.statistics.roll_up import roll_up
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.cli.runner import Commands
from tests.support.queue import register


@pytest.fixture(autouse=True)
def _tasks(site: Site) -> None:
    for name in ("mail", "report"):
        register(site, name)
        create(site, [NewTask(name, {"n": n}) for n in range(3)])
    (task,) = claim(site, ClaimRequest("w", 1, 60)).tasks
    settle(site, [Failure(LeaseRef(task["id"], "w", 1), "no mailbox 'ada'", retry=False)])


def test_stats(commands: Commands) -> None:
    lines = [line.split() for line in commands.output("stats").splitlines() if line]
    assert lines[0] == [
        *("type", "pending", "scheduled", "claimed", "completed", "failed", "cancelled")
    ]
    assert lines[1:4] == [
        ["mail", *"200010"],
        ["report", *"300000"],
        ["all", *"500010"],
    ]
    assert ["failed", "1", "1", "1"] in lines
    found = commands.json("stats", "--type", "mail")
    assert (found["counts"]["pending"], found["counts"]["failed"]) == (2, 1)


def test_recount(site: Site, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queue.statistics.roll_up.SETTLED_SECONDS", 0.0)
    roll_up(site, Budget(60))
    site.db.run(lambda connection: connection.query("UPDATE task_counts SET total = 99", {}))
    assert commands.json("stats")["counts"]["pending"] != 5
    assert commands.json("stats", "--recount")["counts"]["pending"] == 5
    assert commands.json("stats")["counts"]["pending"] == 5


def test_recount_without_a_history(
    site: Site, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.settings, "enable_task_history", False)
    result = commands.run("stats", "--recount")
    assert "No history is kept" in result.stderr
    assert result.exit_code == 0


def test_failures(commands: Commands) -> None:
    heading, line = commands.output("failures").splitlines()
    assert heading.split() == ["count", "type", "group", "last", "sample", "error"]
    assert line.split()[:2] == ["1", "mail"]
    assert line.endswith("no mailbox 'ada'")
    (group,) = commands.json("failures", "--type", "mail")["failures"]
    assert (group["count"], group["error"]) == (1, "no mailbox 'ada'")
    assert commands.json("failures", "--type", "report") == {"failures": []}


def test_an_unknown_type(commands: Commands) -> None:
    for name in ("stats", "failures"):
        assert "'none' is not registered" in commands.error(name, "--type", "none")
