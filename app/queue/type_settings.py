"""Changing what a type says about its tasks, without registering it again."""

from __future__ import annotations

from app.json_text import loads
from app.queue import task_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Row
    from app.queue.audit import Actor
    from app.site import Site


def change_settings(
    site: Site, name: str, options: dict[str, Any], actor: Actor | None = None
) -> None:
    """Give the type these options; None goes back to the server's. Whether it is active or paused
    stays as it is. Raises UnknownType.
    """
    row = task_types.get(site, name)
    changed = {
        task_types.COLUMN_OF.get(option, option): task_types.stored(option, value)
        for option, value in options.items()
        if _now(row, option) != value
    }
    if not changed:
        return
    sql = site.db.dialect
    assignments = ", ".join(f"{column} = :{column}" for column in changed)
    update = (
        f"UPDATE task_types SET {assignments}, updated_at = {sql.now} WHERE id = :type_id",
        {**changed, "type_id": row["id"]},
    )
    noted = task_types.noted_in_audit(sql, actor, "edit", name, edited=sorted(changed))
    site.db.run(lambda connection: connection.transact([update, *noted]))


def _now(row: Row, option: str) -> Any:
    """What the type has: objects are equal in whichever order their names are stored."""
    if option in task_types.COLUMN_OF:
        return loads(row[task_types.COLUMN_OF[option]])
    return row[option]
