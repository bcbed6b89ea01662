"""The table of routes: every address of the API, and the function behind it.

The modules behind the table are imported when they are called for: under CGI each request
pays for what it imports.
"""

from __future__ import annotations

import re
from importlib import import_module

from app.api.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.api.call import Call
    from app.api.http import Response

    Handler = Callable[[Call], Response]

WORKER_PATH = "worker"
"""Plain SQL and no Flask: what workers and producers call all day."""
OPERATOR_PATH = "operator"
"""Through Flask-SQLAlchemy: needs an application context."""


WITH_VERSION = ("/health", "/tasks", "/task-types")
"""These are served behind ``/v1`` too: addresses in guides often end so."""


class Route:
    """``target`` is ``module:function`` below ``app.api``."""

    def __init__(
        self, method: str, pattern: str, target: str, path: str = WORKER_PATH, open: bool = False
    ) -> None:
        self.method = method
        self.pattern = pattern
        version = "(?:/v1)?" if pattern.startswith(WITH_VERSION) else ""
        self.expression = re.compile(version + pattern + r"\Z")
        self.target = target
        self.is_operator = path == OPERATOR_PATH
        self.is_open = open

    def handler(self) -> Handler:
        module, _, function = self.target.partition(":")
        handler: Handler = getattr(import_module(f"app.api.{module}"), function)
        return handler


ID = "(?P<id>[1-9][0-9]{0,17})"
NAME = "(?P<name>.+)"
WORKER = "(?P<worker>.+)"

SPOOLED = "/v1/"
"""Below this Spooled's dialect is spoken, except for the routes in WITH_VERSION."""

NOT_FOUND = "Route not found: there is nothing at this address"

ROUTES = [
    Route("GET", "/health", "endpoints.health:health", open=True),
    Route("POST", "/tasks/claim", "endpoints.claim:claim_tasks"),
    Route("POST", "/tasks/settle", "endpoints.settle:settle_many"),
    Route("POST", "/tasks/heartbeat", "endpoints.leases:heartbeat_many"),
    Route("POST", f"/tasks/{ID}/complete", "endpoints.settle:complete"),
    Route("POST", f"/tasks/{ID}/fail", "endpoints.settle:fail"),
    Route("POST", f"/tasks/{ID}/heartbeat", "endpoints.leases:heartbeat"),
    Route("POST", f"/tasks/{ID}/progress", "endpoints.leases:progress"),
    Route("POST", f"/tasks/{ID}/release", "endpoints.leases:release"),
    Route("POST", "/tasks", "endpoints.tasks:create"),
    Route("GET", "/tasks", "endpoints.tasks:list_all", OPERATOR_PATH),
    Route("GET", f"/tasks/{ID}", "endpoints.tasks:get"),
    Route("GET", f"/tasks/{ID}/history", "endpoints.tasks:history"),
    Route("POST", f"/tasks/{ID}/cancel", "endpoints.task_actions:cancel"),
    Route("POST", f"/tasks/{ID}/retry", "endpoints.task_actions:retry"),
    Route("POST", f"/tasks/{ID}/delete", "endpoints.task_actions:delete"),
    Route("DELETE", f"/tasks/{ID}", "endpoints.task_actions:delete"),
    Route("POST", "/task-types/register", "endpoints.task_types:register"),
    Route("GET", "/task-types", "endpoints.task_types:list_all"),
    Route("GET", f"/task-types/{NAME}", "endpoints.task_types:get"),
    Route(
        "POST",
        f"/task-types/{NAME}/(?P<action>activate|deactivate|pause|resume)",
        "endpoints.task_types:switch",
    ),
    Route("POST", "/workers/register", "endpoints.workers:register"),
    Route("POST", f"/workers/{WORKER}/heartbeat", "endpoints.workers:heartbeat"),
    Route("POST", f"/workers/{WORKER}/deregister", "endpoints.workers:deregister"),
    Route("GET", "/workers", "endpoints.workers:list_all"),
    Route("GET", f"/workers/{WORKER}/stats", "endpoints.workers:stats"),
    Route("GET", f"/workers/{WORKER}", "endpoints.workers:get"),
    Route("POST", "/v1/jobs/claim", "spooled:claim_jobs"),
    Route("POST", f"/v1/jobs/{ID}/complete", "spooled:complete_job"),
    Route("POST", f"/v1/jobs/{ID}/fail", "spooled:fail_job"),
    Route("POST", f"/v1/jobs/{ID}/heartbeat", "spooled:heartbeat_job"),
    Route("POST", f"/v1/jobs/{ID}/progress", "spooled:progress_job"),
    Route("POST", f"/v1/jobs/{ID}/retry", "spooled:retry_job"),
    Route("POST", f"/v1/jobs/{ID}/cancel", "spooled:cancel_job"),
    Route("DELETE", f"/v1/jobs/{ID}", "spooled:cancel_job"),
    Route("POST", "/v1/jobs/bulk", "spooled:create_jobs"),
    Route("POST", "/v1/jobs", "spooled:create_job"),
    Route("GET", f"/v1/jobs/{ID}", "spooled:get_job"),
    Route("POST", "/v1/workers/register", "spooled:register_worker"),
    Route("POST", f"/v1/workers/{WORKER}/heartbeat", "spooled:heartbeat_worker"),
    Route("POST", f"/v1/workers/{WORKER}/deregister", "spooled:deregister_worker"),
]


OPEN = [route for route in ROUTES if route.is_open]


def is_open(path: str) -> bool:
    """Whether this address needs no key."""
    return any(route.expression.match(path.rstrip("/")) for route in OPEN)


def speaks_spooled(path: str) -> bool:
    """Whether Spooled's dialect is spoken at this path."""
    return path.startswith(SPOOLED) and not path[len("/v1") :].startswith(WITH_VERSION)


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route for a request and the arguments in its path.

    Raises ApiError ``not_found``, or ``method_not_allowed`` with the methods that would do.
    """
    wanted = "GET" if method == "HEAD" else method
    allowed = []
    for route in ROUTES:
        match = route.expression.match(path.rstrip("/"))
        if match and route.method == wanted:
            return route, match.groupdict()
        if match:
            allowed.append(route.method)
    if allowed:
        raise ApiError(
            "method_not_allowed",
            f"{method} is not for this address: use {' or '.join(allowed)}",
            headers={"Allow": ", ".join(allowed)},
        )
    raise ApiError("not_found", NOT_FOUND)
