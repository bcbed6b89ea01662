"""What a claim finds, however far it has to look: always the same tasks in the same order."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from app.queue import candidates, eligible_types
from app.queue import claim as claiming
from app.queue.claim import ClaimRequest
from app.queue.claim_order import SORT_KEYS, SORT_ORDERS, Order
from app.queue.eligible_types import Filter
from app.site import Site
from tests.support.queue import register

TYPES = 24
PAUSED = range(4)
"""The types whose tasks come first are paused, so a claim meets them at the head."""
SATURATED = range(4, 7)
LIMITED = range(7, 10)
CAPACITY = 2
TASKS_EACH = 6


class Task(NamedTuple):
    id: int
    type: int
    urgency: int
    attempts: int


@pytest.fixture
def tasks(site: Site) -> list[Task]:
    """Pending tasks of each type; the lower its number, the more urgent; and what runs already."""
    ids = [register(site, f"type-{number:02}") for number in range(TYPES)]
    made = []
    for number in range(TYPES):
        for position in range(TASKS_EACH):
            place = len(made) + 1
            made.append(Task(place, number, number // 3 - 3 + position % 2, place * 7 % 5))
    rows = [(task.id, ids[task.type], "pending", task.urgency, task.attempts) for task in made]
    running = [*SATURATED] * CAPACITY + [*LIMITED]
    rows += [(1000 + place, ids[number], "claimed", 0, 1) for place, number in enumerate(running)]
    limits = {**dict.fromkeys(SATURATED, CAPACITY), **dict.fromkeys(LIMITED, CAPACITY + 1)}
    site.db.run(
        lambda connection: connection.transact(
            [insert(row, connection.dialect.now) for row in rows]
            + [limit(ids[number], most) for number, most in limits.items()]
            + [(f"UPDATE task_types SET is_paused = 1 WHERE id <= {ids[PAUSED[-1]]}", {})]
        )
    )
    return made


def insert(row: tuple[Any, ...], now: str) -> Any:
    id_, type_id, status, urgency, attempts = row
    return (
        "INSERT INTO tasks (id, type_id, status, urgency, attempts, max_attempts, "
        "cancel_requested, created_at, params_json) VALUES "
        f"({id_}, {type_id}, '{status}', {urgency}, {attempts}, 9, 0, {now}, '{{}}')",
        {},
    )


def limit(type_id: int, most: int) -> Any:
    return f"UPDATE task_types SET max_running = {most} WHERE id = {type_id}", {}


def expected(tasks: list[Task], wanted: set[int], order: Order, count: int) -> list[int]:
    """The tasks that a claim has to get, by going through all of them."""
    sign = -1 if order.descending else 1
    by: dict[str, Any] = {
        "priority": lambda task: (-sign * task.urgency, -sign * task.id),
        "created_at": lambda task: sign * task.id,
        "id": lambda task: sign * task.id,
        "attempts": lambda task: (sign * task.attempts, task.urgency, task.id),
    }
    capacity = {**dict.fromkeys(SATURATED, 0), **dict.fromkeys(LIMITED, CAPACITY)}
    found: list[int] = []
    for task in sorted(tasks, key=by[order.sort_by]):
        left = capacity.get(task.type, 1)
        if task.type in wanted and task.type not in PAUSED and left > 0:
            found.append(task.id)
            if task.type in capacity:
                capacity[task.type] = left - 1
    return found[:count]


class Reach(NamedTuple):
    """What a claim takes for few types, for the head of the queue, and for far."""

    few: int
    margin: int
    far: int


REACHES = {
    "the head": Reach(few=32, margin=200, far=300),
    "few types": Reach(few=32, margin=0, far=300),
    "the head of many types": Reach(few=2, margin=200, far=300),
    "far": Reach(few=2, margin=0, far=300),
    "the types that come first": Reach(few=2, margin=0, far=3),
}
FILTERS = {
    "all": (Filter(), set(range(TYPES))),
    "a pattern": (Filter(type_pattern="type-%2"), {2, 12, 22}),
    "names": (
        Filter(task_types=["type-00", "type-05", "type-08", "type-20", "unknown"]),
        {0, 5, 8, 20},
    ),
    "none": (Filter(type_pattern="nothing%"), set()),
}


@pytest.fixture(params=REACHES)
def reach(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    reach = REACHES[request.param]
    monkeypatch.setattr(eligible_types, "FEW_TYPES", reach.few)
    monkeypatch.setattr(candidates, "HEAD_MARGIN", reach.margin)
    monkeypatch.setattr(candidates, "FAR", reach.far)
    return str(request.param)


@pytest.mark.usefixtures("reach")
@pytest.mark.parametrize("chosen", FILTERS)
def test_claim(site: Site, tasks: list[Task], chosen: str) -> None:
    types, wanted = FILTERS[chosen]
    for order in (Order(key, direction) for key in SORT_KEYS for direction in SORT_ORDERS):
        for count in (1, 4, 30, 100):
            result = claiming.claim(site, ClaimRequest("w", count, 60, types, order))
            found = [task["id"] for task in result.tasks]
            assert found == expected(tasks, wanted, order, count), (order.sort_by, count)
            assert result.unknown_types == (["unknown"] if chosen == "names" else [])
            put_back(site, found)


def put_back(site: Site, ids: list[int]) -> None:
    listed = ",".join(map(str, ids)) or "NULL"
    sql = (
        "UPDATE tasks SET status = 'pending', attempts = attempts - 1, due_at = NULL "
        f"WHERE id IN ({listed})"
    )
    site.db.run(lambda connection: connection.send([(sql, {})]))
