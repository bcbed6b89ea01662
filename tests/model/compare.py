"""The tables against the model: every task, its history, every type and worker."""

from __future__ import annotations

import json
from typing import Any

from tests.model.rows import Row, Rows, tags_of
from tests.model.state import HistoryLine, Queue, Range, Task, TaskType, Worker, milliseconds
from tests.support.stopped_clock import milliseconds_of, stored


def adopt_random_times(queue: Queue, rows: Rows) -> list[str]:
    """Take over times that only the queue can tell, if they are among those that may be."""
    wrong = []
    for task in queue.random_times():
        row, due = rows.tasks.get(task.id), task.due
        assert isinstance(due, Range)
        at = milliseconds_of(row["due_at"]) if row and row["due_at"] else None
        if at is None or not due.low <= at <= due.high:
            wrong.append(f"task {task.id} is to be due from {due.low} to {due.high}: {row}")
            continue
        task.due = at
    for task in queue.tasks.values():
        wrong += _adopt_waits(task, rows)
    return wrong


def _adopt_waits(task: Task, rows: Rows) -> list[str]:
    """Since when a task could have been let through that a limit held back, and how long it waited
    from then on.
    """
    row, wrong = rows.tasks.get(task.id), []
    if isinstance(task.ready_at, Range) and row and row["ready_at"]:
        at = milliseconds_of(row["ready_at"])
        if not task.ready_at.low <= at <= task.ready_at.high:
            wrong.append(f"task {task.id} is to be ready from {task.ready_at}: {row}")
        task.ready_at = at
    for line, told in zip(task.history, rows.history[task.id]):
        if isinstance(line.waited, Range):
            waited = milliseconds(told["waited"])
            if waited is None or not line.waited.low <= waited <= line.waited.high:
                wrong.append(f"task {task.id} is to have waited {line.waited}: {told}")
            line.waited = waited
    return wrong


def differences(queue: Queue, rows: Rows) -> list[str]:
    found = []
    pairs: list[tuple[str, dict[Any, Any], dict[Any, Any]]] = [
        ("task", {each.id: _task(each) for each in queue.tasks.values()}, _tasks(rows)),
        ("history of", {each.id: _lines(each) for each in queue.tasks.values()}, _history(rows)),
        ("type", {name: _type(each) for name, each in queue.types.items()}, _types(rows)),
        ("used key", _used_keys_of(queue), _used_keys(rows)),
        ("worker", {key: _worker(each) for key, each in queue.workers.items()}, _workers(rows)),
    ]
    if rows.audit != queue.audit:
        found.append(f"audit log: expected {queue.audit}, there is {rows.audit}")
    if rows.idempotency_keys != set(queue.idempotency_keys):
        found.append(f"idempotency keys: expected {set(queue.idempotency_keys)}")
    for what, expected, there in pairs:
        for key in {**expected, **there}:
            if expected.get(key) != there.get(key):
                shown = _differing(expected.get(key), there.get(key))
                found.append(f"{what} {key}: {shown}")
    return found


def _differing(expected: Any, there: Any) -> str:
    if not isinstance(expected, dict) or not isinstance(there, dict):
        return f"expected {expected}, there is {there}"
    names = [name for name in expected if expected[name] != there[name]]
    return ", ".join(f"{name} is {there[name]!r}, not {expected[name]!r}" for name in names)


def _task(task: Task) -> Row:
    return {
        "type": task.type.id,
        "status": task.status,
        "priority": task.priority,
        "due": None if task.due is None else stored(task.due),
        "attempts": task.attempts,
        "max_attempts": task.max_attempts,
        "timeout": task.timeout,
        "lease": task.lease / 1000 if task.status == "claimed" else None,
        "releases": task.releases,
        "claimed_by": task.claimed_by,
        "claimed_key": task.claimed_key,
        "claimed_at": _stored(task.claimed_at),
        "cancel_requested": task.cancel_requested,
        "progress": task.progress,
        "message": task.progress_message,
        "concurrency_key": task.concurrency_key,
        "dedupe_key": task.dedupe_key,
        "former_dedupe_key": task.former_dedupe_key,
        "tags": task.tags,
        "created_at": stored(task.created_at),
        "completed_at": _stored(task.completed_at),
        "params": task.params,
        "result": task.result,
        "error": task.error,
        "traceback": task.traceback,
    }


def _tasks(rows: Rows) -> dict[int, Row]:
    return {task_id: _stored_task(row) for task_id, row in rows.tasks.items()}


def _stored_task(row: Row) -> Row:
    return {
        "type": row["type_id"],
        "status": row["status"],
        "priority": -row["urgency"],
        "due": row["due_at"],
        "attempts": row["attempts"],
        "max_attempts": row["max_attempts"],
        "timeout": row["timeout"],
        "lease": row["lease"] if row["status"] == "claimed" else None,
        "releases": row["releases"],
        "claimed_by": row["claimed_by"],
        "claimed_key": row["claimed_key"],
        "claimed_at": row["claimed_at"],
        "cancel_requested": bool(row["cancel_requested"]),
        "progress": row["progress"],
        "message": row["progress_message"],
        "concurrency_key": row["concurrency_key"],
        "dedupe_key": row["dedupe_key"],
        "former_dedupe_key": row["former_dedupe_key"],
        "tags": tags_of(row),
        "created_at": row["created_at"],
        "completed_at": row["completed_at"],
        "params": json.loads(row["params_json"]),
        "result": json.loads(row["result_json"] or "null"),
        "error": row["error_message"],
        "traceback": row["error_traceback"],
    }


def _lines(task: Task) -> list[tuple[Any, ...]]:
    return [_line(each) for each in task.history]


def _line(line: HistoryLine) -> tuple[Any, ...]:
    told = (line.status, line.worker_id, line.attempt, line.message, stored(line.at))
    return (*told, line.run, line.waited)


def _history(rows: Rows) -> dict[int, list[tuple[Any, ...]]]:
    return {
        task_id: [_told(line) for line in history]
        for task_id, history in rows.history.items()
        if history
    }


def _told(line: Row) -> tuple[Any, ...]:
    names = ("status", "worker_id", "attempt", "message", "created_at")
    spans = (line["seconds"], line["waited"])
    return (*(line[name] for name in names), *map(milliseconds, spans))


def _type(type: TaskType) -> Row:
    return {"id": type.id, "active": type.is_active, "paused": type.is_paused}


def _types(rows: Rows) -> dict[str, Row]:
    return {
        row["name"]: {
            "id": row["id"],
            "active": bool(row["is_active"]),
            "paused": bool(row["is_paused"]),
        }
        for row in rows.types.values()
    }


def _used_keys_of(queue: Queue) -> dict[tuple[int, str], Row]:
    return {
        (used.task.type.id, key): {
            "task": used.task.id,
            "status": used.task.status,
            "created_at": stored(used.task.created_at),
            "pruned_at": stored(used.pruned_at),
        }
        for (_, key), used in queue.used_keys.items()
    }


def _used_keys(rows: Rows) -> dict[tuple[int, str], Row]:
    return {
        key: {
            "task": row["task_id"],
            "status": row["status"],
            "created_at": row["created_at"],
            "pruned_at": row["pruned_at"],
        }
        for key, row in rows.used_keys.items()
    }


def _worker(worker: Worker) -> Row:
    return {
        "first_seen": stored(worker.first_seen),
        "last_seen": stored(worker.last_seen),
        "registered": _stored(worker.registered),
        "deregistered": _stored(worker.deregistered),
    }


def _workers(rows: Rows) -> dict[str, Row]:
    return {
        worker_id: {
            "first_seen": row["first_seen_at"],
            "last_seen": row["last_seen_at"],
            "registered": row["registered_at"],
            "deregistered": row["deregistered_at"],
        }
        for worker_id, row in rows.workers.items()
    }


def _stored(moment: int | None) -> str | None:
    return None if moment is None else stored(moment)
