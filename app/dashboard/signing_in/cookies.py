"""Cookies of the dashboard: for its own addresses alone, and out of reach of scripts.

Under https their names begin so that browsers take them from this site over https alone: no other
site of the domain, and nobody on the way of an unencrypted page, can put one of theirs in place.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from app.dashboard.addresses import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest


def cookie(request: PageRequest, name: str, value: str, seconds: int) -> str:
    """The value of ``Set-Cookie``; with 0 seconds the browser forgets the cookie."""
    secure = "; Secure" if request.scheme == "https" else ""
    path = "/" if _is_for_whole_host(request) else quote(request.root + PREFIX)
    return (
        f"{_full_name(request, name)}={quote(value, safe='')}; Path={path}; Max-Age={seconds}; "
        f"HttpOnly; SameSite=Lax{secure}"
    )


def value(request: PageRequest, name: str) -> str:
    """What the browser sent; empty if nothing."""
    return unquote(request.cookies.get(_full_name(request, name), ""))


def _full_name(request: PageRequest, name: str) -> str:
    if request.scheme != "https":
        return name
    return f"__Host-{name}" if _is_for_whole_host(request) else f"__Secure-{name}"


def _is_for_whole_host(request: PageRequest) -> bool:
    """``__Host-`` keeps the other names of a domain out, and is for the path ``/`` alone: a site in
    a folder, beside which others may be, keeps its cookies to itself instead.
    """
    return request.scheme == "https" and request.root == ""
