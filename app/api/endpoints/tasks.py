"""Creating and reading tasks."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.body import read_object
from app.api.response import Response, success, success_with_fields
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.call import Call
    from app.config import Settings
    from app.queue.idempotency import IdempotencyKey
    from app.queue.new_task import Created, NewTask

MAX_TASKS = 1000

TASK = fields.Fields(
    {"type": fields.text(255), "params": fields.json_object},
    priority=fields.priority,
    run_at=fields.time,
    delay=fields.number(0),
    max_attempts=fields.integer(1, 1000),
    timeout=fields.number(0.1),
    dedupe=fields.dedupe,
    dedupe_key=fields.text(191),
    concurrency_key=fields.text(191),
    tags=fields.tags,
    parent_id=fields.integer(1, fields.MAX_ID),
    traceparent=fields.traceparent,
)
TASKS = fields.Fields({"tasks": fields.list_of(fields.anything, MAX_TASKS)})

FILTERS: dict[str, fields.Reader] = {
    "status": fields.one_of(
        ("pending", "claimed", "processing", "completed", "failed", "cancelled")
    ),
    "type": fields.text(255),
    "tag": fields.text(50),
    "worker_id": fields.worker_id,
    "created_after": fields.time,
    "created_before": fields.time,
    "error_group": fields.integer(1, fields.MAX_ID),
    "q": fields.text(200),
}
"""What tasks of a list have in common, or tasks that are changed together."""

LIST = fields.Fields(
    {},
    **FILTERS,
    before_id=fields.integer(1, fields.MAX_ID),
    limit=fields.list_limit,
    offset=fields.integer(0, fields.MAX_ID),
    total=fields.one_of(("true", "false", "1", "0")),
)


def create(call: Call) -> Response:
    """One task, or many at once: all of them or none."""
    given = read_object(call.request, call.site.settings.max_body_bytes)
    key = _idempotency_key(call, given)
    traceparent = call.read_traceparent()
    if "tasks" in given:
        return _create_many(call, given, traceparent, key)
    from app.queue.create import create as create_tasks

    new = _new_task(call, given, "", traceparent)
    created = create_tasks(call.site, [new], call.access, key)[0]
    if created.deduplicated:
        data = {**serializers.task(created.row, serializers.EXISTING), "deduplicated": True}
        return success_with_fields(data, "An equal task exists already")
    data = serializers.task(created.row, serializers.CREATED)
    return success_with_fields(data, "Task created successfully", 201)


def get(call: Call) -> Response:
    from app.queue.find_task import find_task

    return success(serializers.task(find_task(call.site, call.task_id, call.access)), "Task")


def history(call: Call) -> Response:
    from app.queue import history

    rows = history.read(call.site, call.task_id, call.access)
    lines = [serializers.history_line(row) for row in rows]
    return success({"history": lines, "count": len(lines)}, "Task history")


def list_all(call: Call) -> Response:
    from app.queue import listing

    filters = call.query(LIST)
    limit, offset = call.take_limit(filters), filters.pop("offset", 0)
    has_total = filters.pop("total", "false") in ("true", "1")
    if "q" in filters:
        return _search(call, filters, limit, offset, has_total)
    found = listing.find(call.site, filters, limit, offset, call.access)
    tasks = [serializers.task(row) for row in found]
    more = len(tasks) == limit
    data = {
        "tasks": tasks,
        "count": len(tasks),
        "limit": limit,
        "offset": offset,
        "next_before_id": tasks[-1]["id"] if more else None,
    }
    if has_total:
        data.update(_total(call, filters))
    return success(data, "Tasks" if tasks else "No tasks match")


def _total(call: Call, filters: dict[str, Any]) -> dict[str, Any]:
    from app.queue.list_total import list_total

    found = list_total(call.site, filters, call.access)
    return {"total": found.total, "total_is_capped": found.is_capped}


def _search(
    call: Call, filters: dict[str, Any], limit: int, offset: int, has_total: bool
) -> Response:
    from app.queue import listing
    from app.queue.find_task import find_tasks

    for name, is_given in (("offset", offset), ("total", has_total)):
        if is_given:
            message = "cannot be given with q: a search goes on with before_id"
            raise fields.invalid([{"path": name, "message": message}])
    result = listing.search(call.site, filters, limit, call.access)
    rows = find_tasks(call.site, result.ids, call.access) if result.ids else []
    tasks = [serializers.task(row) for row in rows]
    data = {
        "tasks": tasks,
        "count": len(tasks),
        "limit": limit,
        "searched": result.searched,
        "next_before_id": result.next_before_id,
    }
    how_far = "all" if result.next_before_id is None else "more can be searched with before_id"
    searched = counted(result.searched, "task")
    return success(data, f"{counted(len(tasks), 'task')} found, {searched} searched: {how_far}")


def _create_many(
    call: Call, given: dict[str, Any], traceparent: str | None, key: IdempotencyKey | None
) -> Response:
    from app.queue.create import create as create_tasks

    given_tasks = call.read(TASKS, given)["tasks"]
    new_tasks = fields.read_each(
        given_tasks, "tasks", lambda each, where: _new_task(call, each, where, traceparent)
    )
    created = create_tasks(call.site, new_tasks, call.access, key) if new_tasks or key else []
    doubles = sum(each.deduplicated for each in created)
    data = {
        "tasks": [_brief(each) for each in created],
        "created": len(created) - doubles,
        "deduplicated": doubles,
    }
    made = counted(len(created) - doubles, "task")
    return success(data, f"{made} created successfully", 201)


def _brief(created: Created) -> dict[str, Any]:
    shown = serializers.task(created.row, serializers.CREATED_AMONG_MANY)
    return {**shown, "deduplicated": created.deduplicated}


def _idempotency_key(call: Call, given: dict[str, Any]) -> IdempotencyKey | None:
    if "idempotency-key" not in call.request.headers:
        return None
    from app.api import idempotency  # loaded when needed

    return idempotency.key_of(call, given)


def _new_task(call: Call, given: dict[str, Any], where: str, traceparent: str | None) -> NewTask:
    task, warnings = new_task(given, call.site.settings, where, traceparent)
    call.warnings += warnings
    return task


def new_task(
    given: Mapping[str, Any],
    settings: Settings,
    where: str = "",
    traceparent: str | None = None,
) -> tuple[NewTask, list[str]]:
    """The task that an object describes, and a warning for each field that is not known. ``where``
    begins the paths in errors; ``traceparent`` is its own where the object has none. Raises
    Invalid.
    """
    from app.queue.new_task import NewTask

    values, warnings = TASK.read(given, settings, where)
    if "traceparent" in values:
        from app.api import trace_context  # loaded when needed

        place = f"{where}traceparent"
        traceparent = trace_context.read(values.pop("traceparent"), place, warnings) or traceparent
    if "run_at" in values and "delay" in values:
        message = "cannot be given together with run_at: leave one out"
        raise fields.invalid([{"path": f"{where}delay", "message": message}])
    if values.get("dedupe") is False and "dedupe_key" in values:
        message = "cannot be given with dedupe false: leave one out"
        raise fields.invalid([{"path": f"{where}dedupe_key", "message": message}])
    return NewTask(where=where, traceparent=traceparent, **values), warnings
