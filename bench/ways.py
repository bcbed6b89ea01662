"""The ways in which clients work a queue off: each a function for :func:`bench.clients.rate`."""

from __future__ import annotations

import time

from bench.clients import Client


def singly(url: str, worker: str, seconds: float) -> float:
    """Two calls a task: claim, complete."""
    client = Client(url)
    done = 0
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        task = client.post("/tasks/claim", {"worker_id": worker})
        outcome = {"worker_id": worker, "attempt": task["attempts"], "result": {"ok": True}}
        client.post(f"/tasks/{task['id']}/complete", outcome)
        done += 1
    return done / (time.monotonic() - begun)


def folded(url: str, worker: str, seconds: float) -> float:
    """One call a task: complete with the next claim folded in."""
    client = Client(url)
    done = 0
    task = client.post("/tasks/claim", {"worker_id": worker})
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        outcome = {"worker_id": worker, "attempt": task["attempts"], "claim": {}}
        task = client.post(f"/tasks/{task['id']}/complete", outcome)["tasks"][0]
        done += 1
    return done / (time.monotonic() - begun)


def in_tens(url: str, worker: str, seconds: float) -> float:
    return _in_batches(10, url, worker, seconds)


def in_fifties(url: str, worker: str, seconds: float) -> float:
    return _in_batches(50, url, worker, seconds)


WAYS = {
    "claim + complete": singly,
    "complete with claim": folded,
    "batches of 10": in_tens,
    "batches of 50": in_fifties,
}


def _in_batches(size: int, url: str, worker: str, seconds: float) -> float:
    """One call for ``size`` tasks: settle them, claim the next."""
    client = Client(url)
    done = 0
    tasks = client.post("/tasks/claim", {"worker_id": worker, "limit": size})["tasks"]
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        outcomes = [
            {"id": task["id"], "attempt": task["attempts"], "result": {"ok": True}}
            for task in tasks
        ]
        body = {"worker_id": worker, "outcomes": outcomes, "claim": {"limit": size}}
        response = client.post("/tasks/settle", body)
        done += len(response["settled"])
        tasks = response["tasks"]
    return done / (time.monotonic() - begun)
