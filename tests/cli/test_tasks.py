"""``flask tasks``: list, show, add, retry, cancel, delete."""

from __future__ import annotations

import json

import pytest

from app.api.endpoints.tasks import LIST
from app.cli.task_filters import HELP
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.settle import Failure, settle
from app.site import Site
from tests.cli.runner import Commands
from tests.support.queue import register

PAGING = {"limit", "offset", "total"}


@pytest.fixture(autouse=True)
def mail(site: Site) -> None:
    register(site, "mail")


def make(site: Site, **options: object) -> int:
    made = create(site, [NewTask("mail", {}, dedupe=False, **options)])  # type: ignore[arg-type]
    return made[0].id


def test_every_filter_of_the_api_is_an_option() -> None:
    assert set(LIST.readers) - PAGING == set(HELP)


def test_tasks_are_listed_newest_first(site: Site, commands: Commands) -> None:
    ids = [make(site, priority=number) for number in range(3)]
    listed = commands.json("tasks", "list")
    assert [each["id"] for each in listed["tasks"]] == ids[::-1]
    assert listed["next_before_id"] is None
    lines = commands.output("tasks", "list").splitlines()
    assert lines[0].split() == [
        "id",
        "type",
        "status",
        "priority",
        "attempts",
        "created",
        "worker",
        "error",
    ]
    assert lines[1].split()[:5] == [str(ids[2]), "mail", "pending", "2", "0/3"]


def test_a_list_goes_on_below_an_id(site: Site, commands: Commands) -> None:
    ids = [make(site) for _ in range(3)]
    page = commands.json("tasks", "list", "--limit", "2")
    assert page["next_before_id"] == ids[1]
    rest = commands.json("tasks", "list", "--before-id", str(ids[1]))
    assert [each["id"] for each in rest["tasks"]] == ids[:1]
    told = commands.run("tasks", "list", "--limit", "2").stderr
    assert told == f"There may be more: add --before-id {ids[1]}\n"


def test_filters_narrow_the_list(site: Site, commands: Commands) -> None:
    register(site, "sms")
    tagged = make(site, tags=["red"])
    make(site)
    sms = create(site, [NewTask("sms", {})])[0].id

    def listed(*filters: str) -> list[int]:
        return [each["id"] for each in commands.json("tasks", "list", *filters)["tasks"]]

    assert listed("--tag", "red") == [tagged]
    assert listed("--type", "s%") == [sms]
    assert listed("--status", "failed") == []
    assert listed("--created-after", "2999-01-01") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--status", "lost"), "--status must be one of pending, claimed"),
        (("--created-after", "soon"), "--created-after must be a time like"),
        (("--before-id", "x"), "--before-id must be a whole number"),
    ],
)
def test_a_wrong_filter_is_named(commands: Commands, arguments: tuple[str, str], told: str) -> None:
    assert commands.error("tasks", "list", *arguments, code=2).startswith(f"Error: {told}")


def test_a_task_is_shown_with_its_history(site: Site, commands: Commands) -> None:
    task_id = make(site)
    (claimed,) = claim(site, ClaimRequest("w-1")).tasks
    lease_ref = LeaseRef(task_id, "w-1", claimed["attempts"])
    settle(site, [Failure(lease_ref, "no route", "T\nB")])
    shown = commands.json("tasks", "show", str(task_id))
    assert shown["error_message"] == "no route"
    assert [line["status"] for line in shown["history"]] == ["pending", "claimed", "pending"]
    text = commands.output("tasks", "show", str(task_id))
    assert "error_message     no route\n" in text
    assert "\nT\nB\n" in text
    assert text.splitlines()[-1].split()[1:3] == ["pending", "1"]


def test_an_unknown_task_is_an_error(commands: Commands) -> None:
    assert commands.error("tasks", "show", "999999") == "Error: Task 999999 not found"


def test_add_makes_a_task(commands: Commands) -> None:
    options = [
        "--priority",
        "4",
        "--tag",
        "a",
        "--tag",
        "b",
        "--max-attempts",
        "7",
        "--delay",
        "60",
    ]
    made = commands.json("tasks", "add", "mail", '{"n": 1}', *options)
    assert made["deduplicated"] is False
    shown = commands.json("tasks", "show", str(made["id"]))
    assert shown["params"] == {"n": 1}
    assert (shown["priority"], shown["tags"], shown["max_attempts"]) == (4, ["a", "b"], 7)
    assert shown["run_at"] is not None


def test_add_reads_params_from_standard_input(commands: Commands) -> None:
    told = commands.output("tasks", "add", "mail", "-", stdin='{"n": 2}')
    task_id = told.split()[1]
    assert told == f"Task {task_id} created\n"
    assert commands.json("tasks", "show", task_id)["params"] == {"n": 2}


def test_add_tells_of_an_equal_task(commands: Commands) -> None:
    first = commands.json("tasks", "add", "mail", "--dedupe", "ACTIVE")["id"]
    told = commands.output("tasks", "add", "mail", "--dedupe", "active")
    assert told == f"An equal task exists already: task {first}, pending\n"
    other = commands.json("tasks", "add", "mail", "--dedupe", "false")
    assert (other["deduplicated"], other["id"] > first) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["mail", "{n:1}"], 2, "PARAMS is not JSON: Expecting property name"),
        (["mail", "[1]"], 2, "PARAMS must be an object, {…}, and is a list of 1"),
        (["mail", "--run-at", "x"], 2, "--run-at must be a time like"),
        (["mail", "--priority", "9999999"], 2, "--priority must be a whole number from"),
        (["mail", "--dedupe", "often"], 2, '--dedupe must be "forever", "active"'),
        (["fax"], 1, "Task type 'fax' not found"),
    ],
)
def test_add_refuses(commands: Commands, arguments: list[str], code: int, told: str) -> None:
    assert commands.error("tasks", "add", *arguments, code=code).startswith(f"Error: {told}")


def test_params_are_checked_by_the_types_schema(site: Site, commands: Commands) -> None:
    told = commands.output(
        "types",
        "register",
        stdin=json.dumps({"name": "fax", "version": "1", "param_schema": {"required": ["to"]}}),
    )
    assert told == "Task type fax registered\n"
    assert "params" in commands.error("tasks", "add", "fax", "{}")


def test_tasks_are_cancelled_retried_and_deleted(site: Site, commands: Commands) -> None:
    ids = [str(make(site)) for _ in range(2)]
    assert commands.output("tasks", "cancel", *ids) == "2 tasks cancelled\n"
    assert commands.output("tasks", "retry", ids[0]) == "1 task retried\n"
    statuses = [commands.json("tasks", "show", each)["status"] for each in ids]
    assert statuses == ["pending", "cancelled"]
    assert commands.output("tasks", "delete", *ids) == "2 tasks deleted\n"
    assert commands.json("tasks", "list")["tasks"] == []


def test_a_refusal_leaves_the_others_to_be_done(site: Site, commands: Commands) -> None:
    task_id = str(make(site))
    result = commands.run("tasks", "cancel", "999999", task_id)
    assert result.exit_code == 1
    assert result.stdout == "1 task cancelled\n"
    assert result.stderr == "Error: Task 999999 not found\n"
