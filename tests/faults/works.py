"""What clients do in the tests: claim, complete, create, each in its way."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.faults.client import Work
from tests.support.http_client import Response


def claim_singly(work: Work) -> None:
    """Claim one, complete it, until the queue is empty."""
    while True:
        response = work.post("/tasks/claim", {"worker_id": work.name})
        if response.status != 200:
            return
        work.took([response.data])
        complete(work, response.data, {})


def claim_in_batches(work: Work) -> None:
    """Claim up to seven, complete each by itself."""
    while True:
        tasks = work.post("/tasks/claim", {"worker_id": work.name, "limit": 7}).data["tasks"]
        work.took(tasks)
        for task in tasks:
            complete(work, task, {})
        if not tasks:
            return


def claim_while_completing(work: Work) -> None:
    """Complete with the next claim folded in."""
    tasks = work.post("/tasks/claim", {"worker_id": work.name, "limit": 1}).data["tasks"]
    while tasks:
        work.took(tasks)
        tasks = complete(work, tasks[0], {"claim": {}}).data["tasks"]


def claim_while_settling(work: Work) -> None:
    """Settle a batch with the next claim folded in."""
    options = {"limit": 9}
    tasks = work.post("/tasks/claim", {"worker_id": work.name, **options}).data["tasks"]
    while tasks:
        work.took(tasks)
        outcomes = [
            {"id": task["id"], "attempt": task["attempts"], "result": work.name} for task in tasks
        ]
        body = {"worker_id": work.name, "outcomes": outcomes, "claim": options}
        data = work.post("/tasks/settle", body).data
        for task, settled in zip(tasks, data["settled"]):
            if settled.get("status") == "completed":
                work.completed(task, work.name)
        tasks = data["tasks"]


def complete(work: Work, task: dict[str, Any], more: dict[str, Any]) -> Response:
    body = {"worker_id": work.name, "attempt": task["attempts"], "result": work.name, **more}
    response = work.post(f"/tasks/{task['id']}/complete", body)
    if response.status == 200:
        work.completed(task, work.name)
    return response


SHARED_ID = "fleet"
"""All that work in chaos call themselves the same, as copies of one program do: then the
attempt alone tells a late result from a right one.
"""


def work_in_chaos(work: Work) -> None:
    """Claim, work for a moment, complete; whatever breaks, begin again. Some tasks take longer
    than their lease, so that another gets them and the late result must be refused.
    """
    lease = work.options["lease"]
    shortest, longest = work.options["seconds"]
    while not work.is_to_stop():
        limit = random.choice((1, 3))
        options = {"worker_id": SHARED_ID, "limit": limit, "lease": lease}
        response = work.insist("/tasks/claim", options)
        work.took(response.data["tasks"])
        late = random.random() < work.options["late"]
        time.sleep(lease * 1.2 if late else random.uniform(shortest, longest))
        for task in response.data["tasks"]:
            _finish(work, task)
        if not response.data["tasks"]:
            time.sleep(0.05)


def _finish(work: Work, task: dict[str, Any]) -> None:
    result = f"{work.name}:{task['attempts']}"
    body = {"worker_id": SHARED_ID, "attempt": task["attempts"], "result": result}
    response = work.insist(f"/tasks/{task['id']}/complete", body)
    work.journal.write("settled", id=task["id"], status=response.status, code=response.code)
    if response.status == 200:
        work.completed(task, result)


def produce_in_chaos(work: Work) -> None:
    """Create tasks, insisting; note those that were acknowledged."""
    for number in range(work.options["count"]):
        params = {"from": work.name, "number": number}
        response = work.insist("/tasks", {"type": "plain", "params": params})
        work.journal.write("created", status=response.status, id=response.data["id"], params=params)


def create_identical(work: Work) -> None:
    for number in range(work.options["count"]):
        body = {"type": "plain", "params": {"same": number, "for": ["everybody", None]}}
        for _ in range(work.options["times"]):
            response = work.post("/tasks", body)
            work.journal.write(
                "created", status=response.status, id=response.data["id"], number=number
            )


def create_overlapping(work: Work) -> None:
    """Batches of the same tasks, a different part in a different order each time."""
    shuffled = random.Random(work.name)
    for _ in range(work.options["times"]):
        numbers = shuffled.sample(range(work.options["range"]), work.options["size"])
        batch = [{"type": "plain", "params": {"number": each}} for each in numbers]
        response = work.post("/tasks", {"tasks": batch})
        for number, task in zip(numbers, response.data["tasks"]):
            fresh = not task["deduplicated"]
            work.journal.write("created", id=task["id"], number=number, fresh=fresh)


def claim_limited(work: Work) -> None:
    """Claim, hold for a moment, complete; note when the claim surely was on."""
    while not work.is_to_stop():
        options = {"worker_id": work.name, "limit": 1 + work.number % 4}
        tasks = work.post("/tasks/claim", options).data["tasks"]
        work.took(tasks)
        time.sleep(0.01)
        for task in tasks:
            work.journal.write("settling", id=task["id"])
            complete(work, task, {})
