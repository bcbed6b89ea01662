"""How values look on pages: numbers, shares, spans of time, times, JSON."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from app import wording
from app.dashboard.display.unseen import UNSEEN, visible
from app.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Callable

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float | None) -> str:
    """``1,284``; what is not whole has two significant digits at least. A dash for None, which is
    what nobody counts.
    """
    if value is None:
        return "\N{EN DASH}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2g}"


def rate(per_minute: float) -> str:
    """``2.7/min``, ``4/h``, ``none``."""
    if per_minute >= 1:
        return f"{number(per_minute)}/min"
    return f"{number(round(per_minute * 60))}/h" if per_minute else "none"


def share(value: float) -> str:
    """Of a share between 0 and 1: ``9.8 %``."""
    percent = value * 100
    digits = 0 if percent == int(percent) or percent >= 10 else 1
    return f"{percent:.{digits}f} %"


def span(seconds: float | None) -> str:
    """``0.8 s``, ``2 min 14 s``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    return wording.span(seconds)


def time(stored: str | None) -> Markup:
    """A time in UTC as the queue stores or the API shows it; a script turns it into the viewer's
    own, and leaves UTC in the title.
    """
    if not stored:
        return Markup("")
    moment = _moment(stored)
    return _time(moment, f"{_date(moment)}, {moment:%H:%M:%S} UTC", "")


def ago(stored: str | None, as_of: str | None = None) -> Markup:
    """How long ago a time is, or how far ahead, as of another one. A script keeps it up to date;
    without ``as_of`` the time itself is shown until then.
    """
    if not stored:
        return Markup("")
    moment = _moment(stored)
    if as_of is None:
        return _time(moment, f"{_date(moment)}, {moment:%H:%M} UTC", "ago")
    return _time(moment, relative((_moment(as_of) - moment).total_seconds()), "ago")


def has_come(time: str, now: str) -> bool:
    """Whether a time has come; both as stored, or as the API tells them."""
    return _moment(time) <= _moment(now)


def relative(seconds: float) -> str:
    """``3 min ago``, ``in 2 h 5 min``, ``now``."""
    if abs(seconds) < 1:
        return "now"
    return f"{wording.span(seconds)} ago" if seconds > 0 else f"in {wording.span(-seconds)}"


def pretty(value: Any) -> str:
    """JSON to read, and to edit: what is not seen, or turns the direction of what follows, is
    written as an escape, which means the same.
    """
    return UNSEEN.sub(_escaped, json.dumps(value, ensure_ascii=False, indent=2))


def compact(value: Any, length: int = 160) -> str:
    """JSON on one line, cut."""
    text = UNSEEN.sub(_escaped, json.dumps(value, ensure_ascii=False))
    return text if len(text) <= length else text[: length - 1] + "…"


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _time(moment: datetime, text: str, kind: str) -> Markup:
    return Markup('<time datetime="{}Z" title="{} UTC"{}>{}</time>').format(
        moment.isoformat(timespec="milliseconds"),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        Markup(' class="{}"').format(kind) if kind else "",
        escape(text),
    )


def _date(moment: datetime) -> str:
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def _moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored.replace("T", " ").rstrip("Z")[:23])


FILTERS: dict[str, Callable[..., Any]] = {
    "visible": visible,
    "number": number,
    "rate": rate,
    "share": share,
    "span": span,
    "time": time,
    "iso": to_iso,
    "ago": ago,
    "pretty": pretty,
    "compact": compact,
}
