"""The calls of workers load neither Flask nor SQLAlchemy: under CGI each pays for its imports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosting.test_imports import Entry, entry, prepare, unwanted

__all__ = ["entry", "unwanted"]

WORKER = {"queue_name": "plain", "worker_id": "w"}
HELD = {"worker_id": "w"}

CALLS: dict[str, tuple[str, str, Any]] = {
    "heartbeats": ("POST", "/tasks/heartbeat", {"tasks": [{"id": 1}]}),
    "register": ("POST", "/workers/register", {"worker_id": "w", "metadata": {"a": 1}}),
    "worker's heartbeat": ("POST", "/workers/w/heartbeat", {}),
    "deregister": ("POST", "/workers/w/deregister", {}),
    "workers": ("GET", "/workers", None),
    "worker": ("GET", "/workers/w", None),
    "worker's stats": ("GET", "/workers/w/stats", None),
    "Spooled: register": ("POST", "/v1/workers/register", {**WORKER, "metadata": {"a": 1}}),
    "Spooled: worker's heartbeat": ("POST", "/v1/workers/w/heartbeat", {"current_jobs": 0}),
    "Spooled: claim": ("POST", "/v1/jobs/claim", WORKER),
    "Spooled: heartbeat": ("POST", "/v1/jobs/{id}/heartbeat", HELD),
    "Spooled: progress": ("POST", "/v1/jobs/{id}/progress", {**HELD, "progress": 5}),
    "Spooled: complete": ("POST", "/v1/jobs/{id}/complete", HELD),
    "Spooled: fail": ("POST", "/v1/jobs/{id}/fail", HELD),
    "Spooled: create": ("POST", "/v1/jobs", {"queue_name": "new", "payload": {}}),
    "Spooled: get": ("GET", "/v1/jobs/{id}", None),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_loaded(entry: Entry, unwanted: set[str], name: str, database_url: str) -> None:
    task_id = prepare(database_url)
    method, path, body = CALLS[name]
    called = entry.call(method, path.format(id=task_id), body)
    assert called.status in (200, 201)
    assert called.modules & unwanted == set()
