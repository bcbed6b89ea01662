"""Rows that nothing refers to any more: of tasks, types and schedules that are gone.

Deleting takes what belongs to a row with it. But an older version that served in between does not
know every table, a rival node may undo one statement of several, and somebody may have changed the
tables by hand. So all rows are looked at in turn, some pages each time.

Whether the row that they belong to is gone is asked again by each DELETE. Ids are not given again,
so what is gone stays gone.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import upkeep
from app.queue.statistics.stored import EVER, START_OF_EVER
from app.queue.upkeep.cursors import Cursors
from app.queue.upkeep.used_keys import forget_useless_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.connection import Connection, Dialect, Statement
    from app.queue.upkeep.turn import Budget
    from app.site import Site

    Look = Callable[[Connection, Cursors], bool]

CURSORS = f"{upkeep.ROWS}orphans."
NEXT = "next"
"""The cursor that holds with which table the next turn begins."""

PAGE = 500
"""How many rows are looked at in one statement."""

GONE_AT_ONCE = 100
"""Of how many tasks or schedules rows are deleted in one transaction."""

TYPES_AT_ONCE = 10
"""Of how many types: each may have left some thousand rows."""

ARCHIVED_DAYS = 31
"""How long a deleted type is kept without tasks: as long as its activity is told."""


class Child:
    """A table whose rows belong to those of ``parent``, found by the column ``key`` in the order of
    the index.
    """

    def __init__(self, table: str, key: str, parent: str, index: str | None = None) -> None:
        self.table = table
        self.key = key
        self.parent = parent
        self._index = index

    def by_index(self, sql: Dialect) -> str:
        return sql.by_index(self._index) if self._index else sql.by_primary_key


CHILDREN = (
    Child("task_history", "task_id", "tasks", "task_history_task"),
    Child("task_tags", "task_id", "tasks", "task_tags_task"),
    Child("task_errors", "task_id", "tasks", "task_errors_task"),
    Child("schedule_runs", "schedule_id", "schedules"),
)

OF_TYPES = ("rate_claims", "task_activity")
"""What types leave behind that does not go by itself."""


def remove_orphans(site: Site, budget: Budget) -> bool:
    """Go on looking while the budget lasts, in each table once at most. Always False: nothing is
    urgent here.
    """
    cursors = Cursors(CURSORS)
    site.db.run(lambda connection: cursors.found(connection.query(*cursors.look)))
    looks = _looks()
    first = cursors[NEXT] % len(looks)
    for position in [*range(first, len(looks)), *range(first)]:
        look = looks[position]
        while site.db.run_once(lambda connection, look=look: look(connection, cursors)):  # type: ignore[misc]
            if budget.is_spent:
                break
        # The table that took all of the time lets the others go first.
        cursors[NEXT] = (position + 1) % len(looks)
        if budget.is_spent:
            break
    site.db.run_once(cursors.store)
    return False


def _looks() -> list[Look]:
    """What is looked at: each looks at one page, and says whether more follow."""

    def children(child: Child) -> Look:
        return lambda connection, cursors: _look_at_children(connection, cursors, child)

    def keys(connection: Connection, cursors: Cursors) -> bool:
        return forget_useless_keys(connection)

    return [*(children(each) for each in CHILDREN), _look_at_types, keys]


def _look_at_children(connection: Connection, cursors: Cursors, child: Child) -> bool:
    sql = connection.dialect
    page = (
        f"SELECT {child.key} AS parent_id FROM {child.table} {child.by_index(sql)} "
        f"WHERE {child.key} > :after ORDER BY {child.key} LIMIT {PAGE}"
    )
    look = (
        f"SELECT page.parent_id, {child.parent}.id AS found FROM ({page}) AS page "
        f"LEFT JOIN {child.parent} ON {child.parent}.id = page.parent_id ORDER BY page.parent_id"
    )
    rows = connection.query(look, {"after": cursors[child.table]})
    gone = list(dict.fromkeys(row["parent_id"] for row in rows if row["found"] is None))
    some = gone[:GONE_AT_ONCE]
    if some:
        connection.send([_delete_of(child.table, child.key, child.parent, some)])
    if len(gone) > len(some):
        cursors[child.table] = some[-1]
        return True
    is_more = len(rows) == PAGE
    cursors[child.table] = rows[-1]["parent_id"] if is_more else 0
    return is_more


def _look_at_types(connection: Connection, cursors: Cursors) -> bool:
    """The next few ids of types, whether there are such types or not."""
    sql = connection.dialect
    after = cursors["task_types"]
    upto = after + TYPES_AT_ONCE
    there, last = connection.send(
        [
            (f"SELECT id FROM task_types WHERE id > {after} AND id <= {upto}", {}),
            ("SELECT id FROM task_types ORDER BY id DESC LIMIT 1", {}),
        ]
    )
    known = {row["id"] for row in there.rows}
    gone = [each for each in range(after + 1, upto + 1) if each not in known]
    statements = [_delete_archived(sql, known)] if known else []
    if gone:
        statements += [_delete_of_types(table, gone) for table in OF_TYPES]
    connection.send(statements)
    # One step beyond the last one: it may be that which was deleted.
    is_more = bool(last.rows) and after <= last.rows[0]["id"]
    cursors["task_types"] = upto if is_more else 0
    return is_more


def _delete_of(table: str, key: str, parent: str, ids: list[int]) -> Statement:
    return (
        f"DELETE FROM {table} WHERE {key} IN ({id_list(ids)}) AND NOT EXISTS "
        f"(SELECT 1 FROM {parent} WHERE {parent}.id = {table}.{key})",
        {},
    )


def _delete_of_types(table: str, ids: list[int]) -> Statement:
    delete, _ = _delete_of(table, "type_id", "task_types", ids)
    if table == "task_activity":  # what is of an hour or a minute goes by its age
        delete += f" AND step_seconds = {EVER} AND started_at = '{START_OF_EVER}'"
    return delete, {}


def _delete_archived(sql: Dialect, ids: set[int]) -> Statement:
    """Types that were deleted when they had ended tasks, and have none any more."""
    old = sql.after(str(-ARCHIVED_DAYS * 86400))
    return (
        f"DELETE FROM task_types WHERE id IN ({id_list(sorted(ids))}) AND archived_at < {old} "
        f"AND NOT EXISTS (SELECT 1 FROM tasks {sql.by_index('tasks_type')} "
        "WHERE tasks.type_id = task_types.id)",
        {},
    )
