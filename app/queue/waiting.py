"""How many tasks wait to be claimed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.site import Site


def count_due(site: Site, most: int) -> int:
    """The pending tasks that may be claimed now, counted up to ``most``."""
    sql = site.db.dialect
    statement = (
        "SELECT COUNT(*) AS total FROM (SELECT tasks.id FROM tasks "
        f"{sql.by_index('tasks_created')} WHERE tasks.status = 'pending' AND NOT EXISTS ("
        "SELECT 1 FROM task_types WHERE task_types.id = tasks.type_id AND is_paused = 1) "
        f"LIMIT {int(most)}) AS due"
    )
    rows = site.db.run(lambda connection: connection.query(statement, {}))
    return int(rows[0]["total"])
