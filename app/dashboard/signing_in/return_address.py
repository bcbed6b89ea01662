"""Where somebody goes on after signing in: only to pages of this dashboard."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from app.dashboard.routes import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest
    from app.dashboard.page_response import Redirect
    from app.dashboard.visit import Visit

MAX_CHARACTERS = 2000


def of_request(request: PageRequest) -> str:
    """What leads back to this page, below the dashboard; empty for a form that was sent."""
    if request.method not in ("GET", "HEAD"):
        return ""
    query = urlencode(request.query.pairs)
    address = f"{request.path}?{query}" if query else request.path
    return address if len(address) <= MAX_CHARACTERS else request.path


def lead_to(visit: Visit, address: str) -> Redirect:
    """To this page, or to the first one if it is none of ours. The way is put together from its
    parts, below our own address, so it cannot lead elsewhere.
    """
    path, _, query = address.partition("?")
    if not path.startswith("/") or ".." in path or resolve("GET", path).page is None:
        return visit.redirect("")
    fields: dict[str, list[str]] = {}
    for name, each in parse_qsl(query, keep_blank_values=True):
        fields.setdefault(name, []).append(each)
    return visit.redirect_to(visit.url(path, **fields))
