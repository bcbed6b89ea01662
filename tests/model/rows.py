"""All that a queue's tables hold, read behind the application's back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from app.queue.statistics.reading import read
from app.site import Site

Row = dict[str, Any]
CountKey = tuple[int, str, int]

STATEMENTS = {
    "tasks": "SELECT * FROM tasks ORDER BY id",
    "history": "SELECT * FROM task_history ORDER BY id",
    "tags": "SELECT tag, task_id, type_id FROM task_tags",
    "types": "SELECT * FROM task_types",
    "workers": "SELECT * FROM workers",
    "used_keys": "SELECT * FROM used_dedupe_keys",
    "audit": "SELECT actor, action, target FROM audit_log ORDER BY id",
    "idempotency_keys": "SELECT api_key_id, idempotency_key FROM idempotency_keys",
    "lanes": "SELECT * FROM lanes",
    "rate_claims": "SELECT * FROM rate_claims",
    "errors": "SELECT task_id, error_group FROM task_errors",
}


class Rows:
    """The rows of a moment; ``history`` by task, the oldest line first."""

    def __init__(self, found: dict[str, list[Row]]) -> None:
        self.tasks: dict[int, Row] = {row["id"]: row for row in found["tasks"]}
        self.types: dict[int, Row] = {row["id"]: row for row in found["types"]}
        self.workers: dict[str, Row] = {row["id"]: row for row in found["workers"]}
        self.history: dict[int, list[Row]] = defaultdict(list)
        for row in found["history"]:
            self.history[row["task_id"]].append(row)
        self.error_groups: dict[int, list[int]] = {}
        for row in found["errors"]:
            self.error_groups.setdefault(row["task_id"], []).append(row["error_group"])
        self.used_keys = {(row["type_id"], row["dedupe_key"]): row for row in found["used_keys"]}
        self.audit = [(row["actor"], row["action"], row["target"]) for row in found["audit"]]
        self.idempotency_keys = {
            (row["api_key_id"], row["idempotency_key"]) for row in found["idempotency_keys"]
        }
        self.counts: dict[CountKey, int] = {}
        """How many tasks there are by type, status and error group, as the statistics have it."""
        self.lanes = {(row["type_id"], row["concurrency_key"]): row for row in found["lanes"]}
        self.rate_claims = found["rate_claims"]
        self.tags = {(row["task_id"], row["tag"], row["type_id"]) for row in found["tags"]}

    def with_status(self, *statuses: str) -> list[Row]:
        return [row for row in self.tasks.values() if row["status"] in statuses]


def read_rows(site: Site) -> Rows:
    """What is there now; nobody else may be changing it."""
    statements: list[Any] = [(sql, {}) for sql in STATEMENTS.values()]
    results = site.db.run(lambda connection: connection.transact(statements))
    rows = Rows({name: result.rows for name, result in zip(STATEMENTS, results)})
    rows.counts = read(site).counts
    return rows


def tags_of(row: Row) -> list[str]:
    """What the column of a task says."""
    lines: str | None = row["tags"]
    return lines.strip("\n").split("\n") if lines else []


def each_row(rows: Rows, check: Callable[[Row, list[Row]], list[str]]) -> list[str]:
    """What is wrong with single tasks, each looked at with its history."""
    found = []
    for task_id, row in rows.tasks.items():
        history = rows.history[task_id]
        for what in check(row, history):
            found.append(f"task {task_id}: {what}\n  {row}\n  {shown(history)}")
    return found


def shown(history: list[Row]) -> str:
    return " | ".join(
        f"{line['status']} {line['attempt']} {line['worker_id']} {line['message'] or ''}"
        for line in history
    )
