"""The numbers beside the links of the navigation: cheap, and never counted far."""

from __future__ import annotations

from app.queue.statistics.totals import SEEN_LATELY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Statement
    from app.queue.access import Access
    from app.site import Site

MOST = 2000
"""Counting ends here: with a million tasks each page would pay for it, some 6 ms at 10,000."""

UNFINISHED = ("pending", "scheduled", "claimed")


class NavigationCounts:
    """How many ``tasks`` are unfinished, ``failures`` (tasks that are failed now), ``types``,
    ``schedules``, and ``workers`` that were seen within five minutes; None for what a key for some
    types does not see. None of them is above MOST + 1.
    """

    def __init__(self, counts: dict[str, int | None]) -> None:
        self.tasks = counts["tasks"]
        self.failures = counts["failures"]
        self.types = counts["types"]
        self.schedules = counts["schedules"]
        self.workers = counts["workers"]


def navigation_counts(site: Site, access: Access | None = None) -> NavigationCounts:
    """One round trip. What is read ends with the counting. Raises a DatabaseError."""
    sql = site.db.dialect
    visible, own = ("1 = 1", {}) if access is None else access.types()
    of_schedules, _ = ("1 = 1", {}) if access is None else access.types("type_name")
    tasks = f"tasks AS t {sql.by_index('tasks_status')}"
    by_status = f"SELECT t.id AS id FROM {tasks} WHERE t.status = '{{}}'"
    if own:
        by_status = (
            f"SELECT t.id AS id FROM task_types {sql.then_join} {tasks} "
            f"ON t.status = '{{}}' AND t.type_id = task_types.id WHERE {visible}"
        )
    unfinished = " UNION ALL ".join(
        f"SELECT id FROM ({by_status.format(each)} LIMIT {MOST + 1}) AS {each}"
        for each in UNFINISHED
    )
    alive = (
        f"SELECT id FROM workers {sql.by_index('workers_seen')} WHERE deregistered_at IS NULL "
        f"AND last_seen_at > {sql.after(str(-SEEN_LATELY))}"
    )
    looks = {
        "tasks": unfinished,
        "failures": by_status.format("failed"),
        "types": f"SELECT id FROM task_types WHERE archived_at IS NULL AND {visible}",
        "schedules": f"SELECT id FROM schedules WHERE {of_schedules}",
        "workers": alive,
    }
    statements: list[Statement] = [
        (f"SELECT COUNT(*) AS total FROM ({look} LIMIT {MOST + 1}) AS some", own)
        for look in looks.values()
    ]
    results = site.db.run(lambda connection: connection.read_at_once(statements))
    counts: dict[str, int | None] = {
        name: int(result.rows[0]["total"]) for name, result in zip(looks, results)
    }
    if own:
        counts["workers"] = None
    return NavigationCounts(counts)


def bounded(count: int | None) -> str:
    """``1,284``, ``2,000+``; empty for None."""
    if count is None:
        return ""
    return f"{MOST:,}+" if count > MOST else f"{count:,}"
