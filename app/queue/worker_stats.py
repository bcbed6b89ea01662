"""What workers have done within a day, as far as the newest changes of the history reach."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.connection import Dialect, Result, Row, Statement

DAYS = 1
CHANGES = 50_000
"""What a worker has done is read from the newest changes in the history, at most so many: no index
is kept for it, since each would cost every claim and every settle."""


def done_lately(sql: Dialect, worker_id: str | None = None) -> list[Statement]:
    """Finds since when changes count, and what workers ended since then."""
    newest = "(SELECT COALESCE(MAX(id), 0) FROM task_history)"
    lately = (
        f"FROM task_history {sql.by_primary_key} WHERE id > {newest} - {CHANGES} "
        f"AND created_at > {sql.after(str(-DAYS * 86400))}"
    )
    one = "" if worker_id is None else " AND worker_id = :id"
    done = "SUM(CASE WHEN status = 'completed' THEN 1 ELSE 0 END)"
    return [
        (f"SELECT MIN(created_at) AS since {lately}", {}),
        (
            f"SELECT worker_id, {done} AS done, COUNT(*) - {done} AS failed, "
            f"AVG(seconds) AS mean {lately} AND seconds IS NOT NULL{one} GROUP BY worker_id",
            {"id": worker_id},
        ),
    ]


def by_worker(since: Result, done: Result) -> Callable[[str], Row]:
    """The stats of a worker by its id, from what ``done_lately`` found."""
    first = since.rows[0]["since"]
    found = {row["worker_id"]: {**row, "since": first} for row in done.rows}
    nothing: Row = {"done": 0, "failed": 0, "mean": None, "since": first}
    return lambda worker_id: found.get(worker_id, nothing)
