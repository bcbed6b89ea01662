"""Why a task waits: what has to happen before a worker may claim it."""

from __future__ import annotations

from app.queue import upkeep
from app.queue.statistics.totals import SEEN_LATELY
from app.queue.workers import since_last_seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement

MOST_AHEAD = 1000
"""Tasks that come before it are counted up to so many."""

WAITING = ("pending", "scheduled")


class Hindrance:
    """``code`` is ``not_due`` (``seconds`` until then, ``after_failure`` if it waits to be tried
    again), ``queue_paused``, ``type_paused``, ``type_full`` (``running``, ``max_running``),
    ``no_worker`` (``seconds`` since one was seen, None if never) or ``others_first`` (``count``,
    ``is_capped``).
    """

    def __init__(self, code: str, **values: Any) -> None:
        self.code = code
        self.values = values


def queue_look(sql: Dialect, task: Row) -> list[Statement]:
    """Find what ``hindrances`` judges; none for a task that does not wait."""
    if task["status"] not in WAITING:
        return []
    paused = f"EXISTS (SELECT 1 FROM settings WHERE name = '{upkeep.PAUSED_AT}')"
    running = (
        f"(SELECT COUNT(*) FROM tasks {sql.by_index('tasks_claim_type')} "
        "WHERE tasks.status = 'claimed' AND tasks.type_id = task_types.id)"
    )
    statements: list[Statement] = [
        (
            f"SELECT {paused} AS queue_is_paused, is_paused, max_running, "
            f"CASE WHEN max_running IS NULL THEN 0 ELSE {running} END AS running, "
            f"{sql.seconds_since(':due')} AS overdue FROM task_types WHERE name = :type",
            {"type": task["type"], "due": task["due_at"]},
        ),
        since_last_seen(sql),
    ]
    if task["status"] == "pending":
        statements.append(_ahead(sql, task))
    return statements


def hindrances(task: Row, looks: Sequence[Sequence[Row]]) -> list[Hindrance]:
    """From the rows of what ``queue_look`` found, the most certain first."""
    if not looks:
        return []
    (state,), seen = looks[0], looks[1]
    found = []
    if task["status"] == "scheduled" and state["overdue"] is not None:
        is_again = task["attempts"] > task["releases"]
        found.append(Hindrance("not_due", seconds=-float(state["overdue"]), after_failure=is_again))
    if state["queue_is_paused"]:
        found.append(Hindrance("queue_paused"))
    if state["is_paused"]:
        found.append(Hindrance("type_paused"))
    if state["max_running"] is not None and state["running"] >= state["max_running"]:
        values = {"running": int(state["running"]), "max_running": state["max_running"]}
        found.append(Hindrance("type_full", **values))
    age = float(seen[0]["age"]) if seen else None
    if age is None or age > SEEN_LATELY:
        found.append(Hindrance("no_worker", seconds=age))
    if len(looks) > 2 and looks[2][0]["total"]:
        count = int(looks[2][0]["total"])
        found.append(
            Hindrance("others_first", count=min(count, MOST_AHEAD), is_capped=count > MOST_AHEAD)
        )
    return found


def _ahead(sql: Dialect, task: Row) -> Statement:
    """Finds how many pending tasks of all types are claimed before it: those of a higher priority,
    and earlier ones of the same.
    """
    scan = (
        f"SELECT 1 AS one FROM tasks {sql.by_index('tasks_claim')} "
        f"WHERE status = 'pending' AND {{condition}} LIMIT {MOST_AHEAD + 1}"
    )
    higher = scan.format(condition="urgency < :urgency")
    earlier = scan.format(condition="urgency = :urgency AND id < :id")
    return (
        f"SELECT COUNT(*) AS total FROM (SELECT * FROM ({higher}) AS higher "
        f"UNION ALL SELECT * FROM ({earlier}) AS earlier) AS ahead",
        {"urgency": task["urgency"], "id": task["id"]},
    )
