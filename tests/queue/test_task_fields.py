"""The one list of a task's fields has every column of the table, and every field of a create."""

from __future__ import annotations

import inspect

from app.api.endpoints.tasks import TASK
from app.db.tables import Task
from app.queue.new_task import NewTask
from app.queue.task_fields import FIELD_OF, STORED_AS_GIVEN

WITHIN_THE_QUEUE = {
    "type_id": "shown as type",
    "last_outcome": "for repeats of a settle",
    "change_id": "for later statements of a packet",
    "claim_id": "for repeats of a claim",
    "former_dedupe_key": "for a retry",
    "claimed_key": "for settles by keys with scopes",
    "key_slot": "for the limit of its concurrency key",
    "ready_at": "for the wait that a claim notes",
}
"""Columns that no field shows, and what they are for."""


def test_every_column_is_of_a_field() -> None:
    columns = set(Task.__table__.columns.keys())
    read = {field.column for field in FIELD_OF.values()} - {"type"}
    missing = columns - read - set(WITHIN_THE_QUEUE)
    assert not missing, f"app/queue/task_fields.py: add a TaskField for {sorted(missing)}"
    unknown = read - columns
    assert not unknown, f"app/db/tables.py: add a column for {sorted(unknown)}"


def test_every_field_of_a_create_is_stored() -> None:
    parameters = inspect.signature(NewTask).parameters.values()
    named = {each.name for each in parameters if each.kind is not each.VAR_KEYWORD}
    as_given = {field.name for field, _ in STORED_AS_GIVEN}
    missing = set(TASK.readers) - named - as_given
    assert not missing, f"app/queue/task_fields.py: say how to store {sorted(missing)}"
    unread = as_given - set(TASK.readers)
    assert not unread, f"app/api/endpoints/tasks.py: add a reader to TASK for {sorted(unread)}"
