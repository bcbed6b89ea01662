"""The rows of ``task_tags``: the tags of each task again, in a form that an index serves."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.db.connection import Dialect, Statement
    from app.queue.bound_values import BoundValues


def insert(sql: Dialect, condition: str, tags: Iterable[str], change_id: int) -> list[Statement]:
    """A row for each of these tags that a task has which ``condition`` finds; it may name the
    ``change_id``.
    """
    statement = (
        "INSERT INTO task_tags (tag, task_id, type_id) SELECT :tag, id, type_id "
        f"FROM tasks {sql.by_primary_key} WHERE {condition} AND INSTR(tags, :line) > 0 "
        + sql.unless_there("task_tags.tag", "task_tags.task_id")
    )
    return [
        (statement, {"tag": tag, "line": f"\n{tag}\n", "change_id": change_id})
        for tag in dict.fromkeys(tags)
    ]


def delete(tasks: BoundValues) -> Statement:
    """The tags of those of the tasks that are not there any more."""
    return (
        f"DELETE FROM task_tags WHERE {tasks.is_id_of_one('task_id')} "
        "AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id = task_tags.task_id)",
        tasks.values,
    )
