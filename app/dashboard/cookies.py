"""Cookies of the dashboard: for its own addresses alone, and out of reach of scripts."""

from __future__ import annotations

from urllib.parse import quote, unquote

from app.dashboard.addresses import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest


def cookie(request: PageRequest, name: str, value: str, seconds: int) -> str:
    """The value of ``Set-Cookie``; with 0 seconds the browser forgets the cookie."""
    secure = "; Secure" if request.scheme == "https" else ""
    path = quote(request.root + PREFIX)
    return (
        f"{name}={quote(value, safe='')}; Path={path}; Max-Age={seconds}; "
        f"HttpOnly; SameSite=Lax{secure}"
    )


def value(request: PageRequest, name: str) -> str:
    """What the browser sent; empty if nothing."""
    return unquote(request.cookies.get(name, ""))
