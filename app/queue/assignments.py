"""What an UPDATE sets, where several modules have a part in it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Assignments:
    """Columns of a task with the SQL of what they are set to, and its ``values``."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def add(self, column: str, sql: str, **values: Any) -> None:
        self.columns[column] = sql
        self.values.update(values)

    def __str__(self) -> str:
        """For SET, with a comma at the end."""
        return "".join(f"{column} = {sql}, " for column, sql in self.columns.items())
