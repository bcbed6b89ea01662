"""What a client does that calls whatever there is, at random: every address of the API, about tasks
that others have to do with at the same moment.

It notes what was acknowledged to it: tasks made and deleted, claims, and outcomes that were
accepted.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from app.api.routes import ROUTES, Route, speaks_spooled
from tests.api.caller import BARE, check_form, check_spooled_form
from tests.faults.client import Work
from tests.support.http_client import Response

LIMITED = "limited"
MAX_RUNNING = 3
WAITS = {"retry_delay": 0.1, "retry_max_delay": 0.5}
TYPE_SETTINGS: dict[str, dict[str, Any]] = {
    "plain": WAITS,
    "keyed": {**WAITS, "max_attempts": 2},
    LIMITED: {**WAITS, "max_running": MAX_RUNNING},
}
TYPES = tuple(TYPE_SETTINGS)
QUEUE = "spooled"
WORKER_IDS = ("w1", "w2", "w3", "w4")
TAGS = ("red", "blue")
KEYS = tuple(f"key-{number}" for number in range(12))
LEASES = (0.2, 0.5, 30)
DELAYS = (0, 0, 0.1, 0.4)
REMEMBERED = 60
"""How many tasks a client knows: few, so that clients meet."""

Fields = dict[str, Any]


def call_at_random(work: Work) -> None:
    caller = RandomCaller(work)
    for _ in range(work.options["steps"]):
        caller.step()


class RandomCaller:
    """One client. It speaks of tasks that it holds, held, or only heard of."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._chance = random.Random(f"{work.options['seed']} {work.name}")
        self._known: list[int] = []
        self._held: list[tuple[int, int, str]] = []
        steps: dict[Callable[[], None], int] = {
            self._create: 12,
            self._create_many: 4,
            self._claim: 16,
            self._settle_one: 24,
            self._settle_many: 8,
            self._extend: 6,
            self._extend_many: 3,
            self._operate: 8,
            self._delete: 2,
            self._list: 3,
            self._call_anything: 14,
        }
        self._steps, self._weights = list(steps), list(steps.values())
        self._routes = self._all_routes()

    def _all_routes(self) -> Iterator[Route]:
        """Every route again and again, in an order that all clients have in common. Each begins
        elsewhere, so that together they soon have called all.
        """
        options = self._work.options
        order = random.Random(options["seed"]).sample(ROUTES, len(ROUTES))
        first = self._work.number * len(order) // options["clients"] % len(order)
        return itertools.cycle([*order[first:], *order[:first]])

    def step(self) -> None:
        self._chance.choices(self._steps, self._weights)[0]()

    def _create(self) -> None:
        response = self._post("/tasks", self._new_task())
        if response.status == 201:
            self._made(response.data["id"])

    def _create_many(self) -> None:
        tasks = [self._new_task() for _ in range(self._chance.randint(1, 5))]
        response = self._post("/tasks", {"tasks": tasks})
        if response.status == 201:
            for task in response.data["tasks"]:
                if not task["deduplicated"]:
                    self._made(task["id"])

    def _new_task(self) -> Fields:
        task: Fields = {"type": self._chance.choice(TYPES), "params": {"n": self._roll(40)}}
        task["dedupe"] = self._chance.choice(("active", "active", False, 0.5))
        if task["dedupe"] and self._roll(2):
            task["dedupe_key"] = self._chance.choice(KEYS)
        if self._roll(3) == 0:
            task.update(priority=self._roll(3), delay=self._chance.choice(DELAYS))
        if self._roll(3) == 0:
            task.update(max_attempts=1 + self._roll(4), tags=list(TAGS[: self._roll(3)]))
        return task

    def _claim(self) -> None:
        worker_id = self._chance.choice(WORKER_IDS)
        self._took(worker_id, self._post("/tasks/claim", self._claim_fields(worker_id)))

    def _claim_fields(self, worker_id: str) -> Fields:
        fields: Fields = {"worker_id": worker_id, "limit": 1 + self._roll(4)}
        fields["lease"] = self._chance.choice(LEASES)
        if self._roll(3) == 0:
            fields["task_types"] = self._chance.sample(TYPES, 2)
        if self._roll(3) == 0:
            key = f"{self._work.name}:{self._roll(3)}"
            fields.update(claim_key=key, again=bool(self._roll(2)))
        if self._roll(6) == 0:
            fields["sort_by"] = self._chance.choice(("id", "attempts", "priority"))
        return fields

    def _took(self, worker_id: str, response: Response) -> None:
        if response.status != 200:
            return
        for task in response.data.get("tasks", []):
            task_id, attempt = task["id"], task["attempts"]
            self._held.append((task_id, attempt, worker_id))
            self._learn(task_id)
            self._note("claimed", id=task_id, attempt=attempt, by=self._work.name)

    def _settle_one(self) -> None:
        task_id, attempt, worker_id = self._some_claim()
        kind = self._chance.choice(("complete", "complete", "complete", "fail", "release"))
        fields = {"worker_id": worker_id, "attempt": attempt, **self._outcome(kind)}
        if kind != "release" and self._roll(2):
            fields["claim"] = self._claim_fields(worker_id)
        response = self._post(f"/tasks/{task_id}/{kind}", fields)
        self._settled(task_id, attempt, kind, response.status == 200)
        self._took(worker_id, response)

    def _settle_many(self) -> None:
        claims = [self._some_claim() for _ in range(1 + self._roll(5))]
        kinds = [self._chance.choice(("complete", "complete", "fail", "release")) for _ in claims]
        outcomes = [
            {
                **{"id": task_id, "attempt": attempt, "worker_id": worker_id},
                **{"success": kind != "fail", "release": kind == "release"},
                **self._outcome(kind),
            }
            for (task_id, attempt, worker_id), kind in zip(claims, kinds)
        ]
        worker_id = claims[0][2]
        claim = self._claim_fields(worker_id)
        response = self._post("/tasks/settle", {"outcomes": outcomes, "claim": claim})
        if response.status == 200:
            for (task_id, attempt, _), kind, each in zip(claims, kinds, response.data["settled"]):
                self._settled(task_id, attempt, kind, "code" not in each)
        self._took(worker_id, response)

    def _outcome(self, kind: str) -> Fields:
        if kind == "complete":
            return {"result": self._work.name}
        delay = {"delay": self._chance.choice(DELAYS)} if self._roll(2) else {}
        return delay if kind == "release" else {**delay, "error": "no", "retry": self._roll(5) > 0}

    def _settled(self, task_id: int, attempt: int, kind: str, accepted: bool) -> None:
        self._held = [held for held in self._held if held[:2] != (task_id, attempt)]
        if accepted:
            self._note("settled", id=task_id, attempt=attempt, kind=kind)

    def _extend(self) -> None:
        task_id, attempt, worker_id = self._some_claim()
        fields: Fields = {"worker_id": worker_id, "attempt": attempt}
        if self._roll(2):
            fields["progress"] = self._roll(101)
        verb = "progress" if "progress" in fields else "heartbeat"
        self._post(f"/tasks/{task_id}/{verb}", fields)

    def _extend_many(self) -> None:
        claims = [self._some_claim() for _ in range(1 + self._roll(6))]
        tasks = [{"id": each[0], "attempt": each[1], "worker_id": each[2]} for each in claims]
        self._post("/tasks/heartbeat", {"tasks": tasks})

    def _operate(self) -> None:
        verb = self._chance.choice(("cancel", "retry", "retry"))
        self._post(f"/tasks/{self._some_task()}/{verb}", {})

    def _delete(self) -> None:
        task_id = self._some_task()
        if self._post(f"/tasks/{task_id}/delete", {}).status == 200:
            self._note("deleted", id=task_id)

    def _list(self) -> None:
        filters: Fields = {"limit": 1 + self._roll(30)}
        if self._roll(2):
            filters["status"] = self._chance.choice(("pending", "claimed", "failed", "completed"))
        if self._roll(3) == 0:
            filters["tag"] = self._chance.choice(TAGS)
        if self._roll(3) == 0:
            filters["worker_id"] = self._chance.choice(WORKER_IDS)
        for task in self._call("GET", f"/tasks?{urlencode(filters)}", None).data["tasks"]:
            self._learn(task["id"])

    def _call_anything(self) -> None:
        """Any address there is, with what it may be about and nothing else."""
        route = next(self._routes)
        path = route.template.format(
            id=self._some_task(),
            name=self._chance.choice(TYPES),
            worker=self._chance.choice(WORKER_IDS),
        )
        body: Fields = {"queue_name": QUEUE, "payload": {}, "worker_id": "w1", "limit": 1}
        if not speaks_spooled(path):
            body = {}
        if path.endswith(("/pause", "/deactivate")):
            # What is stopped is started again, or soon nothing would happen.
            self._post(path, {})
            path = path.replace("/pause", "/resume").replace("/deactivate", "/activate")
        response = self._call(route.method, path, None if route.method == "GET" else body)
        if route.template in ("/task-types/{name}", "/task-types/{name}/delete"):
            self._register(path.split("/")[2])
        self._note("called", method=route.method, template=route.template)
        if route.template in ("/tasks/{id}", "/tasks/{id}/delete") and "deleted" in str(
            response.json.get("data")
        ):
            self._note("deleted", id=int(path.split("/")[2]))

    def _register(self, name: str) -> None:
        """A type that may have been deleted is there again."""
        settings = TYPE_SETTINGS[name]
        body = {"name": name, "version": "1", "param_schema": {"type": "object"}, **settings}
        self._post("/task-types/register", body)

    def _some_claim(self) -> tuple[int, int, str]:
        """Mostly one that this client holds; sometimes one that another may hold."""
        if self._held and self._roll(8):
            return self._chance.choice(self._held)
        return self._some_task(), 1 + self._roll(3), self._chance.choice(WORKER_IDS)

    def _some_task(self) -> int:
        return self._chance.choice(self._known or [1])

    def _made(self, task_id: int) -> None:
        self._learn(task_id)
        self._note("created", id=task_id)

    def _learn(self, task_id: int) -> None:
        if task_id not in self._known:
            self._known = [*self._known, task_id][-REMEMBERED:]

    def _roll(self, sides: int) -> int:
        return self._chance.randrange(sides)

    def _note(self, event: str, **facts: Any) -> None:
        self._work.journal.write(event, **facts)

    def _post(self, path: str, body: Fields) -> Response:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Fields | None) -> Response:
        response = self._work.client.call(method, path, body)
        is_json = response.headers["Content-Type"].startswith("application/json")
        if is_json and path not in BARE:
            (check_spooled_form if speaks_spooled(path) else check_form)(method, response)
        self._note("response", status=response.status, path=path)
        return response
