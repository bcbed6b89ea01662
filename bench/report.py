"""What a run found: printed while it goes on, and written as one Markdown file with plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import svg

RESULTS = "results.md"


@dataclass
class Table:
    """``rows`` are texts and numbers; the first column names what the row is about."""

    title: str
    columns: list[str]
    rows: list[list[object]] = field(default_factory=list)
    note: str = ""

    def add(self, *cells: object) -> None:
        self.rows.append(list(cells))


@dataclass
class Goal:
    """A figure beside what it has to be."""

    name: str
    value: float
    limit: float
    at_least: bool

    @property
    def is_met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> list[object]:
        sign = "≥" if self.at_least else "≤"
        return [self.name, self.value, f"{sign} {self.limit:g}", "yes" if self.is_met else "NO"]


class Report:
    """Small numbers say nothing about goals: a quick run leaves them out (``has_goals``)."""

    def __init__(self, folder: Path, has_goals: bool = True) -> None:
        self.folder = folder
        self._has_goals = has_goals
        folder.mkdir(parents=True, exist_ok=True)
        self._parts: list[str] = []
        self._goals: list[Goal] = []

    def say(self, text: str) -> None:
        """A line for whoever watches, which is not part of the results."""
        print(text, flush=True)

    def heading(self, text: str, facts: Sequence[str] = ()) -> None:
        self._add(f"## {text}\n" + "".join(f"\n- {fact}" for fact in facts))

    def table(self, table: Table) -> None:
        note = f"\n\n{table.note}" if table.note else ""
        self._add(f"### {table.title}\n\n{_markdown(table)}{note}")

    def lines(
        self, name: str, title: str, axes: tuple[str, str], series: dict[str, svg.Points]
    ) -> None:
        """A plot of lines over a logarithmic x axis."""
        self._plot(name, title, svg.lines(title, axes, series))

    def bars(self, name: str, title: str, unit: str, values: dict[str, float]) -> None:
        self._plot(name, title, svg.bars(title, unit, values))

    def goal(self, name: str, value: float, *, at_least: float = 0, at_most: float = 0) -> None:
        """Compare a figure with what it has to be. Give one of the two."""
        limit = at_least or at_most
        self._goals.append(Goal(name, value, limit, bool(at_least)))

    def finish(self) -> Path:
        """Write the file; the goals come last. Returns its path."""
        if self._goals and self._has_goals:
            rows = [goal.row() for goal in self._goals]
            self.table(Table("Goals", ["what", "measured", "goal", "met"], rows))
        path = self.folder / RESULTS
        path.write_text("# Results\n\n" + "\n\n".join(self._parts) + "\n", "utf-8")
        return path

    def _add(self, text: str) -> None:
        self._parts.append(text)
        print(f"\n{text}", flush=True)

    def _plot(self, name: str, title: str, drawing: str) -> None:
        (self.folder / f"{name}.svg").write_text(drawing, "utf-8")
        self._parts.append(f"![{title}]({name}.svg)")


def number(value: float) -> str:
    """With three digits that count, whole from a hundred on. What was refused is infinite."""
    if math.isinf(value):
        return "refused"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _markdown(table: Table) -> str:
    """Aligned, so that it reads as well in a terminal."""
    rows = [table.columns, *([_text(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _text(cell: object) -> str:
    return number(cell) if isinstance(cell, float) else str(cell)
