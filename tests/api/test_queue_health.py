"""GET /health/live, /health/ready and /health/queue: what a monitor asks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from app.queue import run_lock
from tests.api.caller import Api


def age(api: Api, sql: str, **values: Any) -> None:
    api.site.db.run(lambda connection: connection.query(sql, values))


def look(api: Api, **query: Any) -> Any:
    return api.call("GET", "/health/queue", query={k: str(v) for k, v in query.items()}, headers={})


def create_hours_ago(api: Api, hours: float, **options: Any) -> None:
    task = api.create("job", {"n": hours}, **options)
    ago = api.site.db.dialect.after(str(-3600 * hours))
    age(api, f"UPDATE tasks SET created_at = {ago}, ready_at = NULL WHERE id = {task['id']}")


def test_live(api: Api) -> None:
    response = api.call("GET", "/health/live", headers={})
    assert (response.status, response.json["status"]) == (200, "alive")


def test_ready_is_what_health_says(api: Api) -> None:
    ready, health = (
        api.call("GET", path, headers={}).json for path in ("/health/ready", "/health")
    )
    assert {**ready, "timestamp": 0} == {**health, "timestamp": 0}


def test_an_empty_queue_is_healthy(api: Api) -> None:
    response = look(api)
    assert response.status == 200
    assert response.data == {"status": "healthy", "reasons": [], "paused": False}
    assert (response.json["status"], response.json["reasons"]) == ("healthy", [])


def test_a_task_that_waits_for_too_long(api: Api) -> None:
    api.register("job")
    create_hours_ago(api, 1)
    response = look(api)
    assert (response.status, response.code) == (503, "queue_unhealthy")
    assert response.json["status"] == "unhealthy"
    (reason,) = response.json["reasons"]
    assert reason.startswith("the oldest due task has waited for 60 minutes, and 15 minutes are")
    assert response.error == reason[0].upper() + reason[1:] + "."
    assert "job" not in str(response.json)
    assert look(api, max_age=7200).status == 200


def test_what_waits_on_purpose_is_no_alarm(api: Api) -> None:
    api.register("job")
    create_hours_ago(api, 5)
    create_hours_ago(api, 6, delay=86400)
    api.post("/task-types/job/pause")
    assert look(api).status == 200
    api.post("/task-types/job/resume")
    assert "5 hours" in look(api).json["reasons"][0]


def test_workers_that_are_not_seen_any_more(api: Api) -> None:
    api.register("job")
    api.post("/tasks/claim", {"worker_id": "w", "limit": 1})
    assert look(api).status == 200
    ago = api.site.db.dialect.after("-3600")
    age(api, f"UPDATE workers SET last_seen_at = {ago}")
    (reason,) = look(api).json["reasons"]
    assert reason.startswith("no worker was seen for 60 minutes, and 15 minutes are the limit")
    assert look(api, max_silence=4000).status == 200
    api.post("/tasks/claim", {"worker_id": "w", "limit": 1})
    assert look(api).status == 200


class TestCronAndWebRuns:
    """Where another worker is there, they are a warning, not an alarm."""

    @pytest.fixture
    def home(self, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The folder of an installed site, with a worker that was just seen."""
        (tmp_path / "logs").mkdir()
        (tmp_path / "config.py").write_text("", "utf-8")
        (tmp_path / "cron.py").write_text("", "utf-8")
        monkeypatch.setenv("TASKMANAGER_CONFIG", str(tmp_path / "config.py"))
        api.post("/workers/register", {"worker_id": "w"})
        return tmp_path

    def cron_ran(self, home: Path, seconds_ago: float) -> None:
        log = home / "logs" / "cron.log"
        log.write_text("", "utf-8")
        os.utime(log, (time.time() - seconds_ago,) * 2)

    def web_ran(self, api: Api, seconds_ago: float) -> None:
        run_lock.take(api.site, 20)
        run_lock.give_back(api.site)
        ago = api.site.db.dialect.after(str(-seconds_ago))
        age(api, f"UPDATE settings SET value = {ago} WHERE name = '{run_lock.ROW}'")

    @pytest.fixture(autouse=True)
    def _no_web_run(self, api: Api) -> None:
        age(api, f"DELETE FROM settings WHERE name = '{run_lock.ROW}'")

    def test_a_site_that_has_never_seen_one(self, api: Api, home: Path) -> None:
        assert "warnings" not in look(api).json

    def test_cron_that_does_not_come_any_more(self, api: Api, home: Path) -> None:
        self.cron_ran(home, 60)
        assert "warnings" not in look(api).json
        self.cron_ran(home, 7300)
        response = look(api)
        assert (response.status, response.json["reasons"]) == (200, [])
        (warning,) = response.json["warnings"]
        assert warning.startswith("neither cron nor a call of /api/run came for 2 hours: is the")
        assert "warnings" not in look(api, max_silence=8000).json

    def test_one_of_them_is_enough(self, api: Api, home: Path) -> None:
        self.web_ran(api, 3600)
        assert "60 minutes" in look(api).json["warnings"][0]
        self.cron_ran(home, 60)
        assert "warnings" not in look(api).json
        self.cron_ran(home, 7200)
        self.web_ran(api, 60)
        assert "warnings" not in look(api).json

    def test_without_a_worker_it_is_an_alarm_already(self, api: Api, home: Path) -> None:
        self.web_ran(api, 3600)
        age(api, f"UPDATE workers SET last_seen_at = {api.site.db.dialect.after('-3600')}")
        response = look(api)
        assert len(response.json["reasons"]) == 1
        assert "warnings" not in response.json

    def test_a_site_that_is_not_installed_has_no_cron(self, api: Api, home: Path) -> None:
        self.cron_ran(home, 7200)
        (home / "cron.py").unlink()
        assert "warnings" not in look(api).json


def test_too_many_failures(api: Api) -> None:
    api.register("job")
    tasks = [api.claimed("job", "w") for n in range(12)]
    for task in tasks[:6]:
        api.post(f"/tasks/{task['id']}/complete", {})
    for task in tasks[6:9]:
        api.post(f"/tasks/{task['id']}/fail", {"error": "no", "retry": False})
    assert look(api, max_failure_share=0.1).status == 200  # fewer than ten tell nothing
    api.post(f"/tasks/{tasks[9]['id']}/fail", {"error": "no", "retry": False})
    assert look(api).status == 200
    (reason,) = look(api, max_failure_share=0.3).json["reasons"]
    assert reason.startswith("40% of the tasks that ended within the last hour failed, and 30% are")


def test_several_reasons_and_the_settings(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.register("job")
    create_hours_ago(api, 1)
    api.post("/workers/register", {"worker_id": "w"})
    age(api, f"UPDATE workers SET last_seen_at = {api.site.db.dialect.after('-300')}")
    monkeypatch.setattr(api.site.settings, "health_max_silence", 60.0)
    assert len(look(api).json["reasons"]) == 2
    monkeypatch.setattr(api.site.settings, "health_max_age", 7200.0)
    assert len(look(api).json["reasons"]) == 1
