"""Workers: those that registered, and those that just claimed.

Nothing depends on this: a worker needs no registration, and its leases have their own times. It
is for people who want to know who works on their tasks, and how.
"""

from __future__ import annotations

import os

from app import json_text
from app.errors import NotFound, TryAgain
from app.queue import last_seen, worker_stats
from app.queue.release import release_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.access import Access
    from app.site import Site

COLUMNS = (
    "id, host, version, task_types_json, concurrency, metadata_json, registered_at, "
    "deregistered_at, first_seen_at, last_seen_at"
)


def register(site: Site, worker_id: str | None, told: dict[str, Any]) -> Row:
    """Note what a worker says about itself, replacing what it said before; a worker without an
    id is given one. ``told`` may have ``host``, ``version``, ``task_types``, ``concurrency``
    and ``metadata``.

    Returns the worker as ``get`` does.
    """
    worker_id = worker_id or os.urandom(16).hex()
    site.db.run(lambda connection: _register(connection, worker_id, told))
    return get(site, worker_id)


def heartbeat(site: Site, worker_id: str) -> None:
    """Note that the worker lives, known or not. Leases are none of its business."""
    sql = site.db.dialect
    site.db.run(lambda connection: connection.transact(last_seen.touch_last_seen(sql, worker_id)))


def deregister(
    site: Site, worker_id: str, releases: bool = True, access: Access | None = None
) -> int:
    """The worker leaves: whatever it holds is given back, the attempts not counted. Without
    ``releases`` nothing is, for another process may go by the same name.

    Returns how many tasks that were. Leaving twice is fine, and so is leaving unknown.
    Raises NotOwner as ``release_all`` does.
    """
    released = release_all(site, worker_id, access) if releases else 0
    now = site.db.dialect.now
    leave = (
        f"UPDATE workers SET deregistered_at = {now} WHERE id = :id AND deregistered_at IS NULL",
        {"id": worker_id},
    )
    site.db.run(lambda connection: connection.send([leave]))
    return released


def get(site: Site, worker_id: str) -> Row:
    """One worker, with how many tasks it holds (``active_tasks``). Raises NotFound."""
    return site.db.run(lambda connection: _find(connection, worker_id))


def list_all(site: Site, limit: int, offset: int = 0) -> list[Row]:
    """Workers as ``get`` gives them, with what they have done lately, the last seen one first."""
    page = f"ORDER BY last_seen_at DESC, id LIMIT {int(limit)} OFFSET {int(offset)}"
    statements = [
        (f"SELECT {_columns(site.db.dialect)} FROM workers {page}", {}),
        _held(site.db.dialect),
        *worker_stats.done_lately(site.db.dialect),
    ]
    workers, held, since, done = site.db.run(lambda connection: connection.send(statements))
    counts = {row["claimed_by"]: row["held"] for row in held.rows}
    stats_of = worker_stats.by_worker(since, done)
    return [
        {**row, "active_tasks": counts.get(row["id"], 0), **stats_of(row["id"])}
        for row in workers.rows
    ]


def stats(site: Site, worker_id: str) -> Row:
    """How one worker did lately, beside what ``get`` gives. Raises NotFound."""
    row = get(site, worker_id)
    statements = worker_stats.done_lately(site.db.dialect, worker_id)
    since, done = site.db.run(lambda connection: connection.send(statements))
    return {**row, **worker_stats.by_worker(since, done)(worker_id)}


def since_last_seen(sql: Dialect) -> Statement:
    """Finds how long ago any worker was seen last (``age``); nothing where none ever was."""
    return (
        f"SELECT {sql.seconds_since('last_seen_at')} AS age FROM workers "
        f"{sql.by_index('workers_seen')} ORDER BY last_seen_at DESC LIMIT 1",
        {},
    )


def _register(connection: Connection, worker_id: str, told: dict[str, Any]) -> None:
    sql = connection.dialect
    values = {
        "id": worker_id,
        "host": told.get("host"),
        "version": told.get("version"),
        "task_types": _stored(told.get("task_types")),
        "concurrency": told.get("concurrency"),
        "metadata": _stored(told.get("metadata")),
    }
    update = (
        "UPDATE workers SET host = :host, version = :version, task_types_json = :task_types, "
        "concurrency = :concurrency, metadata_json = :metadata, deregistered_at = NULL, "
        f"registered_at = {sql.now}, last_seen_at = {sql.now} WHERE id = :id"
    )
    connection.transact([last_seen.make_known(sql, worker_id), (update, values)])
    noted = "SELECT id FROM workers WHERE id = :id AND registered_at IS NOT NULL"
    if connection.is_cluster and not connection.query(noted, values):
        raise TryAgain(f"the registration of {worker_id!r} was undone by a rival node")


def _find(connection: Connection, worker_id: str) -> Row:
    values = {"id": worker_id}
    statements = [
        (f"SELECT {_columns(connection.dialect)} FROM workers WHERE id = :id", values),
        (_held(connection.dialect, " AND claimed_by = :id")[0], values),
    ]
    found, held = connection.send(statements)
    # MySQL takes 'a ' for 'a'.
    if not found.rows or found.rows[0]["id"] != worker_id:
        raise NotFound(
            f"Worker {worker_id!r} not found: one is known once it has registered or claimed"
        )
    return {**found.rows[0], "active_tasks": held.rows[0]["held"] if held.rows else 0}


def _columns(sql: Dialect) -> str:
    """``silent_seconds`` is how long ago the worker was last seen, by the database's clock."""
    return f"{COLUMNS}, {sql.seconds_since('last_seen_at')} AS silent_seconds"


def _held(sql: Dialect, condition: str = "") -> Statement:
    """Finds how many tasks workers hold (``claimed_by``, ``held``)."""
    return (
        f"SELECT claimed_by, COUNT(*) AS held FROM tasks {sql.by_index('tasks_claim')} "
        f"WHERE status = 'claimed'{condition} GROUP BY claimed_by",
        {},
    )


def _stored(value: Any) -> str | None:
    return None if value is None else json_text.dumps(value)
