"""Pruning of what is not a task: workers long away, used dedupe keys, idempotency keys, sessions,
the audit log, turns of the order fair.
"""

from __future__ import annotations

from app.db.connection import id_list, text_list
from app.queue.upkeep.retention import DAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config import Settings
    from app.db.connection import Connection

    Prune = Callable[[Connection, float, bool], int]

BATCH = 500
"""How many rows of each kind are pruned in one transaction."""

LEAST_WORKER_SECONDS = 3600.0
"""A worker that was seen within the hour may be in the middle of a call."""

LEAST_KEY_SECONDS = 600.0

IDEMPOTENCY_KEY_DAYS = 1.0
"""How long a create may be sent again with its Idempotency-Key (docs/api.md promises it)."""

IDEMPOTENCY_KEY_BATCHES = 20
"""In a turn, while it has time: each create may leave one, so that they end as fast as tasks."""

MOST_FAIR_TURNS = 1000
"""One for each filter that claims send, and each priority."""


class Records:
    """Rows of one ``kind`` that are kept for ``seconds``. ``prune`` deletes a batch of those that
    are older, or counts them all, and returns how many they were. A turn deletes at most so many
    ``batches``.
    """

    def __init__(self, kind: str, seconds: float, prune: Prune, batches: int = 1) -> None:
        self.kind = kind
        self.seconds = seconds
        self.prune = prune
        self.batches = batches


def prunable(settings: Settings) -> list[Records]:
    """What is not kept for ever."""
    found = (
        ("workers", settings.retain_worker_days, LEAST_WORKER_SECONDS, _workers),
        ("used dedupe keys", settings.retain_dedupe_days, LEAST_KEY_SECONDS, _used_keys),
        ("audit log entries", settings.retain_audit_days, 0.0, _audit_log),
    )
    records = [
        Records(kind, max(days * DAY, least), prune)
        for kind, days, least, prune in found
        if days is not None
    ]
    kept = IDEMPOTENCY_KEY_DAYS * DAY
    keys = Records("idempotency keys", kept, _idempotency_keys, IDEMPOTENCY_KEY_BATCHES)
    turns = Records("turns of fair claims", 0.0, _fair_turns)
    return [*records, keys, Records("sessions", 0.0, _sessions), turns]


def _workers(connection: Connection, seconds: float, only_count: bool) -> int:
    """Those that hold nothing, and have not come back since they were looked at."""
    sql = connection.dialect
    is_away = f"last_seen_at < {sql.after(':seconds')}"
    values = {"seconds": -seconds}
    if only_count:
        return _count(connection, f"workers WHERE {is_away}", values)
    look = f"SELECT id FROM workers WHERE {is_away} ORDER BY last_seen_at LIMIT {BATCH}"
    found = [row["id"] for row in connection.query(look, values)]
    if not found:
        return 0
    names, listed = text_list("worker", found)
    held = (
        f"SELECT claimed_by FROM tasks {sql.by_index('tasks_claim')} "
        f"WHERE status = 'claimed' AND claimed_by IN ({names})"
    )
    busy = {row["claimed_by"] for row in connection.query(held, listed)}
    names, listed = text_list("worker", [each for each in found if each not in busy])
    delete = f"DELETE FROM workers WHERE id IN ({names}) AND {is_away}"
    return connection.send([(delete, {**values, **listed})])[0].changed


def _used_keys(connection: Connection, seconds: float, only_count: bool) -> int:
    # Rows of one moment come from one transaction of pruning, which is bounded, too.
    return _oldest(
        connection, "used_dedupe_keys", "pruned_at", "used_dedupe_keys_pruned", seconds, only_count
    )


def _idempotency_keys(connection: Connection, seconds: float, only_count: bool) -> int:
    return _oldest(
        connection,
        "idempotency_keys",
        "created_at",
        "idempotency_keys_created",
        seconds,
        only_count,
    )


def _sessions(connection: Connection, seconds: float, only_count: bool) -> int:
    return _oldest(connection, "sessions", "expires_at", "sessions_expiry", seconds, only_count)


def _fair_turns(connection: Connection, seconds: float, only_count: bool) -> int:
    """All of them, once there are very many: some client sends another filter each time. Then turns
    begin again.
    """
    from app.queue.fair_turns import ALL_ROWS  # loaded when needed

    count = _count(connection, f"settings WHERE {ALL_ROWS}", {})
    if count <= MOST_FAIR_TURNS:
        return 0
    if not only_count:
        connection.send([(f"DELETE FROM settings WHERE {ALL_ROWS}", {})])
    return count


def _oldest(
    connection: Connection, table: str, time: str, index: str, seconds: float, only_count: bool
) -> int:
    """Those whose column ``time`` is longer ago, in the order of its index; with all others of the
    moment with which a batch ends.
    """
    sql = connection.dialect
    is_old = f"{time} < {sql.after(':seconds')}"
    values = {"seconds": -seconds}
    if only_count:
        return _count(connection, f"{table} WHERE {is_old}", values)
    look = (
        f"SELECT {time} AS time FROM {table} {sql.by_index(index)} "
        f"WHERE {is_old} ORDER BY {time} LIMIT {BATCH}"
    )
    found = connection.query(look, values)
    if not found:
        return 0
    delete = f"DELETE FROM {table} WHERE {is_old} AND {time} <= :last"
    return connection.send([(delete, {**values, "last": found[-1]["time"]})])[0].changed


def _audit_log(connection: Connection, seconds: float, only_count: bool) -> int:
    """From the oldest on; ids are in the order of time."""
    sql = connection.dialect
    if only_count:
        is_old = f"created_at < {sql.after(':seconds')}"
        return _count(connection, f"audit_log WHERE {is_old}", {"seconds": -seconds})
    age = sql.seconds_since("created_at")
    look = f"SELECT id, {age} AS age FROM audit_log ORDER BY id LIMIT {BATCH}"
    old = [row["id"] for row in connection.query(look, {}) if (row["age"] or 0) > seconds]
    if not old:
        return 0
    return connection.send([(f"DELETE FROM audit_log WHERE id IN ({id_list(old)})", {})])[0].changed


def _count(connection: Connection, rows: str, values: dict[str, float]) -> int:
    found: int = connection.query(f"SELECT COUNT(*) AS n FROM {rows}", values)[0]["n"]
    return found
