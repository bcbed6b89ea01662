"""The table of routes: every address of the API, and the function behind it.

The modules behind the table are imported when they are called for: under CGI each request
pays for what it imports. Addresses are compared as plain text: each of those requests would have to
compile regular expressions.
"""

from __future__ import annotations

from importlib import import_module

from app.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.api.call import Call
    from app.api.response import Response

    Handler = Callable[[Call], Response]

OPEN = "open"
"""Anybody may call, without a key."""
READ = "read"
"""A key with any scope may call."""
PRODUCE = "produce"
WORK = "work"
ADMIN = "admin"

SCOPES_OF_ROUTES = (OPEN, READ, PRODUCE, WORK, ADMIN)

SPOOLED = "/v1/"
"""Below this Spooled's dialect is spoken, except for the routes in WITH_VERSION."""

WITH_VERSION = ("/health", "/tasks", "/task-types")
"""These are served behind ``/v1`` too: addresses in guides often end so."""

MAX_ID_DIGITS = 18

NOT_FOUND = "Route not found: there is nothing at this address"


class PathTemplate:
    """``template`` is a path with at most one parameter: ``{id}``, a whole number, or one with
    another name, any text on one line.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self._before, _, rest = template.partition("{")
        self._parameter, _, self._after = rest.partition("}")

    def match(self, path: str) -> dict[str, str] | None:
        """The arguments in the path; None if it is not of this form."""
        if not self._parameter:
            return {} if path == self.template else None
        if not (path.startswith(self._before) and path.endswith(self._after)):
            return None
        argument = path[len(self._before) : len(path) - len(self._after)]
        fits = is_id(argument) if self._parameter == "id" else _is_name(argument)
        return {self._parameter: argument} if fits else None


class Route(PathTemplate):
    """``target`` is ``module:function`` below ``app.api``; ``scope`` is what the key needs.

    ``by_type`` says that the function shows and changes only what is of the types that the caller's
    key is for (``Call.access``). Keys for some types are refused everywhere else. With
    ``takes_run_token``, RUN_TOKEN is accepted as the key, also as ``token`` in the query: services
    that ping addresses can send nothing else.
    """

    def __init__(
        self,
        method: str,
        template: str,
        target: str,
        scope: str,
        by_type: bool = False,
        takes_run_token: bool = False,
    ) -> None:
        if scope not in SCOPES_OF_ROUTES:
            raise ValueError(f"{method} {template} needs a scope, and {scope!r} is none")
        super().__init__(template)
        self.method = method
        self.target = target
        self.scope = scope
        self.is_open = scope == OPEN
        self.by_type = by_type
        self.takes_run_token = takes_run_token

    def handler(self) -> Handler:
        module, _, function = self.target.partition(":")
        handler: Handler = getattr(import_module(f"app.api.{module}"), function)
        return handler


class Target:
    """What a request is for: its ``route`` with the ``arguments`` in the path, or None; then
    ``allowed`` are the methods that the address takes. ``is_open`` where it needs no key.
    """

    __slots__ = ("allowed", "arguments", "is_open", "is_spooled", "method", "route")

    def __init__(self, method: str, is_spooled: bool) -> None:
        self.method = method
        self.route: Route | None = None
        self.arguments: dict[str, str] = {}
        self.allowed: list[str] = []
        self.is_open = False
        self.is_spooled = is_spooled

    def handler(self) -> Handler:
        """The function that answers. Raises ApiError ``not_found``, or ``method_not_allowed`` with
        the methods that would do.
        """
        if self.route is not None:
            return self.route.handler()
        if self.allowed:
            raise ApiError(
                "method_not_allowed",
                f"{self.method} is not for this address: use {' or '.join(self.allowed)}",
                headers={"Allow": ", ".join(self.allowed)},
            )
        raise ApiError("not_found", NOT_FOUND)


ROUTES = [
    Route("GET", "/", "endpoints.description:list_calls", OPEN),
    Route("GET", "/openapi.json", "endpoints.description:openapi", OPEN),
    Route("GET", "/health", "endpoints.health:health", OPEN),
    Route("GET", "/health/live", "endpoints.health:live", OPEN),
    Route("GET", "/health/ready", "endpoints.health:health", OPEN),
    Route("GET", "/health/queue", "endpoints.health:queue", OPEN),
    Route("POST", "/tasks/claim", "endpoints.claim:claim_tasks", WORK, by_type=True),
    Route("POST", "/tasks/settle", "endpoints.settle:settle_many", WORK, by_type=True),
    Route("POST", "/tasks/heartbeat", "endpoints.leases:heartbeat_many", WORK, by_type=True),
    Route("POST", "/tasks/retry", "endpoints.bulk:retry", ADMIN, by_type=True),
    Route("POST", "/tasks/cancel", "endpoints.bulk:cancel", ADMIN, by_type=True),
    Route("POST", "/tasks/delete", "endpoints.bulk:delete", ADMIN, by_type=True),
    Route("POST", "/tasks/{id}/complete", "endpoints.settle:complete", WORK, by_type=True),
    Route("POST", "/tasks/{id}/fail", "endpoints.settle:fail", WORK, by_type=True),
    Route("POST", "/tasks/{id}/heartbeat", "endpoints.leases:heartbeat", WORK, by_type=True),
    Route("POST", "/tasks/{id}/progress", "endpoints.leases:progress", WORK, by_type=True),
    Route("POST", "/tasks/{id}/release", "endpoints.leases:release", WORK, by_type=True),
    Route("POST", "/tasks", "endpoints.tasks:create", PRODUCE, by_type=True),
    Route("GET", "/tasks", "endpoints.tasks:list_all", READ, by_type=True),
    Route("GET", "/tasks/{id}", "endpoints.tasks:get", READ, by_type=True),
    Route("GET", "/tasks/{id}/history", "endpoints.tasks:history", READ, by_type=True),
    Route("POST", "/tasks/{id}/cancel", "endpoints.task_actions:cancel", ADMIN, by_type=True),
    Route("POST", "/tasks/{id}/retry", "endpoints.task_actions:retry", ADMIN, by_type=True),
    Route("POST", "/tasks/{id}/delete", "endpoints.task_actions:delete", ADMIN, by_type=True),
    Route("DELETE", "/tasks/{id}", "endpoints.task_actions:delete", ADMIN, by_type=True),
    Route("POST", "/task-types/register", "endpoints.task_types:register", ADMIN, by_type=True),
    Route("GET", "/task-types", "endpoints.task_types:list_all", READ, by_type=True),
    Route("GET", "/task-types/{name}", "endpoints.task_types:get", READ, by_type=True),
    Route(
        "POST", "/task-types/{name}/activate", "endpoints.task_types:activate", ADMIN, by_type=True
    ),
    Route(
        "POST",
        "/task-types/{name}/deactivate",
        "endpoints.task_types:deactivate",
        ADMIN,
        by_type=True,
    ),
    Route("POST", "/task-types/{name}/pause", "endpoints.task_types:pause", ADMIN, by_type=True),
    Route("POST", "/task-types/{name}/resume", "endpoints.task_types:resume", ADMIN, by_type=True),
    Route("POST", "/task-types/{name}/delete", "endpoints.task_types:delete", ADMIN, by_type=True),
    Route("DELETE", "/task-types/{name}", "endpoints.task_types:delete", ADMIN, by_type=True),
    Route("POST", "/workers/register", "endpoints.workers:register", WORK, by_type=True),
    Route("POST", "/workers/{worker}/heartbeat", "endpoints.workers:heartbeat", WORK, by_type=True),
    Route(
        "POST", "/workers/{worker}/deregister", "endpoints.workers:deregister", WORK, by_type=True
    ),
    Route("GET", "/workers", "endpoints.workers:list_all", READ),
    Route("GET", "/workers/{worker}/stats", "endpoints.workers:stats", READ),
    Route("GET", "/workers/{worker}", "endpoints.workers:get", READ),
    Route("GET", "/metrics", "endpoints.metrics:metrics", READ),
    Route("POST", "/run", "endpoints.run:run", WORK, takes_run_token=True),
    Route("GET", "/run", "endpoints.run:run", WORK, takes_run_token=True),
    Route("GET", "/queue", "endpoints.queue:get", READ, by_type=True),
    Route("POST", "/queue/pause", "endpoints.queue:pause", ADMIN, by_type=True),
    Route("POST", "/queue/resume", "endpoints.queue:resume", ADMIN, by_type=True),
    Route("GET", "/stats", "endpoints.stats:stats", READ, by_type=True),
    Route("GET", "/stats/series", "endpoints.stats:series", READ, by_type=True),
    Route("GET", "/failures", "endpoints.failures:list_all", READ, by_type=True),
    Route("GET", "/schedules", "endpoints.schedules:list_all", READ, by_type=True),
    Route("POST", "/schedules", "endpoints.schedules:put", ADMIN, by_type=True),
    Route("GET", "/schedules/{name}", "endpoints.schedules:get", READ, by_type=True),
    Route("POST", "/schedules/{name}/pause", "endpoints.schedules:pause", ADMIN, by_type=True),
    Route("POST", "/schedules/{name}/resume", "endpoints.schedules:resume", ADMIN, by_type=True),
    Route("POST", "/schedules/{name}/run", "endpoints.schedules:run", ADMIN, by_type=True),
    Route("POST", "/schedules/{name}/delete", "endpoints.schedules:delete", ADMIN, by_type=True),
    Route("DELETE", "/schedules/{name}", "endpoints.schedules:delete", ADMIN, by_type=True),
    Route("GET", "/keys", "endpoints.keys:list_all", ADMIN),
    Route("POST", "/keys", "endpoints.keys:make", ADMIN),
    Route("POST", "/keys/{id}/rotate", "endpoints.keys:rotate", ADMIN),
    Route("POST", "/keys/{id}/revoke", "endpoints.keys:revoke", ADMIN),
    Route("GET", "/audit", "endpoints.audit:list_all", ADMIN),
    Route("POST", "/v1/jobs/claim", "spooled.claim:claim_jobs", WORK, by_type=True),
    Route("POST", "/v1/jobs/{id}/complete", "spooled.held_jobs:complete_job", WORK, by_type=True),
    Route("POST", "/v1/jobs/{id}/fail", "spooled.held_jobs:fail_job", WORK, by_type=True),
    Route("POST", "/v1/jobs/{id}/heartbeat", "spooled.held_jobs:heartbeat_job", WORK, by_type=True),
    Route("POST", "/v1/jobs/{id}/progress", "spooled.held_jobs:progress_job", WORK, by_type=True),
    Route("POST", "/v1/jobs/{id}/retry", "spooled.jobs:retry_job", ADMIN, by_type=True),
    Route("POST", "/v1/jobs/{id}/cancel", "spooled.jobs:cancel_job", ADMIN, by_type=True),
    Route("DELETE", "/v1/jobs/{id}", "spooled.jobs:cancel_job", ADMIN, by_type=True),
    Route("PUT", "/v1/jobs/{id}/priority", "spooled.jobs:set_priority", ADMIN, by_type=True),
    Route("POST", "/v1/jobs/{id}/priority", "spooled.jobs:set_priority", ADMIN, by_type=True),
    Route("POST", "/v1/jobs/bulk", "spooled.create:create_jobs", PRODUCE, by_type=True),
    Route("POST", "/v1/jobs", "spooled.create:create_job", PRODUCE, by_type=True),
    Route("GET", "/v1/jobs", "spooled.lists:list_jobs", READ, by_type=True),
    Route("GET", "/v1/jobs/{id}", "spooled.jobs:get_job", READ, by_type=True),
    Route("GET", "/v1/jobs/{id}/history", "spooled.jobs:job_history", READ, by_type=True),
    Route("GET", "/v1/jobs/status", "spooled.jobs:status_of_jobs", READ, by_type=True),
    Route("GET", "/v1/jobs/stats", "spooled.stats:job_stats", READ, by_type=True),
    Route("GET", "/v1/jobs/dlq", "spooled.lists:list_dead_letters", READ, by_type=True),
    Route(
        "POST", "/v1/jobs/dlq/retry", "spooled.dead_letters:retry_dead_letters", ADMIN, by_type=True
    ),
    Route(
        "POST", "/v1/jobs/dlq/purge", "spooled.dead_letters:purge_dead_letters", ADMIN, by_type=True
    ),
    Route("GET", "/v1/queues", "spooled.queues:list_queues", READ, by_type=True),
    Route("POST", "/v1/queues/{name}/pause", "spooled.queues:pause_queue", ADMIN, by_type=True),
    Route("POST", "/v1/queues/{name}/resume", "spooled.queues:resume_queue", ADMIN, by_type=True),
    Route("GET", "/v1/queues/{name}/stats", "spooled.stats:queue_stats", READ, by_type=True),
    Route("GET", "/v1/queues/{name}", "spooled.queues:get_queue", READ, by_type=True),
    Route("POST", "/v1/workers/register", "spooled.workers:register_worker", WORK, by_type=True),
    Route(
        "POST",
        "/v1/workers/{worker}/heartbeat",
        "spooled.workers:heartbeat_worker",
        WORK,
        by_type=True,
    ),
    Route(
        "POST",
        "/v1/workers/{worker}/deregister",
        "spooled.workers:deregister_worker",
        WORK,
        by_type=True,
    ),
    Route("GET", "/v1/workers", "spooled.workers:list_workers", READ),
    Route("GET", "/v1/schedules", "spooled.schedules:list_schedules", READ, by_type=True),
    Route("POST", "/v1/schedules", "spooled.schedules:create_schedule", ADMIN, by_type=True),
    Route("GET", "/v1/schedules/{id}", "spooled.schedules:get_schedule", READ, by_type=True),
    Route("PUT", "/v1/schedules/{id}", "spooled.schedules:update_schedule", ADMIN, by_type=True),
    Route("POST", "/v1/schedules/{id}", "spooled.schedules:update_schedule", ADMIN, by_type=True),
    Route("DELETE", "/v1/schedules/{id}", "spooled.schedules:delete_schedule", ADMIN, by_type=True),
    Route(
        "POST",
        "/v1/schedules/{id}/delete",
        "spooled.schedules:delete_schedule",
        ADMIN,
        by_type=True,
    ),
    Route(
        "POST", "/v1/schedules/{id}/pause", "spooled.schedules:pause_schedule", ADMIN, by_type=True
    ),
    Route(
        "POST",
        "/v1/schedules/{id}/resume",
        "spooled.schedules:resume_schedule",
        ADMIN,
        by_type=True,
    ),
    Route(
        "POST",
        "/v1/schedules/{id}/trigger",
        "spooled.schedules:trigger_schedule",
        ADMIN,
        by_type=True,
    ),
    Route(
        "GET",
        "/v1/schedules/{id}/history",
        "spooled.schedules:schedule_history",
        READ,
        by_type=True,
    ),
    Route("GET", "/v1/workers/{worker}", "spooled.workers:get_worker", READ),
]


def resolve(method: str, path: str) -> Target:
    """What a request with this method and path is for: the first route that matches."""
    target = Target(method, speaks_spooled(path))
    wanted = "GET" if method == "HEAD" else method
    plain = path.rstrip("/") or "/"
    if plain.startswith(SPOOLED) and not target.is_spooled:
        plain = plain[len("/v1") :]
    for route in ROUTES:
        arguments = route.match(plain)
        if arguments is None:
            continue
        target.allowed.append(route.method)
        target.is_open = target.is_open or route.is_open
        if route.method == wanted:
            target.route, target.arguments = route, arguments
            break
    return target


def speaks_spooled(path: str) -> bool:
    """Whether Spooled's dialect is spoken at this path."""
    return path.startswith(SPOOLED) and not path[len("/v1") :].startswith(WITH_VERSION)


def is_id(text: str) -> bool:
    """Whether a text can be the id of a task."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS and text[0] != "0"


def _is_name(text: str) -> bool:
    return text != "" and "\n" not in text
