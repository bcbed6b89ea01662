"""A queue as a small shop might have it, with an hour behind it: for pictures, and for pages that
have something to show.

Everything is made through the API, by a clock that runs fast; the last minute is now.
"""

from __future__ import annotations

import random
import time
from typing import Any

from flask import Flask

from app.site import Site
from tests.api.caller import Api, way_of
from tests.support.stopped_clock import StoppedClock

MINUTES = 75
SECOND = 1000

MAIL = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "format": "email", "description": "Who gets it"},
        "template": {"type": "string", "enum": ["invoice", "welcome", "reminder"]},
        "order": {"type": "integer", "minimum": 1},
    },
    "required": ["to", "template"],
    "additionalProperties": False,
}
THUMBNAIL = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "width": {"type": "integer", "default": 320, "minimum": 16, "maximum": 4096},
    },
    "required": ["path"],
}
TRACEBACK = """Traceback (most recent call last):
  File "handlers.py", line 41, in mail
    server.connect(host)
ConnectionRefusedError: [Errno 111] Connection refused"""


class SampleQueue:
    """Fills the queue of a site. The same each time, but for the time of day."""

    def __init__(self, site: Site, flask_app: Flask) -> None:
        self.api = Api(site, way_of("plain", site, flask_app))
        self._random = random.Random(7)
        site.db.close()  # connections of before have another clock
        self._clock = StoppedClock(site)
        self._clock.now = round(time.time() * SECOND) - MINUTES * 60 * SECOND

    def fill(self) -> None:
        self._register()
        while self._clock.now < time.time() * SECOND - 20 * SECOND:
            self._clock.move(self._random.randint(8, 30) * SECOND)
            self._enqueue()
            for worker in ("cron@web12", "laptop-1"):
                self._work(worker)
        self._leave_some()
        self._clock.close()
        self.api.site.db.close()

    def _register(self) -> None:
        register = self.api.register
        register(
            "shop.mail", MAIL, max_attempts=3, retry_delay=10, description="Mails to customers"
        )
        register("shop.thumbnail", THUMBNAIL, max_attempts=2, retry_delay=5, max_running=4)
        register("report.monthly", {"type": "object"}, timeout=600)
        register("import.orders", {"type": "object"})
        for name in ("cron@web11", "cron@web12", "laptop-1"):
            body = {"worker_id": name, "host": name.partition("@")[2] or name, "version": "0.1.0"}
            self.api.post("/workers/register", body)
        schedule = {"type": "import.orders", "params": {"shop": "main"}}
        self.api.post("/schedules", {"name": "sync orders", "every": 900, **schedule})
        nightly = {"type": "report.monthly", "params": {"kind": "nightly"}, "cron": "30 2 * * *"}
        self.api.post(
            "/schedules", {"name": "nightly report", "timezone": "Europe/Prague", **nightly}
        )

    def _enqueue(self) -> None:
        number = self._random.randint(10_000, 99_999)
        customer = f"customer-{self._random.randint(1, 900)}"
        mail = {"to": f"{customer}@example.org", "template": "invoice", "order": number}
        self.api.create("shop.mail", mail, tags=["invoice", customer], dedupe=False)
        if number % 3 == 0:
            path = {"path": f"uploads/2026/{number}.jpg", "width": 320}
            self.api.create("shop.thumbnail", path, dedupe=False, tags=[customer])
        if number % 40 == 0:
            self.api.create("report.monthly", {"kind": "sales", "month": number}, dedupe=False)

    def _work(self, worker: str) -> None:
        claim = {"worker_id": worker, "limit": self._random.randint(1, 4)}
        tasks = self.api.post("/tasks/claim", claim).data["tasks"]
        self._clock.move(self._random.randint(200, 2500))
        outcomes = [self._outcome(task) for task in tasks]
        if outcomes:
            self.api.post("/tasks/settle", {"worker_id": worker, "outcomes": outcomes})

    def _outcome(self, task: dict[str, Any]) -> dict[str, Any]:
        told = {"id": task["id"], "attempt": task["attempts"]}
        is_late = self._clock.now > (time.time() - 1500) * SECOND
        if task["type"] == "shop.mail" and is_late and task["id"] % 9 == 0:
            error = "SMTP server refused the connection"
            return {**told, "success": False, "error": error, "traceback": TRACEBACK}
        if task["type"] == "shop.thumbnail" and task["id"] % 31 == 0:
            error = f"No picture at {task['params']['path']}"
            return {**told, "success": False, "error": error, "retry": False}
        return {**told, "success": True, "result": {"seconds": round(self._random.random(), 2)}}

    def _leave_some(self) -> None:
        """Waiting, running and delayed tasks."""
        self._clock.now = round(time.time() * SECOND) - 12 * SECOND
        for _ in range(40):
            self._enqueue()
        for number in range(12):
            params = {"to": f"later-{number}@example.org", "template": "reminder"}
            self.api.create("shop.mail", params, delay=600 + number * 60, tags=["reminder"])
        tasks = self.api.post("/tasks/claim", {"worker_id": "laptop-1", "limit": 5}).data["tasks"]
        for task, progress in zip(tasks, (62, 10, 85)):
            body = {"worker_id": "laptop-1", "progress": progress, "message": "resizing"}
            self.api.post(f"/tasks/{task['id']}/progress", body)
