"""The calls of Spooled's workers and producers that its tests begin with."""

from __future__ import annotations

from typing import Any

from tests.api.caller import Api


def create(api: Api, queue: str = "mail", payload: Any = None, **options: Any) -> str:
    body = {"queue_name": queue, "payload": payload or {"to": "a"}, **options}
    response = api.post("/v1/jobs", body)
    assert response.status == 201, response
    assert response.json["created"] is True
    return str(response.json["id"])


def claim(api: Api, queue: str = "mail", worker_id: str = "w1", **options: Any) -> Any:
    body = {"queue_name": queue, "worker_id": worker_id, **options}
    response = api.post("/v1/jobs/claim", body)
    assert response.status == 200, response
    return response.json["jobs"]


def held(api: Api, **options: Any) -> dict[str, Any]:
    """A claimed job: its ``id``, and what a worker sends back."""
    create(api, **options)
    (job,) = claim(api)
    return {"id": job["id"], "worker_id": "w1", "lease_id": job["lease_id"]}


def end(api: Api, hold: dict[str, Any], how: str, **more: Any) -> Any:
    body = {name: value for name, value in hold.items() if name != "id"}
    return api.post(f"/v1/jobs/{hold['id']}/{how}", {**body, **more})


def job(api: Api, job_id: str) -> Any:
    response = api.get(f"/v1/jobs/{job_id}")
    assert response.status == 200, response
    return response.json


def dead(api: Api, queue: str = "mail", **options: Any) -> str:
    """A job that failed for good: its id."""
    job_id = create(api, queue, max_retries=0, **options)
    (claimed,) = claim(api, queue)
    assert claimed["id"] == job_id
    hold = {"id": job_id, "worker_id": "w1", "lease_id": claimed["lease_id"]}
    assert end(api, hold, "fail", error="no mailbox").status == 200
    return job_id
