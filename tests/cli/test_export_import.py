"""``flask tasks export`` and ``import``: there and back, and again after an interruption."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.queue import oldest_first
from app.queue.cancel import cancel
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.oldest_first import OldestFirst
from app.queue.settle import Completion, settle
from app.site import Site
from tests.cli.runner import Commands
from tests.support.queue import register, site_at


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Commands]:
    """Another queue, which knows the same type."""
    site = site_at(f"sqlite:///{tmp_path}/elsewhere.sqlite3")
    register(site, "mail")
    yield Commands(site)
    site.db.close()


@pytest.fixture(autouse=True)
def mail(site: Site) -> None:
    register(site, "mail")


TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def tasks_of(commands: Commands) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = commands.json("tasks", "list", "--limit", "10000")["tasks"]
    return listed[::-1]


def test_tasks_move_to_another_queue(site: Site, commands: Commands, elsewhere: Commands) -> None:
    create(
        site,
        [
            NewTask("mail", {"n": 1}, priority=5, max_attempts=9, tags=["red", "blue"]),
            NewTask(
                "mail", {"n": "ü💥"}, dedupe=False, timeout=12.5, traceparent=TRACE, parent_id=1
            ),
            NewTask("mail", {"n": 3}, run_at="2040-01-31 12:00:00.500", dedupe_key="mine"),
            NewTask("mail", {"n": "ü💥"}, dedupe=False),
        ],
    )
    result = commands.run("tasks", "export")
    assert result.stderr == "4 tasks exported\n"
    assert [json.loads(line) for line in result.stdout.splitlines()] == tasks_of(commands)
    assert elsewhere.output("tasks", "import", stdin=result.stdout) == "4 tasks created\n"
    kept = (
        *("type", "params", "priority", "max_attempts", "tags", "timeout", "run_at", "status"),
        "traceparent",
    )
    before, after = tasks_of(commands), tasks_of(elsewhere)
    assert [[each[name] for name in kept] for each in before] == [
        [each[name] for name in kept] for each in after
    ]
    assert after[2]["dedupe_key"] == "mine"
    # In another queue the id may be another task's.
    assert (before[1]["parent_id"], after[1]["parent_id"]) == (1, None)
    assert elsewhere.output("tasks", "import", stdin=result.stdout) == (
        "0 tasks created, 4 existed already\n"
    )


def test_an_import_is_finished_by_the_next_one(elsewhere: Commands) -> None:
    """Also what ran in between is not made twice, whatever its type says of equal tasks."""
    elsewhere.output(
        "types",
        "register",
        stdin='{"name": "own", "version": "1", "param_schema": {}, "dedupe": false}',
    )
    lines = [json.dumps({"type": "own", "params": {}}) for _ in range(3)]
    lines += [json.dumps({"type": "mail", "dedupe": "active", "params": {}})]
    assert elsewhere.output("tasks", "import", stdin="\n".join(lines[:2])) == "2 tasks created\n"
    for task in tasks_of(elsewhere):
        elsewhere.output("tasks", "cancel", str(task["id"]))
    told = elsewhere.output("tasks", "import", stdin="\n".join(lines))
    assert told == "2 tasks created, 2 existed already\n"


def test_filters_choose_what_is_exported(site: Site, commands: Commands, tmp_path: Path) -> None:
    create(site, [NewTask("mail", {"n": n}, tags=["even"] * (n % 2 == 0)) for n in range(6)])
    file = tmp_path / "even.jsonl.gz"
    told = commands.run("tasks", "export", str(file), "--tag", "even").stderr
    assert told == "3 tasks exported\n"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert [json.loads(line)["params"]["n"] for line in lines] == [0, 2, 4]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".ht-")] == []


def test_a_file_is_not_overwritten_by_mistake(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text("precious", "utf-8")
    assert commands.error("tasks", "export", str(file), code=2).endswith("or add --overwrite")
    assert file.read_text("utf-8") == "precious"
    commands.output("tasks", "export", str(file), "--overwrite")
    assert file.read_text("utf-8") == ""


def test_a_folder_that_is_not_there_is_told(commands: Commands) -> None:
    assert "/nowhere" in commands.error("tasks", "export", "/nowhere/tasks.jsonl")
    assert commands.error("tasks", "import", "/nowhere/tasks.jsonl") == (
        "Error: /nowhere/tasks.jsonl: No such file or directory"
    )


def test_finished_tasks_are_left_out(site: Site, commands: Commands, elsewhere: Commands) -> None:
    made = create(site, [NewTask("mail", {"n": n}) for n in range(3)])
    cancel(site, made[0].id)
    (claimed,) = claim(site, ClaimRequest("w")).tasks
    settle(site, [Completion(LeaseRef(claimed["id"], "w", claimed["attempts"]), "7")])
    exported = commands.run("tasks", "export").stdout
    told = elsewhere.output("tasks", "import", stdin=exported)
    assert told == "1 task created, 2 finished ones left out (--finished imports them)\n"
    told = elsewhere.output("tasks", "import", "--finished", stdin=exported)
    assert told == "2 tasks created, 1 existed already\n"


def test_bad_lines_are_told_by_number_and_the_others_imported(elsewhere: Commands) -> None:
    good = '{"type": "mail", "params": {"n": %d}}'
    lines = [
        good % 1,
        "nonsense",
        "",
        '{"type": "fax", "params": {}}',
        '{"type": "mail", "params": {}, "priority": "high", "delay": -1}',
        "[]",
        good % 2,
    ]
    result = elsewhere.run("tasks", "import", stdin="\n".join(lines))
    assert result.exit_code == 1
    assert result.stdout == "2 tasks created\n"
    assert sorted(result.stderr.splitlines()[:-1]) == [
        "line 2: is not JSON: Expecting value at line 1, column 1; each line is one object, {…}",
        "line 4: type 'fax' is not registered: register it first (types register)",
        'line 5: priority must be a whole number from -1000000 to 1000000, and is "high"; '
        "delay must be a number from 0 to 316224000, and is -1",
        "line 6: is not an object: write {…} with a type and params",
    ]
    assert result.stderr.splitlines()[-1] == (
        "Error: 4 lines could not be imported: correct what is said above and run this again, "
        "the others are not made twice"
    )


def test_the_params_of_a_line_are_checked_by_the_schema(elsewhere: Commands) -> None:
    shape = {"properties": {"n": {"type": "integer"}}}
    of_type = json.dumps({"name": "sum", "version": "1", "param_schema": shape})
    elsewhere.output("types", "register", stdin=of_type)
    lines = [json.dumps({"type": "sum", "params": {"n": n}}) for n in (1, 2, "x", 4)]
    result = elsewhere.run("tasks", "import", stdin="\n".join(lines))
    assert result.stdout == "3 tasks created\n"
    assert result.stderr.startswith("line 3: params.n ")


def test_a_damaged_file_is_told(elsewhere: Commands, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl.gz"
    whole = gzip.compress(b'{"type": "mail", "params": {}}\n' * 1000)
    file.write_bytes(whole[: len(whole) // 2])
    assert elsewhere.error("tasks", "import", str(file)).endswith("copy it again")
    file.write_bytes(b"no gzip")
    assert elsewhere.error("tasks", "import", str(file)).endswith("copy it again")
    file.write_bytes(gzip.compress(b'{"type": "mail", "params": {"n": "\xff"}}\n'))
    result = elsewhere.run("tasks", "import", str(file))
    assert result.stderr.startswith("line 1: is not UTF-8 (byte 35)")


def test_many_more_tasks_than_a_window_holds(
    site: Site, commands: Commands, elsewhere: Commands
) -> None:
    tags = {n: ["rare"] for n in (0, 700, 1500)}
    for start in range(0, 2000, 1000):
        drafts = [NewTask("mail", {"n": n}, tags=tags.get(n)) for n in range(start, start + 1000)]
        create(site, drafts)
    exported = commands.run("tasks", "export").stdout
    assert [json.loads(line)["params"]["n"] for line in exported.splitlines()] == list(range(2000))
    assert elsewhere.output("tasks", "import", stdin=exported) == "2000 tasks created\n"
    rare = commands.run("tasks", "export", "--tag", "rare").stdout
    assert [json.loads(line)["params"]["n"] for line in rare.splitlines()] == sorted(tags)


def test_windows_grow_where_few_tasks_are_and_shrink_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oldest_first, "MOST_TASKS", 4)
    monkeypatch.setattr(oldest_first, "FEW_TASKS", 2)
    dense = [*range(0, 10), *range(200, 230)]
    drafts = [NewTask("mail", {"n": n}, tags=["x"] * (n in dense)) for n in range(300)]
    ids = [made.id for made in create(site, drafts)]
    app = Commands(site)
    with app.context():
        windows = list(OldestFirst(site, {"tag": "x"}))
    assert [row["id"] for rows, _ in windows for row in rows] == [ids[n] for n in dense]
    assert sum(covered for _, covered in windows) == ids[229] - ids[0] + 1
    assert max(covered for _, covered in windows) > 50
    assert len(windows) < 60


def test_an_export_ends_although_tasks_are_made(site: Site) -> None:
    create(site, [NewTask("mail", {"n": 1})])
    app = Commands(site)
    with app.context():
        found = OldestFirst(site, {})
        create(site, [NewTask("mail", {"n": 2})])
        assert [row["params_json"] for rows, _ in found for row in rows] == ['{"n":1}']
