"""Pausing the whole queue, or all types whose names match a pattern.

A paused queue hands no tasks out; everything else goes on. It is a row of ``settings`` that each
claim reads along with what it reads anyway (``last_seen``). A pattern sets the pause that each type
has of its own: of the types that are registered at that moment, and no others.
"""

from __future__ import annotations

from app.errors import Forbidden
from app.queue import audit, upkeep
from app.queue.site_times import add_time, set_time
from app.queue.task_types import paused_as

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Dialect, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

RESUMED_AT = "queue.resumed_at"
"""The row of ``settings`` that holds when the last pause of the whole queue ended."""

_IS_PAUSED = f"EXISTS (SELECT 1 FROM settings WHERE name = '{upkeep.PAUSED_AT}')"


class PauseState:
    """``paused_at`` is a stored time, None where the queue is not paused. ``paused_types`` are the
    names of the types that are paused by themselves, as far as the caller's key is for them.
    """

    def __init__(self, paused_at: str | None, paused_types: list[str]) -> None:
        self.paused_at = paused_at
        self.paused_types = paused_types


def state(site: Site, access: Access | None = None) -> PauseState:
    visible, values = ("1 = 1", {}) if access is None else access.types()
    statements: list[Statement] = [
        ("SELECT value FROM settings WHERE name = :name", {"name": upkeep.PAUSED_AT}),
        (
            "SELECT name FROM task_types WHERE is_paused = 1 AND archived_at IS NULL "
            f"AND {visible} ORDER BY name",
            values,
        ),
    ]
    queue, types = site.db.run(lambda connection: connection.send(statements))
    paused_at = queue.rows[0]["value"] if queue.rows else None
    return PauseState(paused_at, [row["name"] for row in types.rows])


def pause_queue(site: Site, access: Access | None = None, actor: Actor | None = None) -> None:
    """From now on claims hand nothing out; those that are under way still may. Pausing twice is
    fine.

    Raises Forbidden for a key of some types.
    """
    _refuse_key_for_some_types(access)
    sql = site.db.dialect
    noted = audit.record(sql, actor, "queue.pause", None, f"NOT {_IS_PAUSED}")
    # Claims read the pause beside this other row, which the first turn of upkeep makes.
    read_along = add_time(sql, upkeep.NEXT_TURN)
    statements = [*noted, read_along, add_time(sql, upkeep.PAUSED_AT)]
    site.db.run(lambda connection: connection.transact(statements))


def resume_queue(site: Site, access: Access | None = None, actor: Actor | None = None) -> None:
    """End the pause of the whole queue. Types that are paused by themselves stay so. Raises
    Forbidden for a key of some types.
    """
    _refuse_key_for_some_types(access)
    if state(site).paused_at is None:
        return
    sql = site.db.dialect
    statements: list[Statement] = [
        *audit.record(sql, actor, "queue.resume", None, _IS_PAUSED),
        add_time(sql, RESUMED_AT),
        set_time(sql, RESUMED_AT),
        ("DELETE FROM settings WHERE name = :name", {"name": upkeep.PAUSED_AT}),
    ]
    site.db.run(lambda connection: connection.transact(statements))


def set_types_paused(
    site: Site,
    pattern: str,
    paused: bool,
    access: Access | None = None,
    actor: Actor | None = None,
) -> int:
    """Pause or resume each type whose name matches, as far as the caller's key is for it; how many
    match. A type that is registered later is not paused.
    """
    sql = site.db.dialect
    visible, own = ("1 = 1", {}) if access is None else access.types()
    matching = f"name LIKE :pattern ESCAPE :escape AND archived_at IS NULL AND {visible}"
    values: dict[str, Any] = {"pattern": pattern, "escape": "\\", "paused": int(paused), **own}
    changing = f"{matching} AND is_paused <> :paused"
    update: Statement = (
        f"UPDATE task_types SET {paused_as(':paused')}, updated_at = {sql.now} WHERE {changing}",
        values,
    )
    count: Statement = (f"SELECT COUNT(*) AS matching FROM task_types WHERE {matching}", values)
    noted = _noted(sql, actor, pattern, paused, changing, values)
    found = site.db.run(lambda connection: connection.transact([*noted, update, count]))
    return int(found[-1].rows[0]["matching"])


def _noted(
    sql: Dialect,
    actor: Actor | None,
    pattern: str,
    paused: bool,
    changing: str,
    values: dict[str, Any],
) -> list[Statement]:
    action = "queue.pause" if paused else "queue.resume"
    changes_one = f"EXISTS (SELECT 1 FROM task_types WHERE {changing})"
    return audit.record(sql, actor, action, pattern, changes_one, values)


def _refuse_key_for_some_types(access: Access | None) -> None:
    if access is not None and access.type_patterns is not None:
        raise Forbidden(
            f"The API key {access.name!r} is for some task types alone, and this is about all of "
            "them: give a type_pattern"
        )
