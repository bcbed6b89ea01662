"""How a list of tasks finds the ids on its page: by index scans, newest first, that stop early.

Each filter has an index in which the tasks that pass it lie in the order of their ids. A list reads
one of these from its end, and asks the indexes of the other filters about each id that comes. The
tasks themselves, which are many times as large, are read when all filters but the time are passed.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.waiting_again import WAITS_AGAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.db.connection import Dialect
    from app.queue.created_range import IdRange

NEWEST_FIRST = "DESC"
OLDEST_FIRST = "ASC"

PRIMARY = ""
"""Stands for the primary key among names of indexes."""


class IndexScan:
    """The tasks for which each column of ``equal`` has a value, given as SQL: in the order of their
    ids in this index.
    """

    def __init__(self, index: str, equal: dict[str, str], table: str = "tasks") -> None:
        self.index = index
        self.equal = equal
        self.table = table
        self.id_column = "id" if table == "tasks" else "task_id"

    def source(self, sql: Dialect, alias: str) -> str:
        hint = sql.by_index(self.index) if self.index else sql.by_primary_key
        return f"{self.table} AS {alias} {hint}"

    def conditions(self, alias: str) -> list[str]:
        return [f"{alias}.{column} = {value}" for column, value in self.equal.items()]


def all_tasks() -> IndexScan:
    return IndexScan(PRIMARY, {})


def of_worker() -> IndexScan:
    return IndexScan("tasks_worker", {"claimed_by": ":worker_id"})


def of_tag() -> IndexScan:
    return IndexScan(PRIMARY, {"tag": ":tag"}, "task_tags")


def of_error_group() -> IndexScan:
    return IndexScan(PRIMARY, {"error_group": ":error_group"}, "task_errors")


def of_waiting_again() -> IndexScan:
    return IndexScan(PRIMARY, {"error_group": str(WAITS_AGAIN)}, "task_errors")


def of_status(status: str) -> IndexScan:
    return IndexScan("tasks_created", {"status": f"'{status}'"})


def of_type(type_id: str, status: str | None) -> IndexScan:
    """``type_id`` is SQL."""
    if status is None:
        return IndexScan("tasks_type", {"type_id": type_id})
    return IndexScan("tasks_status", {"status": f"'{status}'", "type_id": type_id})


class Arm:
    """One index scan with what else a task must pass: ``probes`` are asked about each id. The
    conditions in ``residual`` are about the task itself, as ``t``. ``types`` are for scans of all
    types.
    """

    def __init__(
        self,
        scan: IndexScan,
        probes: Sequence[IndexScan] = (),
        residual: Sequence[str] = (),
        types: Sequence[int] | None = None,
    ) -> None:
        self.scan = scan
        self.probes = probes
        self.residual = residual
        self.types = types

    @property
    def looks_at_tasks(self) -> bool:
        """Whether anything but the scan's own index is read."""
        return bool(self.probes) or self._needs_task()

    def ids(
        self, sql: Dialect, ids: IdRange, limit: int, offset: int = 0, order: str = NEWEST_FIRST
    ) -> str:
        """SQL that finds the ids, the highest first, or the lowest."""
        scan = self.scan
        joins, conditions = list(self._joins(sql)), scan.conditions("d")
        conditions += [f"d.{scan.id_column} >= {ids.first}", f"d.{scan.id_column} < {ids.end}"]
        if self.types is not None:
            alias = "d" if self._has_type() else "t"
            conditions.append(f"{alias}.type_id IN ({id_list(self.types)})")
        conditions += self.residual
        return (
            f"SELECT d.{scan.id_column} AS id FROM {' '.join(joins)} "
            f"WHERE {' AND '.join(conditions)} ORDER BY d.{scan.id_column} {order} "
            f"LIMIT {limit}" + (f" OFFSET {offset}" if offset else "")
        )

    def reach(self, sql: Dialect, ids: IdRange, limit: int) -> str:
        """SQL that counts what is read without any hit, up to ``limit``, and how far it reaches."""
        found = Arm(self.scan).ids(sql, ids, limit)
        columns = "COUNT(*) AS entries, MIN(id) AS lowest, MAX(id) AS highest"
        return f"SELECT {columns} FROM ({found}) AS reached"

    def passed(self, sql: Dialect, ids: IdRange, limit: int) -> str:
        """SQL that reads the next ``limit`` entries of the scan: how many there are, how far they
        reach, and how many of their tasks pass.
        """
        column = self.scan.id_column
        columns = [f"d.{column} AS id"]
        conditions = self.scan.conditions("d")
        conditions += [f"d.{column} >= {ids.first}", f"d.{column} < {ids.end}"]
        if (self.types is not None and self._has_type()) or self._only_asks_if_there():
            columns.append("d.type_id")
        window = (
            f"SELECT {', '.join(columns)} FROM {self.scan.source(sql, 'd')} "
            f"WHERE {' AND '.join(conditions)} ORDER BY d.{column} DESC LIMIT {limit}"
        )
        joins, last = self._outer_joins(sql)
        passes = [f"{last} IS NOT NULL"]
        if self.types is not None and self._has_type():
            passes.append(f"w.type_id IN ({id_list(self.types)})")
        return (
            "SELECT COUNT(*) AS entries, MIN(w.id) AS lowest, "
            f"COUNT(CASE WHEN {' AND '.join(passes)} THEN 1 END) AS total "
            f"FROM ({window}) AS w {' '.join(joins)}"
        )

    def _outer_joins(self, sql: Dialect) -> tuple[list[str], str]:
        """Each is asked only about ids that passed the ones before. Also the last one's id, which
        is NULL for an entry that does not pass.
        """
        joins, last = [], "w.id"
        for position, probe in enumerate(self.probes):
            alias = f"p{position}"
            conditions = [f"{alias}.{probe.id_column} = {last}", *probe.conditions(alias)]
            joins.append(f"LEFT JOIN {probe.source(sql, alias)} ON {' AND '.join(conditions)}")
            last = f"{alias}.{probe.id_column}"
        if self._needs_task():
            conditions = [*self._is_task(last, "w"), *self.residual]
            if self.types is not None and not self._has_type():
                conditions.append(f"t.type_id IN ({id_list(self.types)})")
            joins.append(f"LEFT JOIN {self._task(sql)} ON {' AND '.join(conditions)}")
            last = "t.id"
        return joins, last

    def _joins(self, sql: Dialect) -> Iterator[str]:
        column = self.scan.id_column
        yield self.scan.source(sql, "d")
        for position, probe in enumerate(self.probes):
            alias = f"p{position}"
            conditions = [f"{alias}.{probe.id_column} = d.{column}", *probe.conditions(alias)]
            yield f"{sql.then_join} {probe.source(sql, alias)} ON {' AND '.join(conditions)}"
        if self._needs_task():
            is_task = " AND ".join(self._is_task(f"d.{column}", "d"))
            yield f"{sql.then_join} {self._task(sql)} ON {is_task}"

    def _task(self, sql: Dialect) -> str:
        """The task as ``t``. Whether it is there can be read from an index, which is a small part
        of the table: the tasks of a tag may be far from each other, each on a page of its own.
        """
        hint = sql.by_index("tasks_type") if self._only_asks_if_there() else sql.by_primary_key
        return f"tasks AS t {hint}"

    def _is_task(self, task_id: str, alias: str) -> list[str]:
        own_type = [f"t.type_id = {alias}.type_id"] if self._only_asks_if_there() else []
        return [*own_type, f"t.id = {task_id}"]

    def _only_asks_if_there(self) -> bool:
        return self.scan.table != "tasks" and not self.probes and not self.residual

    def _needs_task(self) -> bool:
        """Tags and error groups may be left of a task that an older version deleted."""
        is_there = bool(self.probes) or self.scan.table == "tasks"
        return (
            bool(self.residual) or not is_there or (self.types is not None and not self._has_type())
        )

    def _has_type(self) -> bool:
        return self.scan.table != "tasks" or self.scan.index == "tasks_worker"


def page(
    sql: Dialect,
    arms: Sequence[Arm],
    ids: IdRange,
    limit: int,
    offset: int,
    order: str = NEWEST_FIRST,
) -> str:
    """SQL that finds the ids on one page of what all the arms find together."""
    if len(arms) == 1:
        return arms[0].ids(sql, ids, limit, offset, order)
    depth = limit + offset
    found = " UNION ALL ".join(
        f"SELECT id FROM ({arm.ids(sql, ids, depth, order=order)}) AS a{position}"
        for position, arm in enumerate(arms)
    )
    return f"SELECT id FROM ({found}) AS found ORDER BY id {order} LIMIT {limit} OFFSET {offset}"


def newest_of_types(sql: Dialect, status: str | None, types: Sequence[int], ids: IdRange) -> str:
    """SQL that finds the highest id of each of these types, NULL or no row where there is none.

    It reads one index entry a type. A subquery for each would read all higher ids on MySQL.
    """
    if not sql.leaps_to_groups:
        first = Arm(of_type("k.id", status)).ids(sql, ids, 1)
        return (
            f"SELECT k.id AS type_id, ({first}) AS newest "
            f"FROM task_types AS k WHERE k.id IN ({id_list(types)})"
        )
    index = sql.by_index("tasks_status" if status else "tasks_type")
    conditions = [
        *([f"d.status = '{status}'"] if status else []),
        f"d.type_id IN ({id_list(types)})",
        f"d.id >= {ids.first} AND d.id < {ids.end}",
    ]
    return (
        f"SELECT d.type_id AS type_id, MAX(d.id) AS newest FROM tasks AS d {index} "
        f"WHERE {' AND '.join(conditions)} GROUP BY d.type_id"
    )
