"""Every place where fields may stand, with bad values of each of them, and a body that would do.

test_bad_input.py sends the bad ones. tests/queue/test_plans.py sends the others to a large queue
and looks at the plan of each statement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.api.endpoints import (
    audit,
    bulk,
    claim,
    failures,
    health,
    keys,
    leases,
    queue,
    run,
    schedules,
    settle,
    stats,
    task_actions,
    task_types,
    tasks,
    workers,
)
from app.api.fields import Fields
from tests.api import bad_values as bad

SECONDS = 10 * 366 * 86400
MAX_ID = 2**63 - 1
PRIORITY = 1_000_000

HOLDER = {"worker_id": bad.name(255), "attempt": bad.integer(0, 2**31 - 1)}
FAILURE = {
    "error": bad.ANYTHING,
    "traceback": bad.ANYTHING,
    "trace": bad.ANYTHING,
    "stack": bad.ANYTHING,
    "retry": bad.BOOLEAN,
    "delay": bad.number(0, SECONDS),
}
OUTCOME = {**HOLDER, **FAILURE, "success": bad.BOOLEAN, "result": bad.ANYTHING}
CLAIM_OPTIONS = {
    "worker_id": bad.name(255),
    "type_pattern": bad.name(255),
    "task_types": bad.TYPE_NAMES,
    "task_type_id": bad.integer(1, MAX_ID),
    "limit": bad.integer(1, 100),
    "lease": bad.number(0.1, SECONDS),
    "sort_by": bad.choice("priority", "created_at", "id", "attempts", "fair"),
    "sort_order": bad.choice("asc", "desc"),
    "claim_key": bad.name(64),
    "again": bad.BOOLEAN,
}
TASK = {
    "type": bad.name(255),
    "params": bad.OBJECT,
    "priority": bad.integer(-PRIORITY, PRIORITY),
    "run_at": bad.TIME,
    "delay": bad.number(0, SECONDS),
    "max_attempts": bad.integer(1, 1000),
    "timeout": bad.number(0.1, SECONDS),
    "dedupe": bad.DEDUPE,
    "dedupe_key": bad.name(191),
    "concurrency_key": bad.name(191),
    "tags": bad.TAGS,
    "parent_id": bad.integer(1, MAX_ID),
    "traceparent": bad.ANYTHING,
}
TYPE = {
    "name": bad.name(255),
    "version": bad.name(50),
    "param_schema": bad.SCHEMA,
    "description": bad.LONG_TEXT,
    "max_attempts": bad.integer(1, 1000),
    "timeout": bad.number(0.1, SECONDS),
    "retry_delay": bad.number(0, SECONDS),
    "retry_max_delay": bad.number(0, SECONDS),
    "priority": bad.integer(-PRIORITY, PRIORITY),
    "max_running": bad.integer(1, 1_000_000),
    "max_per_key": bad.integer(1, 1_000_000),
    "rate": bad.RATE,
    "dedupe": bad.DEDUPE,
    "retention": bad.RETENTION,
    "retention_days": bad.number(0, SECONDS),
}

PATTERNS = ["mail.%", [], [""], ["a"] * 21, [1], ["x" * 256], ["a\nb"], ["mail.\\"], {"a": 1}]
PATTERN = [*bad.name(255), "mail.\\"]
KEY = {
    "name": bad.name(100),
    "scopes": ["read", [], ["other"], ["read"] * 5, [1], {"read": True}],
    "type_patterns": PATTERNS,
    "expires_at": [*bad.TIME, "2020-01-31T12:00:00Z"],
    "prefix": bad.choice("tm_", "sk_live_"),
}


class Place:
    """Where fields may stand: in a route's body, or in an object inside of it."""

    def __init__(
        self,
        route: str,
        known: Fields,
        values: dict[str, list[Any]],
        good: dict[str, Any] | None = None,
        prefix: str = "",
        wrap: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        """``values`` has the bad ones of each of the ``known`` fields; ``good`` is a body that
        would do. ``prefix`` is how the paths of details begin, ``wrap`` makes the body.
        """
        self.route = route
        self.known = known
        self.values = values
        self.good = good or {}
        self.prefix = prefix
        self.wrap = wrap

    def __str__(self) -> str:
        return f"{self.route} {self.prefix}"

    def rows(self) -> list[tuple[str, Any]]:
        """Each field with each of its bad values."""
        return [(field, value) for field, values in self.values.items() for value in values]


def in_claim(fields: dict[str, Any]) -> dict[str, Any]:
    return {"worker_id": "w1", "claim": fields}


def in_settle_claim(fields: dict[str, Any]) -> dict[str, Any]:
    return {"worker_id": "w1", "outcomes": [], "claim": fields}


def in_outcomes(fields: dict[str, Any]) -> dict[str, Any]:
    return {"outcomes": [{"id": 1}, fields]}


def in_heartbeats(fields: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": [{"id": 1}, fields]}


def in_tasks(fields: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": [{"type": "job", "params": {}}, fields]}


def in_filter(fields: dict[str, Any]) -> dict[str, Any]:
    return {"filter": fields}


COMPLETE, FAIL = "POST /tasks/{id}/complete", "POST /tasks/{id}/fail"
A_TASK = {"type": "job", "params": {"new": True}}
A_TYPE = {"name": "new", "version": "1", "param_schema": {}}

BULK = {
    "ids": bad.LIST,
    "filter": bad.OBJECT,
    "dry_run": bad.BOOLEAN,
    "limit": bad.integer(1, 1000),
    "before_id": bad.integer(1, MAX_ID),
}
FILTER = {
    "status": bad.choice("pending", "claimed", "processing", "completed", "failed", "cancelled"),
    "type": bad.name(255),
    "tag": bad.name(50),
    "worker_id": bad.name(255),
    "created_after": bad.TIME,
    "created_before": bad.TIME,
    "error_group": bad.integer(1, MAX_ID),
    "q": bad.name(200),
}
BULK_ROUTES = ("POST /tasks/retry", "POST /tasks/cancel", "POST /tasks/delete")

BODIES = [
    Place("POST /tasks/claim", claim.CLAIM, CLAIM_OPTIONS, {"worker_id": "w1"}),
    Place(COMPLETE, settle.COMPLETE, {**OUTCOME, "claim": bad.OBJECT}),
    Place(COMPLETE, claim.FOLDED_CLAIM, CLAIM_OPTIONS, {}, "claim.", in_claim),
    Place(FAIL, settle.FAIL, {**HOLDER, **FAILURE, "claim": bad.OBJECT}),
    Place(FAIL, claim.FOLDED_CLAIM, CLAIM_OPTIONS, {}, "claim.", in_claim),
    Place(
        "POST /tasks/settle",
        settle.SETTLE,
        {"worker_id": HOLDER["worker_id"], "outcomes": bad.LIST, "claim": bad.OBJECT},
        {"outcomes": []},
    ),
    Place(
        "POST /tasks/settle",
        settle.ONE_OUTCOME,
        {"id": bad.integer(1, MAX_ID), **OUTCOME, "release": bad.BOOLEAN},
        {"id": 1},
        "outcomes[1].",
        in_outcomes,
    ),
    Place("POST /tasks/settle", claim.FOLDED_CLAIM, CLAIM_OPTIONS, {}, "claim.", in_settle_claim),
    Place(
        "POST /tasks/{id}/heartbeat",
        leases.HEARTBEAT,
        {**HOLDER, "lease": bad.number(0.1, SECONDS)},
    ),
    Place(
        "POST /tasks/{id}/progress",
        leases.PROGRESS,
        {**HOLDER, "progress": bad.number(0, 100), "message": bad.LONG_TEXT},
        {"progress": 5},
    ),
    Place(
        "POST /tasks/heartbeat",
        leases.HEARTBEATS,
        {"worker_id": HOLDER["worker_id"], "tasks": bad.LIST},
        {"tasks": []},
    ),
    Place(
        "POST /tasks/heartbeat",
        leases.ONE_HEARTBEAT,
        {
            **HOLDER,
            "id": bad.integer(1, MAX_ID),
            "lease": bad.number(0.1, SECONDS),
            "progress": bad.number(0, 100),
            "message": bad.LONG_TEXT,
        },
        {"id": 1},
        "tasks[1].",
        in_heartbeats,
    ),
    Place("POST /tasks/{id}/release", leases.RELEASE, {**HOLDER, "delay": bad.number(0, SECONDS)}),
    Place("POST /tasks", tasks.TASK, TASK, A_TASK),
    Place("POST /tasks", tasks.TASK, TASK, A_TASK, "tasks[1].", in_tasks),
    Place("POST /tasks", tasks.TASKS, {"tasks": bad.LIST}, {"tasks": []}),
    *(Place(route, bulk.BULK, BULK, {"ids": [1]}) for route in BULK_ROUTES),
    *(
        Place(route, bulk.FILTER, FILTER, {"tag": "none"}, "filter.", in_filter)
        for route in BULK_ROUTES
    ),
    Place("POST /tasks/{id}/cancel", task_actions.NOTHING, {}),
    Place(
        "POST /tasks/{id}/retry",
        task_actions.EDIT,
        {
            "params": bad.OBJECT,
            "priority": bad.integer(-PRIORITY, PRIORITY),
            "max_attempts": bad.integer(1, 1000),
        },
    ),
    Place("POST /tasks/{id}/delete", task_actions.NOTHING, {}),
    Place("DELETE /tasks/{id}", task_actions.NOTHING, {}),
    Place("POST /task-types/register", task_types.REGISTER, TYPE, A_TYPE),
    Place("POST /task-types/{name}/activate", task_types.NOTHING, {}),
    Place("POST /task-types/{name}/deactivate", task_types.NOTHING, {}),
    Place("POST /task-types/{name}/pause", task_types.NOTHING, {}),
    Place("POST /task-types/{name}/resume", task_types.NOTHING, {}),
    Place("POST /task-types/{name}/delete", task_types.NOTHING, {}),
    Place("DELETE /task-types/{name}", task_types.NOTHING, {}),
    Place(
        "POST /workers/register",
        workers.REGISTER,
        {
            "worker_id": bad.name(255),
            "host": bad.name(255),
            "version": bad.name(50),
            "metadata": [*bad.OBJECT, {"long": "x" * 20_000}],
            "task_types": bad.TYPE_NAMES,
            "concurrency": bad.integer(1, 10_000),
        },
    ),
    Place(
        "POST /run",
        run.RUN,
        {"token": bad.name(255), "seconds": bad.number(1, 3600)},
        {"seconds": 1},
    ),
    Place("POST /queue/pause", queue.PAUSE, {"type_pattern": PATTERN}, {"type_pattern": "mail.%"}),
    Place("POST /queue/resume", queue.PAUSE, {"type_pattern": PATTERN}, {"type_pattern": "mail.%"}),
    Place(
        "POST /schedules",
        schedules.SCHEDULE,
        {
            "name": bad.name(40),
            "type": bad.name(255),
            "params": bad.OBJECT,
            "cron": [*bad.NO_TEXT, "", "@reboot", "* * * *", "0 0 30 2 *", "60 * * * *", "* " * 99],
            "every": bad.number(1, SECONDS),
            "timezone": [*bad.NO_TEXT, "", "Mars/Olympus", "../passwd", "a\x00b", "x" * 65],
            "missed": bad.choice("skip", "once", "all"),
            "dedupe": ["forever", "", "activ", 0, 5, 1.5, True, [], {}, ["active"]],
            "priority": bad.integer(-PRIORITY, PRIORITY),
            "max_attempts": bad.integer(1, 1000),
            "timeout": bad.number(0.1, SECONDS),
            "tags": bad.TAGS,
            "concurrency_key": bad.name(191),
            "paused": bad.BOOLEAN,
        },
        {"name": "new", "type": "job", "every": 60},
    ),
    Place("POST /schedules/{name}/pause", schedules.NOTHING, {}),
    Place("POST /schedules/{name}/resume", schedules.NOTHING, {}),
    Place("POST /schedules/{name}/run", schedules.NOTHING, {}),
    Place("POST /schedules/{name}/delete", schedules.NOTHING, {}),
    Place("DELETE /schedules/{name}", schedules.NOTHING, {}),
    Place("POST /workers/{worker}/heartbeat", workers.NOTHING, {}),
    Place("POST /workers/{worker}/deregister", workers.DEREGISTER, {"release": bad.BOOLEAN}, {}),
    Place("POST /keys", keys.KEY, KEY, {"name": "new", "scopes": ["read"]}),
    Place(
        "POST /keys/{id}/rotate",
        keys.ROTATE,
        {"grace": bad.number(0, 30 * 86400), "expires_at": KEY["expires_at"]},
    ),
    Place("POST /keys/{id}/revoke", keys.NOTHING, {}),
]

QUERIES = [
    Place(
        "GET /keys",
        keys.LIST,
        {"limit": [*bad.NO_QUERY_NUMBER, "0"], "before_id": [*bad.NO_QUERY_NUMBER, "0"]},
    ),
    Place(
        "GET /audit",
        audit.LIST,
        {
            "limit": [*bad.NO_QUERY_NUMBER, "0"],
            "before_id": [*bad.NO_QUERY_NUMBER, "0"],
            "action": [" a", "a\nb", "\x00", "x" * 65],
            "actor": [" a", "a\nb", "\x00", "x" * 151],
        },
    ),
    Place(
        "GET /tasks",
        tasks.LIST,
        {
            "status": ["waiting", "scheduled", "pending ", "x", "%", "pending,failed", "\x00"],
            "type": [" a", "a\nb", "\x00", "x" * 256],
            "tag": [" a", "a\nb", "\x00", "x" * 51],
            "worker_id": [" a", "a\nb", "\x00", "x" * 256],
            "created_after": [each for each in bad.TIME if isinstance(each, str) and each],
            "created_before": [each for each in bad.TIME if isinstance(each, str) and each],
            "q": [" a", "a\nb", "\x00", "x" * 201],
            "before_id": [*bad.NO_QUERY_NUMBER, "0"],
            "error_group": [*bad.NO_QUERY_NUMBER, "0"],
            "total": ["yes", "2", " true", "\x00"],
            "limit": [*bad.NO_QUERY_NUMBER, "0"],
            "offset": bad.NO_QUERY_NUMBER,
        },
    ),
    Place(
        "GET /task-types",
        task_types.LIST,
        {
            "active_only": ["yes", "2", " true", "\x00", "x" * 100_000],
            "archived": ["yes", "2", " true", "\x00", "x" * 100_000],
        },
    ),
    Place(
        "GET /health/queue",
        health.QUEUE,
        {
            "max_age": ["0", "soon", "nan", "-1", "1e99"],
            "max_silence": ["0", "soon", "nan", "-1", "1e99"],
            "max_failure_share": ["-0.1", "1.1", "half", "nan"],
        },
    ),
    Place(
        "GET /run",
        run.RUN,
        {
            "token": [" a", "a\nb", "\x00", "x" * 256],
            "seconds": [*bad.NO_QUERY_NUMBER, "0", "3601"],
        },
    ),
    Place(
        "GET /stats",
        stats.STATS,
        {
            "type": [" a", "a\nb", "\x00", "x" * 256],
            "worker_id": [" a", "a\nb", "\x00", "x" * 256],
        },
    ),
    Place(
        "GET /failures",
        failures.LIST,
        {
            "type": [" a", "a\nb", "\x00", "x" * 256],
            "limit": [*bad.NO_QUERY_NUMBER, "0"],
        },
    ),
    Place(
        "GET /stats/series",
        stats.SERIES,
        {
            "period": ["month", "3600", "hour ", "\x00"],
            "type": [" a", "a\nb", "\x00", "x" * 256],
        },
    ),
    Place(
        "GET /workers",
        workers.LIST,
        {"limit": [*bad.NO_QUERY_NUMBER, "0"], "offset": bad.NO_QUERY_NUMBER},
    ),
]

WITHOUT_FIELDS = {
    "GET /",
    "GET /openapi.json",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /tasks/{id}",
    "GET /tasks/{id}/history",
    "GET /task-types/{name}",
    "GET /queue",
    "GET /schedules",
    "GET /schedules/{name}",
    "GET /workers/{worker}",
    "GET /workers/{worker}/stats",
}
