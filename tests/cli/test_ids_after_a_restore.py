"""After a restore no id is given again that a worker may still hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.db.backup.dump_reader import BadBackup, DumpReader
from app.errors import NotFound
from app.queue import cancel, delete
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.settle import Completion, settle
from app.site import Site
from tests.cli.runner import Commands
from tests.cli.test_backup import NAMES_BY_ENGINE
from tests.support.queue import register


def make(site: Site, number: int) -> int:
    return create(site, [NewTask("mail", {"n": number})])[0].id


def make_and_delete(site: Site, number: int) -> int:
    task_id = make(site, number)
    cancel.cancel(site, task_id)
    delete.delete(site, task_id)
    return task_id


@pytest.mark.parametrize(("engine", "name"), NAMES_BY_ENGINE, indirect=["engine"])
def test_ids_of_deleted_tasks_do_not_come_again(
    site: Site, emptied: Site, name: str, tmp_path: Path
) -> None:
    register(site, "mail")
    make(site, 1)
    gone = make_and_delete(site, 2)
    Commands(site).output("backup", str(tmp_path / name))
    Commands(emptied).output("restore", str(tmp_path / name))
    assert make(emptied, 3) > gone


@pytest.mark.parametrize(("engine", "name"), NAMES_BY_ENGINE, indirect=["engine"])
def test_a_worker_from_before_does_not_settle_another_task(
    site: Site, name: str, tmp_path: Path
) -> None:
    """Its task was made after the backup, and claimed under the name that it has now, too."""
    register(site, "mail")
    Commands(site).output("backup", str(tmp_path / name))
    make(site, 1)
    (held,) = claim(site, ClaimRequest("w")).tasks
    Commands(site).output("restore", "--replace", "--yes", str(tmp_path / name))
    make(site, 2)
    (another,) = claim(site, ClaimRequest("w")).tasks
    assert another["id"] > held["id"]
    (outcome,) = settle(site, [Completion(LeaseRef(held["id"], "w", 1), '"old"')])
    assert isinstance(outcome.refusal, NotFound)


@pytest.mark.parametrize("ids", ['{"tasks": "7"}', '{"tasks": -1}', '{"x; DROP": 7}', "[7]"])
def test_next_ids_are_checked(ids: str, tmp_path: Path) -> None:
    file = tmp_path / "dump"
    start = '{"taskmanager_backup": 1, "version": "0", "schema_version": 1, "next_ids": '
    file.write_text(f"{start}{ids}}}\n")
    with file.open("rb") as dump, pytest.raises(BadBackup, match="next ids"):
        DumpReader(dump)
