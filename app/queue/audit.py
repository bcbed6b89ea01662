"""The audit log: who did which operating action, when, and on what.

A line is written in the transaction of the action itself, and only where the action changed
something. Calls of workers and producers write none.
"""

from __future__ import annotations

from app import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Dialect, Row, Statement
    from app.site import Site

ACTOR_CHARACTERS = 150
TARGET_CHARACTERS = 255
"""How long the columns are."""


class Actor:
    """Who acts: ``root key``, ``key NAME (#id)`` or ``cli ACCOUNT``; the address of its call."""

    def __init__(self, name: str, address: str = "") -> None:
        self.name = name
        self.address = address


def record(
    sql: Dialect,
    actor: Actor | None,
    action: str,
    target: str | None = None,
    condition: str = "1 = 1",
    values: dict[str, Any] | None = None,
    **detail: Any,
) -> list[Statement]:
    """The line of an action, or no statement without an actor.

    ``condition`` with its ``values`` decides when the statement runs whether there is a line;
    ``detail`` is what else there is to say, such as ``count``.
    """
    if actor is None:
        return []
    if actor.address:
        detail["address"] = actor.address
    line = {
        "audit_actor": actor.name[:ACTOR_CHARACTERS],
        "audit_action": action,
        "audit_target": None if target is None else target[:TARGET_CHARACTERS],
        "audit_detail": json_text.dumps(detail) if detail else None,
    }
    insert = (
        "INSERT INTO audit_log (created_at, actor, action, target, detail_json) "
        f"SELECT {sql.now}, :audit_actor, :audit_action, :audit_target, :audit_detail "
        f"FROM (SELECT 1 AS one) AS once WHERE {condition}"
    )
    return [(insert, {**line, **(values or {})})]


def record_task(
    sql: Dialect, actor: Actor | None, action: str, task_id: int, change_id: int
) -> list[Statement]:
    """The same of an action on one task, which the change of this number made."""
    changed = f"id = {int(task_id)} AND change_id = {change_id}"
    condition = f"EXISTS (SELECT 1 FROM tasks WHERE {changed})"
    return record(sql, actor, action, str(task_id), condition)


def write(site: Site, actor: Actor | None, action: str, target: str | None, **detail: Any) -> None:
    """A line by itself, for an action of several transactions."""
    statements = record(site.db.dialect, actor, action, target, **detail)
    if statements:
        site.db.run(lambda connection: connection.send(statements))


def read(
    site: Site,
    limit: int,
    before_id: int | None = None,
    action: str | None = None,
    actor: str | None = None,
) -> list[Row]:
    """The newest lines first; those before a line, of one action, of one actor."""
    conditions = ["1 = 1"]
    values = {"before": before_id, "action": action, "actor": actor}
    if before_id is not None:
        conditions.append("id < :before")
    if action is not None:
        conditions.append("action = :action")
    if actor is not None:
        conditions.append("actor = :actor")
    statement = (
        "SELECT id, created_at, actor, action, target, detail_json FROM audit_log "
        f"WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT {int(limit)}"
    )
    return site.db.run(lambda connection: connection.query(statement, values))
