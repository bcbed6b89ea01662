"""The tasks that are failed now, in groups of the same type and the same kind of error."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.statistics.error_examples import LONGEST_ERROR, examples_between
from app.queue.statistics.reading import read
from app.queue.statistics.recount import MAX_ID
from app.queue.statistics.stats import Moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.access import Access
    from app.queue.statistics.reading import OfTail, Reading
    from app.site import Site

    GroupKey = tuple[int, int]

NO_GROUP = 0
"""Tasks that failed under a version that did not group them."""


class FailureGroup:
    """``error`` is that of one of its tasks, and ``sample_id`` a task that is failed now. What is
    not known of tasks from earlier versions is None.
    """

    def __init__(self, type: str, group: int, count: int) -> None:
        self.type = type
        self.error_group = group or None
        self.count = count
        self.error: str | None = None
        self.first_at: str | None = None
        self.last_at: str | None = None
        self.sample_id: int | None = None

    def add_example(self, row: Row) -> None:
        """Rows come in the order in which they were noted."""
        self.error = row["error"]
        self.first_at = self.first_at or str(row["first_at"])
        self.last_at = str(row["last_at"])
        self.sample_id = row["sample_id"]

    def tell_by(self, task: Row | None) -> None:
        """Where nothing was noted of the group, because no history is kept."""
        if task is not None:
            self.error = task["error"]
            self.last_at = str(task["completed_at"])


def failures(
    site: Site, type_name: str | None, limit: int, access: Access | None = None
) -> list[FailureGroup]:
    """The largest groups, the largest one first, as far as a key is for their types. Raises
    UnknownType.
    """
    moment = Moment(site, access, type_name)
    type_ids = moment.type_ids(type_name)
    reading = read(site, of_tail=newest_examples(site), of_types=type_ids)
    names = {row["id"]: row["name"] for row in moment.types}
    return failures_from(site, reading, names, type_ids, limit)


def newest_examples(site: Site) -> OfTail:
    """What has to be read with the statistics for ``failures_from``."""
    return lambda after: [examples_between(site.db.dialect, after, MAX_ID)]


def failures_from(
    site: Site,
    reading: Reading,
    names: Mapping[int, str],
    type_ids: Sequence[int] | None,
    limit: int,
) -> list[FailureGroup]:
    """The same from what was read with others."""
    largest = _largest(reading.counts, type_ids, limit)
    groups = {
        (each, group): FailureGroup(names.get(each, ""), group, count)
        for (each, group), count in largest
    }
    if groups:
        newest = [row for row in reading.results[-1].rows if _key(row) in groups]
        site.db.run(lambda connection: _complete(connection, groups, newest))
    return list(groups.values())


def _largest(
    counts: Mapping[tuple[int, str, int], int], type_ids: Sequence[int] | None, limit: int
) -> list[tuple[GroupKey, int]]:
    own = None if type_ids is None else set(type_ids)
    failed = [
        ((each, group), count)
        for (each, status, group), count in counts.items()
        if status == "failed" and (own is None or each in own)
    ]
    return sorted(failed, key=lambda item: (-item[1], item[0]))[:limit]


def _key(row: Row) -> GroupKey:
    return (row["type_id"], row["error_group"])


def _complete(
    connection: Connection, groups: Mapping[GroupKey, FailureGroup], newest: Sequence[Row]
) -> None:
    """Adds what is known besides the counts; ``newest`` are examples that are not rolled up."""
    for row in connection.query(*_noted(groups)):
        groups[_key(row)].add_example(row)
    for row in newest:
        groups[_key(row)].add_example(row)
    samples = _still_failed(connection, [each.sample_id for each in groups.values()])
    for key, group in groups.items():
        if key[1] != NO_GROUP and group.sample_id not in samples:
            group.sample_id = _another_sample(connection, key)
    untold = [each for each in groups.values() if each.error is None and each.sample_id]
    samples = _still_failed(connection, [each.sample_id for each in untold])
    for group in untold:
        group.tell_by(samples.get(group.sample_id))


def _noted(groups: Mapping[GroupKey, FailureGroup]) -> Statement:
    conditions = " OR ".join(
        f"type_id = {int(type_id)} AND error_group = {int(group)}" for type_id, group in groups
    )
    return (
        "SELECT type_id, error_group, error, sample_id, first_at, last_at FROM error_groups "
        f"WHERE {conditions}",
        {},
    )


def _still_failed(connection: Connection, task_ids: Iterable[int | None]) -> dict[Any, Row]:
    """Those of these tasks that are failed now, by their ids."""
    ids = [each for each in task_ids if each is not None]
    if not ids:
        return {}
    sql = connection.dialect
    look = (
        f"SELECT id, SUBSTR(error_message, 1, {LONGEST_ERROR}) AS error, completed_at FROM tasks "
        f"{sql.by_primary_key} WHERE id IN ({id_list(ids)}) AND status = 'failed'"
    )
    return {row["id"]: row for row in connection.query(look, {})}


def _another_sample(connection: Connection, key: GroupKey) -> int | None:
    """The newest task of the group: the one that was noted has been retried or deleted."""
    rows = connection.query(*_newest_of(connection.dialect, key))
    return rows[0]["task_id"] if rows else None


def _newest_of(sql: Dialect, key: GroupKey) -> Statement:
    type_id, group = key
    return (
        f"SELECT task_id FROM task_errors {sql.by_primary_key} WHERE error_group = {int(group)} "
        f"AND type_id = {int(type_id)} ORDER BY task_id DESC LIMIT 1",
        {},
    )
