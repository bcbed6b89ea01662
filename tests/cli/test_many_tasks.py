"""``flask tasks retry``, ``cancel`` and ``delete`` of the tasks that pass filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import task_changes
from app.queue import bulk_tasks, search
from app.queue.cancel import cancel
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.settle import Failure, settle
from app.site import Site
from tests.cli.runner import Commands
from tests.cli.test_terminal import in_terminal
from tests.support.queue import register


@pytest.fixture
def ids(site: Site) -> list[int]:
    """Tasks of a type, the first half with a tag."""
    register(site, "mail")
    made = create(site, [NewTask("mail", {"n": n}, tags=["old"] * (n < 10)) for n in range(20)])
    return [each.id for each in made]


def statuses(commands: Commands) -> dict[int, str]:
    listed = commands.json("tasks", "list", "--limit", "100")["tasks"]
    return {each["id"]: each["status"] for each in listed}


@pytest.mark.parametrize("at_once", [500, 3])
def test_those_that_pass_the_filters_are_changed(
    commands: Commands, ids: list[int], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_changes, "AT_ONCE", at_once)
    old, new = ids[:10], ids[10:]
    told = commands.output("tasks", "cancel", "--tag", "old", "--yes")
    assert told == "10 tasks cancelled\n"
    assert statuses(commands) == {
        **dict.fromkeys(old, "cancelled"),
        **dict.fromkeys(new, "pending"),
    }
    told = commands.output(
        "tasks", "retry", "--status", "cancelled", "--before-id", str(old[4]), "-y"
    )
    assert told == "4 tasks retried\n"
    assert (
        commands.output("tasks", "delete", "--status", "cancelled", "--yes") == "6 tasks deleted\n"
    )
    assert statuses(commands) == dict.fromkeys([*old[:4], *new], "pending")


def test_a_dry_run_counts(commands: Commands, ids: list[int]) -> None:
    before = statuses(commands)
    for verb, done in (("cancel", "cancelled"), ("delete", "deleted")):
        told = commands.output("tasks", verb, "--type", "%", "--dry-run")
        assert told == f"20 tasks would be {done}, nothing was changed\n"
    told = commands.output("tasks", "retry", "--type", "%", "--dry-run")
    assert told == "0 tasks would be retried, nothing was changed\n"
    told = commands.output("tasks", "cancel", "--dry-run", str(ids[0]), "999999")
    assert told == "1 task would be cancelled, nothing was changed\n"
    assert statuses(commands) == before


def test_a_count_that_ends_early(
    commands: Commands, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_tasks, "MOST_COUNTED", 5)
    told = commands.output("tasks", "cancel", "--type", "%", "--dry-run")
    assert told == "at least 5 tasks would be cancelled, nothing was changed\n"
    assert commands.output("tasks", "cancel", "--type", "%", "--yes") == "20 tasks cancelled\n"


def test_nothing_is_done_without_an_answer(commands: Commands, ids: list[int]) -> None:
    told = commands.error("tasks", "delete", "--tag", "old", code=2)
    assert told == "Error: Delete 10 tasks? Nobody can be asked here: add --yes"
    assert len(statuses(commands)) == 20
    assert commands.output("tasks", "delete", "--tag", "none of them") == "0 tasks deleted\n"


def test_it_must_be_clear_which_ones(commands: Commands, ids: list[int]) -> None:
    neither = commands.error("tasks", "delete", "--yes", code=2)
    assert neither.endswith("like --status failed; --type % means all of them")
    assert commands.error("tasks", "delete", "--yes", "--before-id", "7", code=2) == neither
    both = commands.error("tasks", "delete", "--tag", "old", str(ids[0]), code=2)
    assert both == "Error: name the tasks by IDs or by filters, not by both"
    assert len(statuses(commands)) == 20


def test_what_workers_hold_is_not_deleted(site: Site, commands: Commands, ids: list[int]) -> None:
    claim(site, ClaimRequest("w", 3))
    assert commands.output("tasks", "delete", "--type", "mail", "-y") == "17 tasks deleted\n"
    assert statuses(commands) == dict.fromkeys(ids[:3], "claimed")
    assert commands.output("tasks", "cancel", "--type", "mail", "-y") == "3 tasks cancelled\n"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_in_a_terminal(
    site: Site, commands: Commands, ids: list[int], database_url: str, tmp_path: Path
) -> None:
    cancel(site, ids[0])
    code, shown = in_terminal(database_url, "tasks", "delete", "--tag", "old", typed=b"y\n")
    assert code == 0
    assert "Delete 10 tasks? [y/N]: " in shown
    assert "10/10" in shown
    assert shown.endswith("10 tasks deleted\r\n")


def test_those_that_hold_a_text(site: Site, commands: Commands, ids: list[int]) -> None:
    found = [create(site, [NewTask("mail", {"to": f"zebra {n}"})])[0].id for n in range(3)]
    page = commands.json("tasks", "list", "--q", "ZEBRA", "--limit", "2")
    assert [each["id"] for each in page["tasks"]] == [found[2], found[1]]
    assert commands.output("tasks", "cancel", "--q", "zebra", "--yes") == "3 tasks cancelled\n"
    assert {each for each, is_in in statuses(commands).items() if is_in == "cancelled"} == {*found}
    assert commands.run("tasks", "export", "--q", "zebra").exit_code == 2


def test_what_was_not_counted_yet_is_asked_about(
    site: Site, commands: Commands, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that found nothing so far may find something later."""
    create(site, [NewTask("mail", {"to": "zebra"})])
    create(site, [NewTask("mail", {"to": f"nobody {n}"}) for n in range(10)])
    monkeypatch.setattr(search, "MOST_SEARCHED", 5)
    monkeypatch.setattr(search, "CHUNK", 5)
    told = commands.error("tasks", "delete", "--q", "zebra", code=2)
    assert told == "Error: Delete at least 0 tasks? Nobody can be asked here: add --yes"
    assert commands.output("tasks", "delete", "--q", "zebra", "--yes") == "1 task deleted\n"


def test_tasks_that_failed_alike_are_retried(
    site: Site, commands: Commands, ids: list[int]
) -> None:
    refs = [LeaseRef(each["id"], "w", 1) for each in claim(site, ClaimRequest("w", 6)).tasks]
    errors = ["no route to host 7", "no route to host 12", "no route to host 3", *["refused"] * 3]
    settle(site, [Failure(ref, error, retry=False) for ref, error in zip(refs, errors)])
    groups = commands.json("failures")["failures"]
    (refused,) = (each["error_group"] for each in groups if each["error"] == "refused")
    told = commands.output("tasks", "retry", "--error-group", str(refused), "--yes")
    assert told == "3 tasks retried\n"
    assert [each for each, is_in in statuses(commands).items() if is_in == "failed"] == [
        ref.task_id for ref in refs[2::-1]
    ]


def test_a_task_is_edited_and_retried(site: Site, commands: Commands, ids: list[int]) -> None:
    task_id = str(ids[0])
    cancel(site, ids[0])
    edit = ("--params", '{"n": "other"}', "--priority", "7", "--max-attempts", "9")
    told = commands.output("tasks", "retry", task_id, *edit)
    assert told == f"Task {task_id} is pending with the changes\n"
    shown = commands.json("tasks", "show", task_id)
    assert (shown["status"], shown["params"], shown["priority"]) == ("pending", {"n": "other"}, 7)
    assert shown["max_attempts"] == 9
    for wrong, reason in (
        (("--params", "{n}"), "--params is not JSON"),
        (("--params", "[]x"), "--params is not JSON"),
        (("--params", "7"), "--params must be an object"),
        (("--priority", "99999999"), "--priority must be a whole number"),
        (("--priority", "1", str(ids[1])), "name one task by its ID"),
        (("--priority", "1", "--tag", "old"), "name one task by its ID and no filter"),
        (("--priority", "1", "--dry-run"), "name one task by its ID and no filter"),
    ):
        told = commands.error("tasks", "retry", task_id, *wrong, code=2)
        assert told.startswith(f"Error: {reason}"), told


def test_the_audit_log_says_who_changed_how_many(commands: Commands, ids: list[int]) -> None:
    commands.output("tasks", "cancel", "--tag", "old", "--yes")
    (line,) = commands.json("audit")["entries"]
    assert line["action"] == "tasks.cancel"
    assert line["actor"].startswith("cli ")
