"""Who visits: by the session that a cookie names."""

from __future__ import annotations

from app.dashboard.routes import ADMIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest
    from app.site import Site


class Identity:
    """Somebody who is signed in. ``name`` is for people and the audit log; ``csrf`` is what each
    form of theirs has to send.
    """

    __slots__ = ("csrf", "name", "role")

    def __init__(self, name: str, role: str, csrf: str) -> None:
        self.name = name
        self.role = role
        self.csrf = csrf


def identify(request: PageRequest, site: Site) -> Identity | None:
    """Who makes this request; None while nobody is signed in."""
    if not site.settings.require_auth:
        return Identity("anybody", ADMIN, "")
    return None


def comes_from_own_form(request: PageRequest, identity: Identity | None) -> bool:
    """Whether a form of ours, in this visitor's browser, sent the request."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return identity is not None and request.form.get("csrf") == identity.csrf
