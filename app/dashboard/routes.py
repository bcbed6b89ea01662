"""The table of pages: every address below ``/dashboard``, and the function behind it.

The modules behind the table are imported when they are visited.
"""

from __future__ import annotations

from importlib import import_module

from app.api.routes import PathTemplate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.api.response import Response
    from app.dashboard.visit import Visit

    PageFunction = Callable[[Visit], Response]

OPEN = "open"
"""Anybody may visit, signed in or not."""
READ = "read"
"""Everybody who is signed in."""
ADMIN = "admin"
"""What changes something, and what the API shows only to keys with the scope admin."""

API_DOCS = "/api-docs"
"""The page about the API, which is shown at ``/api/docs`` too."""


class PageRoute(PathTemplate):
    """``template`` is the path below ``/dashboard``; ``target`` is ``module:function`` below
    ``app.dashboard.pages``. ``role`` is what a visitor has to be. ``refill`` is the target that
    shows a form again as it was filled in, and changes nothing: for whoever had to sign in again
    when they sent it.
    """

    def __init__(
        self, method: str, template: str, target: str, role: str, refill: str = ""
    ) -> None:
        super().__init__(template)
        self.method = method
        self.target = target
        self.role = role
        self.refill = refill

    def function(self) -> PageFunction:
        return _function(self.target)

    def refill_function(self) -> PageFunction:
        return _function(self.refill)


def _function(target: str) -> PageFunction:
    module, _, function = target.partition(":")
    found: PageFunction = getattr(import_module(f"app.dashboard.pages.{module}"), function)
    return found


PAGES = [
    PageRoute("GET", "", "overview:show", READ),
    PageRoute("GET", "/tv", "tv:show", READ),
    PageRoute("POST", "/queue/pause", "queue:pause", ADMIN),
    PageRoute("POST", "/queue/resume", "queue:resume", ADMIN),
    PageRoute("GET", "/tasks", "tasks:show", READ),
    PageRoute("POST", "/tasks/bulk", "bulk:begin", ADMIN),
    PageRoute("GET", "/tasks/bulk", "bulk:ask", ADMIN),
    PageRoute("POST", "/tasks/bulk/run", "bulk:run", ADMIN),
    PageRoute("GET", "/failures", "failures:show", READ),
    PageRoute("GET", "/static/{name}", "static_files:show", OPEN),
    PageRoute("GET", "/schedules", "schedules:show_all", READ),
    PageRoute("POST", "/schedules", "schedules:save", ADMIN, "schedules:refill"),
    PageRoute("GET", "/schedule/new", "schedules:new", ADMIN),
    PageRoute("GET", "/schedules/{name}/edit", "schedules:edit", ADMIN),
    PageRoute("POST", "/schedules/{name}/pause", "schedules:pause", ADMIN),
    PageRoute("POST", "/schedules/{name}/resume", "schedules:resume", ADMIN),
    PageRoute("POST", "/schedules/{name}/run", "schedules:run", ADMIN),
    PageRoute("POST", "/schedules/{name}/delete", "schedules:delete", ADMIN),
    PageRoute("GET", "/schedules/{name}", "schedules:show", READ),
    PageRoute("GET", "/workers", "workers:show_all", READ),
    PageRoute("POST", "/workers/{name}/release", "workers:release", ADMIN),
    PageRoute("GET", "/workers/{name}", "workers:show", READ),
    PageRoute("GET", "/keys", "keys:show_all", ADMIN),
    PageRoute("POST", "/keys", "keys:make", ADMIN, "keys:refill"),
    PageRoute("GET", "/keys/new", "keys:new", ADMIN),
    PageRoute("POST", "/keys/{id}/rotate", "keys:rotate", ADMIN),
    PageRoute("POST", "/keys/{id}/revoke", "keys:revoke", ADMIN),
    PageRoute("GET", "/audit", "audit:show", ADMIN),
    PageRoute("GET", "/settings", "settings:show", ADMIN),
    PageRoute("GET", "/sign-in", "sign_in:show", OPEN),
    PageRoute("POST", "/sign-in", "sign_in:sign_in", OPEN),
    PageRoute("GET", "/sign-in/link", "sign_in_link:show", OPEN),
    PageRoute("POST", "/sign-in/link", "sign_in_link:use", OPEN),
    PageRoute("POST", "/sign-out", "sign_in:sign_out", READ),
    PageRoute("GET", "/sessions", "sessions:show", READ),
    PageRoute("POST", "/sessions/end-all", "sessions:end_all", READ),
    PageRoute("POST", "/sessions/{id}/end", "sessions:end", READ),
    PageRoute("POST", "/password", "sessions:set_password", ADMIN),
    PageRoute("GET", API_DOCS, "api_docs:show", OPEN),
    PageRoute("GET", "/tasks/new", "new_task:show", ADMIN),
    PageRoute("POST", "/tasks/new", "new_task:create", ADMIN, "new_task:refill"),
    PageRoute("GET", "/tasks/{id}", "task:show", READ),
    PageRoute("GET", "/tasks/{id}/params", "task:params", READ),
    PageRoute("GET", "/tasks/{id}/result", "task:result", READ),
    PageRoute("GET", "/tasks/{id}/error", "task:error", READ),
    PageRoute("GET", "/tasks/{id}/edit", "edit_task:show", ADMIN),
    PageRoute("POST", "/tasks/{id}/edit", "edit_task:save", ADMIN, "edit_task:refill"),
    PageRoute("POST", "/tasks/{id}/retry", "task:retry", ADMIN),
    PageRoute("POST", "/tasks/{id}/cancel", "task:cancel", ADMIN),
    PageRoute("POST", "/tasks/{id}/release", "task:release", ADMIN),
    PageRoute("POST", "/tasks/{id}/delete", "task:delete", ADMIN),
    PageRoute("GET", "/types", "types:show", READ),
    PageRoute("POST", "/types", "type_actions:act", ADMIN, "type_actions:refill"),
    PageRoute("GET", "/types/register", "register_type:show", ADMIN),
    PageRoute("POST", "/types/register", "register_type:register", ADMIN, "register_type:refill"),
    PageRoute("GET", "/types/{name}", "type:show", READ),
]
"""The first one that matches is taken: fixed paths stand before those with parameters."""


class Place:
    """What an address stands for: a ``page`` with the ``arguments`` in its path, or None; then
    ``allowed`` are the methods that the address takes.
    """

    __slots__ = ("allowed", "arguments", "page")

    def __init__(self) -> None:
        self.page: PageRoute | None = None
        self.arguments: dict[str, str] = {}
        self.allowed: list[str] = []


def resolve(method: str, path: str) -> Place:
    """``path`` is below ``/dashboard``; HEAD is answered as GET is."""
    place = Place()
    path = path.rstrip("/")
    method = "GET" if method == "HEAD" else method
    for page in PAGES:
        arguments = page.match(path)
        if arguments is None:
            continue
        if page.method == method:
            place.page, place.arguments = page, arguments
            return place
        place.allowed.append(page.method)
    return place
