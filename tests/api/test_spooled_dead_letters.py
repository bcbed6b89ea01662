"""/v1: many dead letters are retried or purged at once."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.spooled import dead_letters as endpoint
from app.queue import dead_letters
from tests.api.caller import Api
from tests.api.spooled_calls import create, dead, job


def retry(api: Api, **body: Any) -> Any:
    response = api.post("/v1/jobs/dlq/retry", body)
    assert response.status == 200, response
    assert response.warnings == []
    assert response.json["retried_count"] == len(response.json["retried_jobs"])
    assert response.json["skipped_jobs"] == []
    return response.json


def purge(api: Api, **body: Any) -> Any:
    response = api.post("/v1/jobs/dlq/purge", {"confirm": True, **body})
    assert response.status == 200, response
    assert response.warnings == []
    return response.json


def left(api: Api) -> list[str]:
    return [each["id"] for each in api.get("/v1/jobs/dlq").items][::-1]


def make_old(api: Api, *job_ids: str) -> None:
    for job_id in job_ids:
        api.sql("UPDATE tasks SET created_at = '2026-01-01 00:00:00.000' WHERE id = :id", id=job_id)


class TestRetry:
    def test_all_of_them(self, api: Api) -> None:
        made = [dead(api), dead(api, "sms")]
        waiting = create(api)
        told = retry(api)
        assert (told["retried_jobs"], told["has_more"]) == (made, False)
        for job_id in (*made, waiting):
            assert job(api, job_id)["status"] == "pending"
        assert left(api) == []
        assert retry(api)["retried_count"] == 0

    def test_one_queue(self, api: Api) -> None:
        mine, other = dead(api), dead(api, "sms")
        assert retry(api, queue_name="mail")["retried_jobs"] == [mine]
        assert left(api) == [other]
        assert retry(api, queue_name="nobody.knows")["retried_jobs"] == []

    def test_the_oldest_first(self, api: Api) -> None:
        made = [dead(api) for _ in range(3)]
        told = retry(api, limit=2)
        assert (told["retried_jobs"], told["has_more"]) == (made[:2], True)
        assert retry(api, limit=1) == {
            **told,
            "retried_count": 1,
            "retried_jobs": made[2:],
            "has_more": False,
        }

    def test_those_with_these_ids(self, api: Api) -> None:
        first, second, third, waiting = dead(api), dead(api), dead(api), create(api)
        given = [third, first, third, waiting, "999999999", "x", "0"]
        told = retry(api, job_ids=given)
        assert (told["retried_jobs"], told["has_more"]) == ([first, third], False)
        assert left(api) == [second]
        assert retry(api, job_ids=[])["retried_jobs"] == []

    def test_work_that_a_newer_job_does_is_left(self, api: Api) -> None:
        api.register("mail", dedupe="active")
        failed = api.create("mail", {"to": "a"}, max_attempts=1)["id"]
        api.claim("w1")
        api.post(f"/tasks/{failed}/fail", {"error": "x", "retry": False})
        newer = api.create("mail", {"to": "a"})["id"]
        assert newer != failed
        told = retry(api)
        assert (told["retried_jobs"], told["has_more"]) == ([], False)
        assert left(api) == [str(failed)]

    def test_batch_after_batch(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        made = [dead(api) for _ in range(5)]
        monkeypatch.setattr(dead_letters, "BATCH", 2)
        assert retry(api)["retried_jobs"] == made

    def test_no_job_is_begun_when_the_time_is_up(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead(api)
        monkeypatch.setattr(dead_letters, "SHARE_OF_TIME", -1)
        with api.unchanged():
            told = retry(api)
        assert (told["retried_count"], told["has_more"]) == (0, True)


class TestPurge:
    def test_all_of_them(self, api: Api) -> None:
        made = [dead(api, tags=["a"]), dead(api, "sms")]
        kept = create(api)
        assert purge(api) == {"purged_count": 2, "has_more": False}
        for job_id in made:
            assert api.get(f"/v1/jobs/{job_id}").code == "NOT_FOUND"
            assert api.sql("SELECT id FROM task_history WHERE task_id = :id", id=job_id) == []
            assert api.sql("SELECT tag FROM task_tags WHERE task_id = :id", id=job_id) == []
        assert job(api, kept)["status"] == "pending"
        assert purge(api) == {"purged_count": 0, "has_more": False}

    def test_one_queue(self, api: Api) -> None:
        dead(api)
        other = dead(api, "sms")
        assert purge(api, queue_name="mail")["purged_count"] == 1
        assert left(api) == [other]
        assert purge(api, queue_name="nobody.knows")["purged_count"] == 0

    def test_old_ones(self, api: Api) -> None:
        old, new = dead(api), dead(api)
        older_sms = dead(api, "sms")
        make_old(api, old, older_sms)
        before = "2026-01-02T00:00:00+00:00"
        assert purge(api, queue_name="mail", older_than=before)["purged_count"] == 1
        assert left(api) == [new, older_sms]
        assert purge(api, older_than=before)["purged_count"] == 1
        assert left(api) == [new]

    def test_a_limit(self, api: Api) -> None:
        made = [dead(api) for _ in range(3)]
        assert purge(api, limit=2) == {"purged_count": 2, "has_more": True}
        assert left(api) == made[2:]
        assert purge(api, limit=10_000) == {"purged_count": 1, "has_more": False}

    def test_the_most_at_once(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        made = [dead(api) for _ in range(3)]
        monkeypatch.setattr(endpoint, "PURGED_AT_ONCE", 2)
        assert purge(api, limit=10_000) == {"purged_count": 2, "has_more": True}
        assert left(api) == made[2:]

    @pytest.mark.parametrize("confirm", [None, False, "true", 1])
    def test_it_must_be_confirmed(self, api: Api, confirm: Any) -> None:
        dead(api)
        with api.unchanged():
            response = api.post("/v1/jobs/dlq/purge", {"confirm": confirm})
        assert (response.status, response.code) == (400, "VALIDATION_FAILED")
        assert response.paths == ["confirm"]


BAD = [
    ("/v1/jobs/dlq/retry", {"queue_name": "x" * 101}),
    ("/v1/jobs/dlq/retry", {"job_ids": "1,2"}),
    ("/v1/jobs/dlq/retry", {"job_ids": [1]}),
    ("/v1/jobs/dlq/retry", {"job_ids": ["1"] * 101}),
    ("/v1/jobs/dlq/retry", {"limit": 0}),
    ("/v1/jobs/dlq/retry", {"limit": 101}),
    ("/v1/jobs/dlq/purge", {"confirm": True, "queue_name": 5}),
    ("/v1/jobs/dlq/purge", {"confirm": True, "older_than": "yesterday"}),
    ("/v1/jobs/dlq/purge", {"confirm": True, "limit": 0}),
    ("/v1/jobs/dlq/purge", {"confirm": True, "limit": "10"}),
]


@pytest.mark.parametrize(("path", "body"), BAD)
def test_wrong_values(api: Api, path: str, body: Any) -> None:
    dead(api)
    with api.unchanged():
        response = api.post(path, body)
    assert (response.status, response.code) == (400, "VALIDATION_FAILED")
    (name,) = response.paths
    assert name in body
