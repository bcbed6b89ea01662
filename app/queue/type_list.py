"""Finding types among thousands: by a part of the name and by state, a page at a time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Row
    from app.site import Site

SHORT_COLUMNS = (
    "id, name, version, description, is_paused, is_active, archived_at, max_running, updated_at"
)
"""All but the schema, which may be long."""

STATES = {
    "": "archived_at IS NULL",
    "active": "archived_at IS NULL AND is_active = 1 AND is_paused = 0",
    "paused": "archived_at IS NULL AND is_paused = 1",
    "inactive": "archived_at IS NULL AND is_active = 0",
    "archived": "archived_at IS NOT NULL",
}
"""What each state means; empty for all that are not archived."""


class TypePage:
    """Some ``rows``, by name, and how many types there are in all."""

    def __init__(self, rows: Sequence[Row], total: int, now: str) -> None:
        self.rows = rows
        self.total = total
        self.now = now


def find_types(site: Site, search: str, state: str, limit: int, offset: int) -> TypePage:
    """The types with ``search`` in their name, in either case."""
    condition = STATES[state]
    values: dict[str, object] = {}
    if search:
        condition += " AND LOWER(name) LIKE :pattern ESCAPE :escape"
        values = {"pattern": f"%{_literally(search.lower())}%", "escape": "\\"}
    statements = [
        (
            f"SELECT {SHORT_COLUMNS} FROM task_types WHERE {condition} ORDER BY name "
            f"LIMIT {int(limit)} OFFSET {int(offset)}",
            values,
        ),
        (
            f"SELECT COUNT(*) AS total, {site.db.dialect.now} AS now FROM task_types "
            f"WHERE {condition}",
            values,
        ),
    ]
    found, counted = site.db.run(lambda connection: connection.send(statements))
    return TypePage(found.rows, counted.rows[0]["total"], str(counted.rows[0]["now"]))


def _literally(text: str) -> str:
    """For LIKE, whatever is in the text."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
