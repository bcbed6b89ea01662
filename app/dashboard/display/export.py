"""Lists as files: CSV for spreadsheets, JSON with the fields that the API shows.

A page with a list asks ``format_of(visit)`` first, and returns ``file_of(...)`` where it says so.
"""

from __future__ import annotations

import json
import re

from app.dashboard.page_response import FileResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.dashboard.visit import Visit

FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json; charset=utf-8"}

MOST_ROWS = 5000
"""A page asks for one more than these, to know whether there are any."""

LONGEST_CELL = 32_000
"""Characters in a cell of CSV: Excel breaks a row where one has more than 32,767."""

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads UTF-8 as the computer's own encoding. Other programs leave it out."""

FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a cell begins with that spreadsheets take for a formula, in full width too."""

NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def format_of(visit: Visit) -> str:
    """``csv`` or ``json`` where the list is asked for as a file, else an empty text."""
    wanted = visit.query.get("format").lower()
    return wanted if wanted in FORMATS else ""


def file_of(
    visit: Visit,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] = (),
    **more: Any,
) -> FileResponse:
    """The list as a file of the format that is asked for. ``name`` names the file and the list in
    JSON, where ``more`` is said beside it; ``columns`` are for a list without rows. Where there are
    more than MOST_ROWS, or ``is_capped`` among ``more`` says so, the file's name does too.
    """
    more.setdefault("is_capped", len(rows) > MOST_ROWS)
    rows = rows[:MOST_ROWS]
    wanted = format_of(visit)
    if wanted == "json":
        content = json_text(name, rows, more)
    else:
        content = csv_text(rows, list(rows[0]) if rows else columns)
    cut = f"-first-{len(rows)}" if more["is_capped"] else ""
    return FileResponse(
        content.encode("utf-8", "replace"), FORMATS[wanted], f"{name}{cut}.{wanted}"
    )


def json_text(name: str, rows: Sequence[Mapping[str, Any]], more: Mapping[str, Any]) -> str:
    data = {name.replace("-", "_"): list(rows), "count": len(rows), **more}
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """As RFC 4180 has it, with the names of the columns first."""
    # Loaded when needed: few visitors ask for a file.
    import csv
    import io

    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str | int | float:
    """A value in a cell, where nothing is taken for a formula."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = NO_TEXT.sub("\ufffd", _text(value))
    if text.lstrip(" ").startswith(FORMULA_STARTS):
        text = f"'{text}"
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
