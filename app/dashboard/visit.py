"""One visit of a page: the request, who makes it, the site it is for."""

from __future__ import annotations

from app.dashboard import addresses
from app.dashboard.page_response import NOTICE_COOKIE, PageResponse, Redirect
from app.dashboard.routes import ADMIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.dashboard.navigation import NavigationEntry
    from app.dashboard.page_request import Form, PageRequest
    from app.dashboard.signing_in.identity import Identity
    from app.queue.audit import Actor
    from app.site import Site


class Visit:
    """What a page gets. ``arguments`` are the parts of the path. ``identity`` is None on open
    pages when nobody is signed in.
    """

    def __init__(
        self,
        request: PageRequest,
        site: Site,
        identity: Identity | None,
        arguments: dict[str, str] | None = None,
    ) -> None:
        self.request = request
        self.site = site
        self.identity = identity
        self.arguments = arguments or {}
        self.is_refilled = False
        """Whether a form is shown again that was sent when nobody was signed in."""
        self.cookies: list[str] = []
        """What the response is to set, each as a value of ``Set-Cookie``."""

    @property
    def query(self) -> Form:
        """The fields in the address."""
        return self.request.query

    @property
    def form(self) -> Form:
        """The fields of a form that was sent."""
        return self.request.form

    @property
    def id(self) -> int:
        return int(self.arguments["id"])

    @property
    def name(self) -> str:
        return self.arguments["name"]

    @property
    def is_admin(self) -> bool:
        return self.identity is not None and self.identity.role == ADMIN

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        from app.queue.audit import Actor  # loaded when needed

        name = self.identity.name if self.identity else "anybody"
        return Actor(f"{name} (dashboard)", self.request.address)

    @property
    def navigation(self) -> list[NavigationEntry]:
        from app.dashboard.navigation import navigation  # loaded when needed

        return navigation(self)

    @property
    def notice(self) -> str:
        """What the page before has to say, shown once."""
        from app.dashboard.signing_in.cookies import value  # loaded when needed

        return value(self.request, NOTICE_COOKIE)

    @property
    def csrf(self) -> str:
        """What each form sends along, to show that it is ours."""
        return self.identity.csrf if self.identity else ""

    @property
    def api_address(self) -> str:
        """Where programs find the API, as this visitor reaches the site."""
        request = self.request
        host = request.headers.get("host", "localhost")
        return f"{request.scheme}://{host}{addresses.quoted(request.root)}/api"

    def file(self, name: str) -> str:
        """The address of a file below ``static/``, which changes with its content."""
        from app.dashboard.pages.static_files import version_of  # loaded when needed

        return self.url(f"/static/{name}", v=version_of(name))

    def as_of(self, moment: str = "") -> str | None:
        """What times on the page are relative to: this moment, or now by the database's clock.
        None while an open page asks what has changed: nothing has when only time has gone by, and
        its script counts on.
        """
        if self.request.is_live:
            return None
        if moment:
            return moment
        from app.queue.clock import now  # loaded when needed

        return now(self.site)

    def url(self, path: str = "", **fields: Any) -> str:
        """The address of a page: ``visit.url("/tasks", status="failed")``. Fields that are None or
        empty are left out; lists come several times.
        """
        return addresses.page(self.request.root, path, fields)

    def render(self, template: str, status: int = 200, **values: Any) -> PageResponse:
        """A page made from a template, which gets ``visit`` too."""
        from app.dashboard.display.render import (
            render,  # loaded when needed: not for redirects and files
        )

        cookies = self.cookies
        if self.notice and not self.request.is_live:
            from app.dashboard.signing_in.cookies import cookie

            cookies = [*cookies, cookie(self.request, NOTICE_COOKIE, "", 0)]
        return PageResponse(render(template, visit=self, **values), status, cookies)

    def redirect(self, path: str, notice: str = "", **fields: Any) -> Redirect:
        """To a page, which shows the notice, once."""
        return self.redirect_to(self.url(path, **fields), notice)

    def redirect_to(self, address: str, notice: str = "") -> Redirect:
        """To the address of a page, as ``url`` makes it."""
        return Redirect(address, notice, self.request, self.cookies)
