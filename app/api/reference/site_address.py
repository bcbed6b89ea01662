"""The address at which a request found the site."""

from __future__ import annotations

import re
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Reached(Protocol):
        """A request, of the API or for a page."""

        headers: Mapping[str, str]
        root: str
        scheme: str


HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


def address_of(request: Reached) -> str:
    """Such as ``https://example.com/queue``. A host that cannot be one is not repeated."""
    host = request.headers.get("host", "")
    is_secure = request.headers.get("x-forwarded-proto", request.scheme) == "https"
    scheme = "https" if is_secure else "http"
    root = quote(request.root)
    return f"{scheme}://{host if HOST.fullmatch(host) else 'localhost'}{root}"
