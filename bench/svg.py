"""Plots as SVG: lines over a logarithmic axis, and bars. Nothing but text, as a repository likes
it.
"""

from __future__ import annotations

import math
from html import escape

Points = list[tuple[float, float]]

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 44, 56
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a", "#bf3989", "#0a7ea4")
BAR, GAP = 22, 12


def lines(title: str, axes: tuple[str, str], series: dict[str, Points]) -> str:
    """One line a series; x is logarithmic, y begins at zero."""
    points = [point for each in series.values() for point in each]
    low, high = (f(max(x, 1) for x, _ in points) for f in (min, max))
    top = _round_up(max(y for _, y in points))
    span = math.log10(high / low) or 1

    def place(x: float, y: float) -> tuple[float, float]:
        share = math.log10(max(x, 1) / low) / span
        return (
            LEFT + share * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_text(LEFT, 24, title, size=16), *_axes(axes)]
    for step in range(5):
        value = top * step / 4
        y = place(low, value)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    for x in sorted({x for x, _ in points}):
        parts.append(_text(place(x, 0)[0], HEIGHT - BOTTOM + 18, _short(x), anchor="middle"))
    for position, (name, each) in enumerate(series.items()):
        parts += _line(name, position, [place(x, y) for x, y in each])
    return _document(WIDTH, HEIGHT, parts)


def bars(title: str, unit: str, values: dict[str, float]) -> str:
    """A horizontal bar a value, its figure behind it."""
    left = 12 + 7 * max(len(name) for name in values)
    top = max(values.values()) or 1
    parts = [_text(12, 24, f"{title} ({unit})", size=16)]
    for position, (name, value) in enumerate(values.items()):
        y = TOP + position * (BAR + GAP)
        width = value / top * (WIDTH - left - 90)
        colour = COLOURS[0] if position == 0 else COLOURS[5]
        parts.append(_text(left - 8, y + 16, name, anchor="end"))
        parts.append(
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        )
        parts.append(
            _text(left + width + 6, y + 16, f"{value:,.0f}" if value >= 10 else f"{value:.2g}")
        )
    return _document(WIDTH, TOP + len(values) * (BAR + GAP) + 12, parts)


def _line(name: str, position: int, places: Points) -> list[str]:
    colour = COLOURS[position % len(COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    y = TOP + 8 + position * 20
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places),
        f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 9}" width="12" height="12" fill="{colour}"/>',
        _text(WIDTH - RIGHT + 30, y + 2, name),
    ]


def _axes(names: tuple[str, str]) -> list[str]:
    x, y = names
    frame = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"
    return [
        f'<path d="{frame}" fill="none" stroke="#57606a"/>',
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x, anchor="middle"),
        f'<g transform="rotate(-90)">{_text(-(TOP + HEIGHT - BOTTOM) / 2, 18, y, anchor="middle")}'
        "</g>",
    ]


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _document(width: int, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" fill="#1f2328">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 with zeros behind it."""
    unit = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * unit for step in (1, 2, 4, 5, 8, 10) if step * unit >= value)


def _short(value: float) -> str:
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
