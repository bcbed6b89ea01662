"""Creating jobs: one, or many, each created or refused on its own."""

from __future__ import annotations

from app.api import fields
from app.api.response import Response
from app.api.spooled.fields import CREATE, CREATE_MANY, ONE_OF_MANY
from app.errors import Invalid, UnknownType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.queue.new_task import Created, NewTask

RETRIES = 3
"""How many its jobs have unless the caller says otherwise."""


def create_job(call: Call) -> Response:
    """An unknown queue becomes a task type that takes any payload."""
    values = call.fields(CREATE)
    new = _new_task(values["queue_name"], values, call.read_traceparent())
    created = _create(call, [new])[0]
    is_new = not created.deduplicated
    return Response(201 if is_new else 200, {"id": str(created.id), "created": is_new})


def create_jobs(call: Call) -> Response:
    """Creates the jobs that are valid and reports an error for each of the others."""
    values = call.fields(CREATE_MANY)
    defaults = {name[8:]: each for name, each in values.items() if name.startswith("default_")}
    traceparent = call.read_traceparent()
    tasks: dict[int, NewTask] = {}
    errors: dict[int, str] = {}
    for index, given in enumerate(values["jobs"]):
        where = f"jobs[{index}]."
        try:
            item = call.read(ONE_OF_MANY, fields.json_object(given), where)
            wanted = {**defaults, **item}
            tasks[index] = _new_task(values["queue_name"], wanted, traceparent, where)
        except (Invalid, ValueError) as error:
            errors[index] = str(error)
    made, refused = _create_accepted(call, tasks)
    errors.update(refused)
    succeeded = [
        {"index": index, "job_id": str(each.id), "created": not each.deduplicated}
        for index, each in made.items()
    ]
    failed = [{"index": index, "error": errors[index]} for index in sorted(errors)]
    payload = {
        "succeeded": succeeded,
        "failed": failed,
        "total": len(values["jobs"]),
        "success_count": len(succeeded),
        "failure_count": len(failed),
    }
    return Response(200, payload)


def _new_task(
    queue: str, values: dict[str, Any], traceparent: str | None, where: str = ""
) -> NewTask:
    from app.queue.new_task import NewTask

    retries = values.get("max_retries")
    job_key = values.get("idempotency_key")
    return NewTask(
        queue,
        values["payload"],
        where,
        priority=values.get("priority"),
        run_at=values.get("scheduled_at"),
        max_attempts=None if retries is None else retries + 1,
        timeout=values.get("timeout_seconds"),
        # Jobs with equal payloads are different jobs here.
        dedupe="forever" if job_key else False,
        dedupe_key=job_key,
        tags=values.get("tags"),
        parent_id=values.get("parent_job_id"),
        traceparent=traceparent,
    )


def _create(call: Call, tasks: list[NewTask]) -> list[Created]:
    from app.queue import task_types
    from app.queue.create import create

    try:
        return create(call.site, tasks, call.access)
    except UnknownType:
        task_types.make_open(call.site, tasks[0].type, max_attempts=RETRIES + 1)
        return create(call.site, tasks, call.access)


def _create_accepted(
    call: Call, tasks: dict[int, NewTask]
) -> tuple[dict[int, Created], dict[int, str]]:
    """Create the tasks that their type accepts; an error for each of the others."""
    if not tasks:
        return {}, {}
    try:
        return dict(zip(tasks, _create(call, list(tasks.values())))), {}
    except Invalid as error:
        errors = {}
        for index, task in tasks.items():
            wrong = [each for each in error.details if each["path"].startswith(task.where)]
            if wrong:
                errors[index] = f"{wrong[0]['path']}: {wrong[0]['message']}"
    left = {index: task for index, task in tasks.items() if index not in errors}
    made = _create(call, list(left.values())) if left else []
    return dict(zip(left, made)), errors
