"""Drawings made on the server: SVG, with a table of the same for those who can't see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from app.dashboard.display.filters import number

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 720, 150
"""Of a chart, in units of its own: it is stretched to the room that there is."""
SPARK_WIDTH, SPARK_HEIGHT = 100, 24


def sparkline(values: Sequence[float], label: str) -> Markup:
    """A small line without axes; ``label`` says what it is about."""
    top = max(values, default=0) or 1
    step = SPARK_WIDTH / max(1, len(values) - 1)
    points = [
        f"{index * step:.1f} {SPARK_HEIGHT - 2 - value / top * (SPARK_HEIGHT - 4):.1f}"
        for index, value in enumerate(values)
    ]
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path d="M{}"/></svg>'
    ).format(SPARK_WIDTH, SPARK_HEIGHT, label, " L".join(points or ["0 22"]))


class BarChart:
    """Bars of ``completed`` tasks with the ``failed`` ones on top, the oldest on the left. ``ends``
    are the labels below the first one, the one in the middle and the last one.
    """

    def __init__(
        self,
        completed: Sequence[int],
        failed: Sequence[int],
        ends: tuple[str, str, str],
        label: str,
    ) -> None:
        self._completed = completed
        self._failed = failed
        self._ends = ends
        self._label = label
        sums = [done + wrong for done, wrong in zip(completed, failed)]
        self.top = round_up(max(sums, default=0))

    def __html__(self) -> str:
        frame = Markup(
            '<div class="chart"><div class="scale" aria-hidden="true">{}</div>'
            '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}'
            '</svg><div class="ends" aria-hidden="true">{}</div></div>'
        )
        drawn = Markup("").join([*self._axes(), *self._bars()])
        scale, ends = _spans([short(mark) for mark in self._marks()]), _spans(self._ends)
        return str(frame.format(scale, WIDTH, HEIGHT, self._label, drawn, ends))

    def _marks(self) -> list[float]:
        """What the lines across stand for, from the top."""
        return [self.top, self.top / 2, 0] if self.top > 1 else [1, 0]

    def _axes(self) -> list[Markup]:
        line = Markup('<line class="axis" x1="0" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>')
        return [line.format(WIDTH, y=self._y(mark)) for mark in self._marks()]

    def _bars(self) -> list[Markup]:
        step = WIDTH / max(1, len(self._completed))
        bars = []
        for index, (done, wrong) in enumerate(zip(self._completed, self._failed)):
            x, width = index * step + step * 0.1, step * 0.8
            if done:
                bars.append(self._bar("ok", x, width, 0, done))
            if wrong:
                bars.append(self._bar("wrong", x, width, done, done + wrong))
        return bars

    def _bar(self, kind: str, x: float, width: float, low: float, high: float) -> Markup:
        y = self._y(high)
        bar = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
        return bar.format(kind, x, y, width, self._y(low) - y)

    def _y(self, value: float) -> float:
        return HEIGHT - value / self.top * HEIGHT


def _spans(texts: Sequence[str]) -> Markup:
    return Markup("").join(Markup("<span>{}</span>").format(text) for text in texts)


def round_up(value: float) -> int:
    """The next number that looks good at the end of an axis: 1, 2, 4, 6, 8, 10, 20, …"""
    size = 1
    while True:
        for step in (1, 2, 4, 6, 8):
            if value <= step * size:
                return step * size
        size *= 10


def short(value: float) -> str:
    """A number beside an axis, which has little room: ``1.5k``."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else number(value)
