"""The order in which tasks are claimed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api

# Of each task in the order of its creation: its name, priority, and attempts so far.
TASKS = [("a", 5, 2), ("b", -1, 0), ("c", 9, 3), ("d", 0, 1), ("e", 7, 4)]

ORDERS: list[tuple[str | None, str | None, str]] = [
    (None, None, "cead" + "b"),
    ("priority", None, "ceadb"),
    ("priority", "desc", "ceadb"),
    ("priority", "asc", "bdaec"),
    (None, "asc", "bdaec"),
    ("created_at", None, "abcde"),
    ("created_at", "asc", "abcde"),
    ("created_at", "desc", "edcba"),
    ("id", None, "abcde"),
    ("id", "asc", "abcde"),
    ("id", "desc", "edcba"),
    ("fair", None, "ceadb"),
    ("attempts", None, "bdace"),
    ("attempts", "asc", "bdace"),
    ("attempts", "desc", "ecadb"),
]
FILTERS: list[dict[str, Any]] = [{}, {"type_pattern": "job.%"}]


@pytest.fixture
def names(api: Api) -> dict[int, str]:
    """TASKS of two types by turns: the name of each by its id."""
    for name in ("job.one", "job.two"):
        api.register(name, max_attempts=10)
    named = {}
    for position, (name, priority, attempts) in enumerate(TASKS):
        task = api.create(("job.one", "job.two")[position % 2], priority=priority)
        api.sql("UPDATE tasks SET attempts = :n WHERE id = :id", n=attempts, id=task["id"])
        named[task["id"]] = name
    return named


@pytest.mark.parametrize(("sort_by", "sort_order", "expected"), ORDERS)
@pytest.mark.parametrize("options", FILTERS, ids=["all", "filtered"])
def test_one_claim_of_many(
    api: Api,
    names: dict[int, str],
    sort_by: str | None,
    sort_order: str | None,
    expected: str,
    options: dict[str, Any],
) -> None:
    claimed = api.claim(limit=10, sort_by=sort_by, sort_order=sort_order, **options)
    assert "".join(names[task["id"]] for task in claimed) == expected


@pytest.mark.parametrize(("sort_by", "sort_order", "expected"), ORDERS)
def test_many_claims_of_one(
    api: Api,
    names: dict[int, str],
    sort_by: str | None,
    sort_order: str | None,
    expected: str,
) -> None:
    claims = [api.claim(sort_by=sort_by, sort_order=sort_order) for _ in TASKS]
    assert "".join(names[task["id"]] for task in claims) == expected


@pytest.mark.parametrize(
    ("sort_by", "sort_order", "first"),
    [
        ("priority", "desc", 0),
        ("priority", "asc", 199),
        ("created_at", "asc", 0),
        ("created_at", "desc", 199),
        ("id", "asc", 0),
        ("id", "desc", 199),
        ("attempts", "asc", 199),
        ("attempts", "desc", 0),
    ],
)
@pytest.mark.parametrize("options", FILTERS, ids=["all", "filtered"])
def test_the_first_of_a_long_queue(
    api: Api, sort_by: str, sort_order: str, first: int, options: dict[str, Any]
) -> None:
    """Longer than what a claim looks at; each later task has less priority and fewer attempts."""
    api.register("job.one")
    tasks = [{"type": "job.one", "params": {"n": n}, "priority": -n} for n in range(200)]
    api.post("/tasks", {"tasks": tasks})
    api.sql("UPDATE tasks SET attempts = 500 - urgency")
    claim = {"sort_by": sort_by, "sort_order": sort_order, **options}
    step = 1 if first == 0 else -1
    assert api.claim(**claim)["params"]["n"] == first
    following = [task["params"]["n"] for task in api.claim(limit=3, **claim)]
    assert following == [first + step, first + 2 * step, first + 3 * step]


def test_the_oldest_first_among_equals(api: Api) -> None:
    api.register("job")
    ids = [api.create("job", priority=4)["id"] for _ in range(30)]
    assert [api.claim()["id"] for _ in range(5)] == ids[:5]
    assert [task["id"] for task in api.claim(limit=100)] == ids[5:]


def test_types_take_turns_by_priority_alone(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.register(name)
    wanted = [("b", 3), ("a", 1), ("c", 2), ("b", 1), ("a", 3), ("c", 1)]
    ids = {api.create(name, priority=priority)["id"]: priority for name, priority in wanted}
    claimed = api.claim(limit=10, task_types=["a", "b", "c"])
    assert [task["id"] for task in claimed] == sorted(ids, key=lambda each: (-ids[each], each))


def test_a_retried_task_keeps_its_place(api: Api) -> None:
    api.register("job")
    first, second = (api.create("job")["id"] for _ in range(2))
    assert api.claim()["id"] == first
    api.post(f"/tasks/{first}/release")
    assert [api.claim()["id"] for _ in range(2)] == [first, second]


def test_a_delayed_task_takes_its_place_when_due(api: Api) -> None:
    api.register("job")
    delayed = api.create("job", delay=1000, priority=1)["id"]
    others = [api.create("job", priority=priority)["id"] for priority in (2, 0)]
    api.make_due(delayed)
    assert [task["id"] for task in api.claim(limit=10)] == [others[0], delayed, others[1]]


class TestFair:
    """The types take turns: tests/queue/test_fair.py has the rest."""

    @pytest.fixture(autouse=True)
    def _tasks(self, api: Api) -> None:
        for name, count in (("large", 20), ("small", 2)):
            api.register(name)
            api.post("/tasks", {"tasks": [{"type": name, "dedupe": False, "params": {}}] * count})

    def types(self, api: Api, **options: Any) -> list[str]:
        return [task["type"] for task in api.claim(limit=4, **options)]

    def test_a_claim_may_ask_for_it(self, api: Api) -> None:
        assert self.types(api, sort_by="Fair") == ["large", "small", "large", "small"]

    def test_a_setting_makes_it_the_default(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.site.settings, "claim_order", "fair")
        assert self.types(api, sort_by="priority") == ["large"] * 4
        assert self.types(api, sort_order="desc") == ["large"] * 4
        assert self.types(api) == ["large", "small", "large", "small"]

    def test_with_a_settle(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api.site.settings, "claim_order", "fair")
        taken = [api.claim("w")]
        for _ in range(3):
            body = {"worker_id": "w", "claim": {}}
            taken += api.post(f"/tasks/{taken[-1]['id']}/complete", body).data["tasks"]
        assert [task["type"] for task in taken] == ["large", "small", "large", "small"]

    def test_it_has_no_other_direction(self, api: Api) -> None:
        body = {"worker_id": "w", "sort_by": "fair", "sort_order": "asc"}
        response = api.post("/tasks/claim", body)
        assert response.code == "validation_failed"
        assert response.json["details"][0]["path"] == "sort_order"
