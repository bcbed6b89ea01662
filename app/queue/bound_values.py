"""Values of several tasks in one statement. Each is bound; where all tasks have the same one, it is
bound once, so a batch in which little differs stays short.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

MOST_TASKS = 100
"""Tasks in one statement: SQLite may allow 999 values, and some changes have nine for each task."""

MOST_BYTES = 256 * 1024
"""Text in one statement. Quoted it may be twice as long, and old hosts allow 1 MiB a packet."""


class BoundValues:
    """Collects the values of one statement in ``values``; its methods return SQL that names them.

    Whatever takes a list takes one element for each task, in the order of ``task_ids``.
    """

    def __init__(self, task_ids: Sequence[int] = ()) -> None:
        self.task_ids = task_ids
        self.values: dict[str, Any] = {}
        self._ids = self.names("id", task_ids) if task_ids else []

    def names(self, name: str, values: Sequence[Any]) -> list[str]:
        """A parameter for each of the values."""
        if values.count(values[0]) == len(values):
            self.values[name] = values[0]
            return [f":{name}"] * len(values)
        self.values.update((f"{name}_{position}", each) for position, each in enumerate(values))
        return [f":{name}_{position}" for position in range(len(values))]

    @property
    def is_one_of_them(self) -> str:
        """True of the tasks' rows."""
        return self.is_id_of_one("id")

    def is_id_of_one(self, column: str) -> str:
        """True of rows that have the id of one of the tasks in this column."""
        if len(self._ids) == 1:
            return f"{column} = {self._ids[0]}"
        return f"{column} IN ({','.join(self._ids)})"

    def own(self, name: str, values: Sequence[Any], otherwise: str = "NULL") -> str:
        """The value of the task whose row it is; ``otherwise`` where that is None."""
        names = self.names(name, values)
        if names[0] == names[-1]:  # the same for all
            return otherwise if values[0] is None else names[0]
        arms = " ".join(
            f"WHEN {task_id} THEN {own}"
            for task_id, own, value in zip(self._ids, names, values)
            if value is not None
        )
        return f"CASE id {arms} ELSE {otherwise} END"


def parts(
    items: Sequence[T], texts: Callable[[T], Sequence[str | None]], most: int = MOST_TASKS
) -> list[list[T]]:
    """The items in their order, cut into lists that one statement can hold; ``texts`` are an item's
    long values.
    """
    cut: list[list[T]] = []
    size = 0
    for item in items:
        own = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts(item) if text)
        if not cut or len(cut[-1]) == most or size + own > MOST_BYTES:
            cut.append([])
            size = 0
        cut[-1].append(item)
        size += own
    return cut
