"""GET /metrics, read by the client library of Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.queue.statistics import roll_up
from app.queue.upkeep.turn import Budget
from app.version import VERSION
from tests.api.caller import Api

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(api: Api) -> Samples:
    response = api.call("GET", "/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(response.raw.decode("utf-8")))
    assert all(family.documentation and family.type != "unknown" for family in families)
    return {
        (sample.name.removeprefix("taskmanager_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_an_empty_queue(api: Api) -> None:
    samples = read(api)
    assert value(samples, "info", version=VERSION) == 1
    assert value(samples, "oldest_due_age_seconds") == 0
    assert value(samples, "workers") == 0


def test_what_is_counted(api: Api) -> None:
    api.register("job")
    first, second, third = (api.claimed("job", "w") for _ in range(3))
    api.post(f"/tasks/{first['id']}/complete", {"attempt": 1})
    api.post(f"/tasks/{second['id']}/fail", {"error": "no", "retry": False})
    api.post(f"/tasks/{third['id']}/fail", {"error": "no", "delay": 500})
    api.create("job", {"n": 3})
    samples = read(api)
    for status in ("completed", "failed", "scheduled", "pending"):
        assert value(samples, "tasks", type="job", status=status) == 1
    for event, count in {
        "created": 4,
        "claimed": 3,
        "completed": 1,
        "failed": 1,
        "retried": 1,
    }.items():
        assert value(samples, f"tasks_{event}_total", type="job") == count
    assert value(samples, "task_wait_seconds_count", type="job") == 3
    assert value(samples, "task_run_seconds_count", type="job") == 3
    assert 0 <= (value(samples, "task_run_seconds_sum", type="job") or 0) < 60
    assert value(samples, "oldest_due_age_seconds") is not None
    assert value(samples, "workers") == 1


def test_counters_only_grow(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the history is rolled up in between, and when tasks are deleted."""
    api.register("job")
    for _ in range(3):
        task = api.claimed("job", "w")
        api.post(f"/tasks/{task['id']}/complete", {})
    before = read(api)
    monkeypatch.setattr(roll_up, "safe_age", lambda connection, site: -1.0)
    for _ in range(3):
        roll_up.roll_up(api.site, Budget(None))
    assert read(api) == before
    api.post(f"/tasks/{task['id']}/delete")
    after = read(api)
    assert value(after, "tasks_completed_total", type="job") == 3
    assert value(after, "tasks", type="job", status="completed") == 2


def test_names_that_need_escaping(api: Api) -> None:
    name = 'a "b" \\ {c="d"} 🎉'
    api.register(name)
    api.create(name)
    assert value(read(api), "tasks", type=name, status="pending") == 1
