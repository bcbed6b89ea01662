"""The addresses of pages and files, wherever the application is mounted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PREFIX = "/dashboard"


def page(root: str, path: str, fields: Mapping[str, Any] | None = None) -> str:
    """The address of the page at ``path`` below the dashboard, as a browser asks for it."""
    from urllib.parse import urlencode  # loaded when needed

    address = quoted(root + PREFIX + path)
    pairs = [
        (name, value)
        for name, values in (fields or {}).items()
        for value in (values if isinstance(values, (list, tuple)) else [values])
        if value is not None and value != ""
    ]
    return f"{address}?{urlencode(pairs)}" if pairs else address


def quoted(path: str) -> str:
    """A path as it stands in an address."""
    from urllib.parse import quote  # loaded when needed

    return quote(path, safe="/:@!$&'()*+,;=~")
