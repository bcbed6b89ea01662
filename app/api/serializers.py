"""What the API shows of each thing: a task, a type, a worker, a line of history.

The one place that says so. Calls that change a task show some of the fields that reading it shows,
by the same names and in the same form.
"""

from __future__ import annotations

from app.json_text import loads
from app.queue.task_fields import FIELD_OF, FIELDS, SHOWN_WITH_CLAIM, shown_status
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.errors import QueueError
    from app.queue.batch import ChangeResult
    from app.queue.pause import PauseState
    from app.queue.statistics.failures import FailureGroup
    from app.queue.statistics.stats import Stats

    Row = Mapping[Any, Any]
    Shown = dict[str, Any]

ALL = tuple(field.name for field in FIELDS)
CREATED = ("id", "type", "status", "priority", "dedupe_key", "created_at")
EXISTING = ("id", "type", "status", "dedupe_key")
CREATED_AMONG_MANY = ("id", "status")
KEPT = ("id", "lease", "lease_expires_at", "cancel_requested")
PROGRESSED = (*KEPT, "progress")
COMPLETED = ("id", "status")
RELEASED = ("id", "status", "run_at")
CANCELLED = ("id", "status", "cancel_requested")


def task(row: Row, names: Sequence[str] = ALL) -> Shown:
    """These fields of a task."""
    return {name: FIELD_OF[name].show(row) for name in names}


def claimed_task(row: Row) -> Shown:
    return task(row, SHOWN_WITH_CLAIM)


def failed_task(row: Row) -> Shown:
    shown = task(row, COMPLETED)
    return {**shown, "will_retry": shown["status"] == "pending", **task(row, ("run_at",))}


def refusal(result: ChangeResult, error: QueueError) -> Shown:
    """A task in a batch for which the call was refused."""
    return {"id": result.task_id, "code": error.code, "error": error.message}


def history_line(row: Row) -> Shown:
    return {**row, "created_at": to_iso(row["created_at"])}


def schedule(row: Row) -> Shown:
    from app.queue.schedules.times import next_times

    last = None
    if row["last_due_at"] is not None:
        last = {
            "at": to_iso(row["last_due_at"]),
            "task_id": row["last_task_id"],
            "status": row["last_status"] and shown_status(row["last_status"]),
            "message": row["last_message"],
        }
    return {
        "name": row["name"],
        "type": row["type_name"],
        "params": loads(row["params_json"]),
        "cron": row["cron"],
        "every": row["every_seconds"],
        "timezone": row["timezone"],
        "missed": row["missed"],
        "dedupe": "active" if row["skips_unfinished"] else False,
        "priority": row["priority"],
        "max_attempts": row["max_attempts"],
        "timeout": row["timeout"],
        "tags": FIELD_OF["tags"].show(row),
        "concurrency_key": row["concurrency_key"],
        "paused": bool(row["is_paused"]),
        "next_runs": [to_iso(each) for each in next_times(row)],
        "last_run": last,
        "created_at": to_iso(row["created_at"]),
        "updated_at": to_iso(row["updated_at"]),
    }


def schedule_run(row: Row) -> Shown:
    return {
        "at": to_iso(row["due_at"]),
        "made_at": to_iso(row["made_at"]),
        "task_id": row["task_id"],
        "status": row["status"] and shown_status(row["status"]),
        "message": row["message"],
    }


def task_type(row: Row) -> Shown:
    from app.queue.task_types import rate_of  # loaded when needed: whoever shows types has it

    return {
        "id": row["id"],
        "name": row["name"],
        "version": row["version"],
        "param_schema": loads(row["param_schema_json"]),
        "is_active": bool(row["is_active"]),
        "is_paused": bool(row["is_paused"]),
        "description": row["description"],
        "max_attempts": row["max_attempts"],
        "timeout": row["timeout"],
        "retry_delay": row["retry_delay"],
        "retry_max_delay": row["retry_max_delay"],
        "priority": row["priority"],
        "max_running": row["max_running"],
        "max_per_key": row["max_per_key"],
        "rate": rate_of(row),
        "retention": loads(row["retention_json"]),
        "retention_days": row["retention_days"],
        "dedupe": loads(row["dedupe_json"]),
        "created_at": to_iso(row["created_at"]),
        "updated_at": to_iso(row["updated_at"]),
        "archived_at": to_iso(row["archived_at"]),
    }


def worker(row: Row) -> Shown:
    return {
        "id": row["id"],
        "host": row["host"],
        "version": row["version"],
        "task_types": loads(row["task_types_json"]),
        "concurrency": row["concurrency"],
        "metadata": loads(row["metadata_json"]),
        "registered_at": to_iso(row["registered_at"]),
        "deregistered_at": to_iso(row["deregistered_at"]),
        "first_seen_at": to_iso(row["first_seen_at"]),
        "last_seen_at": to_iso(row["last_seen_at"]),
        "active_tasks": row["active_tasks"],
    }


def worker_stats(row: Row) -> Shown:
    """What a worker has done lately."""
    mean = row["mean"]
    return {
        "done": int(row["done"]),
        "failed": int(row["failed"]),
        "mean_run_seconds": None if mean is None else round(float(mean), 3),
        "since": to_iso(row["since"]),
    }


def stats(found: Stats) -> Shown:
    age = found.oldest_due_age
    return {
        "counts": found.counts,
        "by_type": [{"type": name, **counts} for name, counts in found.by_type],
        "oldest_due_age": None if age is None else round(age, 3),
        "paused": found.is_paused,
        "completed": found.ended["completed"],
        "failed": found.ended["failed"],
        "wait_seconds": found.waits,
        "run_seconds": found.runs,
        "as_of": to_iso(found.as_of),
    }


def pause(state: PauseState) -> Shown:
    return {
        "paused": state.paused_at is not None,
        "paused_at": to_iso(state.paused_at),
        "paused_types": state.paused_types,
    }


def failure_group(group: FailureGroup) -> Shown:
    return {
        "error_group": group.error_group,
        "type": group.type,
        "error": group.error,
        "count": group.count,
        "first_at": to_iso(group.first_at),
        "last_at": to_iso(group.last_at),
        "sample_id": group.sample_id,
    }


def point(row: Row) -> Shown:
    """A step of a time series."""
    return {**row, "at": to_iso(row["at"])}


def api_key(row: Row) -> Shown:
    """Without its text, which is not stored."""
    return {
        "id": row["id"],
        "name": row["name"],
        "hint": row["hint"],
        "scopes": row["scopes"].split(","),
        "type_patterns": loads(row["type_patterns_json"]),
        "created_at": to_iso(row["created_at"]),
        "expires_at": to_iso(row["expires_at"]),
        "last_used_at": to_iso(row["last_used_at"]),
        "revoked_at": to_iso(row["revoked_at"]),
        "previous_until": to_iso(row["previous_until"]),
    }


def audit_entry(row: Row) -> Shown:
    return {
        "id": row["id"],
        "at": to_iso(row["created_at"]),
        "actor": row["actor"],
        "action": row["action"],
        "target": row["target"],
        "detail": loads(row["detail_json"]) or {},
    }
