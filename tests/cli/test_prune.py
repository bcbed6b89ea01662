"""``flask prune`` and ``flask vacuum``."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import cancel, create
from app.queue.new_task import NewTask
from app.site import Site
from tests.cli.runner import Commands
from tests.support.queue import register

DAY = 86400


@pytest.fixture
def ended(site: Site) -> list[int]:
    """Four cancelled tasks, of which three have been kept long enough."""
    register(site, "job")
    made = create.create(site, [NewTask("job", {"n": n}) for n in range(4)])
    ids = [each.id for each in made]
    for each in ids:
        cancel.cancel(site, each)
    old = site.db.dialect.after(str(-31 * DAY))
    listed = ",".join(map(str, ids[:3]))
    send(site, f"UPDATE tasks SET completed_at = {old} WHERE id IN ({listed})")
    return ids


def send(site: Site, sql: str) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, {}))


def tasks(site: Site) -> list[int]:
    return [row["id"] for row in send(site, "SELECT id FROM tasks ORDER BY id")]


def test_a_dry_run_counts(commands: Commands, site: Site, ended: list[int]) -> None:
    shown = commands.json("prune", "--dry-run")
    assert shown["dry_run"] is True
    assert shown["deleted"]["cancelled tasks"] == 3
    assert shown["deleted"]["completed tasks"] == 0
    assert tasks(site) == ended


def test_until_nothing_is_left(commands: Commands, site: Site, ended: list[int]) -> None:
    output = commands.output("prune")
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == ["deleted", "count"]
    assert ["cancelled", "tasks", "3"] in lines
    assert tasks(site) == ended[3:]
    assert ["cancelled", "tasks", "0"] in [
        line.split() for line in commands.output("prune").splitlines()
    ]


def test_for_a_time(commands: Commands, site: Site, ended: list[int]) -> None:
    result = commands.run("prune", "--max-seconds", "0")
    assert result.exit_code == 0
    assert "more is left" in result.stderr
    assert commands.json("prune", "--max-seconds", "60")["is_more_left"] is False
    assert tasks(site) == ended[3:]


def test_vacuum_says_what_waits_for_it(commands: Commands, site: Site, engine: str) -> None:
    error = commands.error("vacuum", code=2)
    assert ("VACUUM" if engine == "sqlite" else "OPTIMIZE TABLE") in error
    assert "free disk space" in error
    assert "--yes" in error


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_vacuum_makes_the_file_smaller(commands: Commands, site: Site) -> None:
    register(site, "job")
    tasks = [NewTask("job", {"n": n, "text": "x" * 10_000}) for n in range(200)]
    create.create(site, tasks)
    send(site, "DELETE FROM tasks")
    lines = [line.split() for line in commands.output("vacuum", "--yes").splitlines()]
    assert lines[0] == ["before", "after"]
    total = next(line for line in lines if line[0] == "total")
    assert total[2] == "MB"
    assert total[4] == "KB"
    assert lines[-1][:2] == ["It", "took"]


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_vacuum_of_each_table(commands: Commands, site: Site) -> None:
    output = commands.output("vacuum", "--yes")
    for table in ("tasks", "task_history", "used_dedupe_keys", "total"):
        assert any(line.startswith(table) for line in output.splitlines())
