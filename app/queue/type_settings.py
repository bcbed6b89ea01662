"""Changing what a type says about its tasks, without registering it again."""

from __future__ import annotations

from app.json_text import loads
from app.queue import task_types
from app.queue.change_id import new_change_id
from app.queue.site_times import add_time
from app.queue.task_types import rate_of
from app.queue.upkeep import NEXT_TURN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Row, Statement
    from app.queue.audit import Actor
    from app.site import Site


def change_settings(
    site: Site, name: str, options: dict[str, Any], actor: Actor | None = None
) -> None:
    """Give the type these options; None goes back to the server's. Whether it is active or paused
    stays as it is. Raises UnknownType.
    """
    row = task_types.get(site, name)
    changed = task_types.columns_of(
        {option: value for option, value in options.items() if _now(row, option) != value}
    )
    if not changed:
        return
    sql = site.db.dialect
    assignments = [f"{column} = :{column}" for column in changed]
    has_other_limits = not changed.keys().isdisjoint(task_types.LIMITS)
    if has_other_limits:
        assignments.append(task_types.PAUSED_MEANWHILE)
    update: Statement = (
        f"UPDATE task_types SET {', '.join(assignments)}, updated_at = {sql.now} "
        "WHERE id = :type_id",
        {**changed, "type_id": row["id"], "limits_mark": new_change_id()},
    )
    noted = task_types.noted_in_audit(sql, actor, "edit", name, edited=sorted(changed))
    # Claims learn of lanes along with the next turn of upkeep.
    along = [add_time(sql, NEXT_TURN)] if has_other_limits else []
    soon = [task_types.see_to_limits_soon(sql)] if has_other_limits else []
    site.db.run(lambda connection: connection.transact([*along, update, *noted, *soon]))
    if has_other_limits:
        task_types.put_in_order(site, row["id"])


def _now(row: Row, option: str) -> Any:
    """What the type has: objects are equal in whichever order their names are stored."""
    if option in task_types.COLUMN_OF:
        return loads(row[task_types.COLUMN_OF[option]])
    if option == "rate":
        return rate_of(row)
    return row[option]
