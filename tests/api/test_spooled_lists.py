"""/v1: lists of jobs, their statuses by ids, and the history of one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api
from tests.api.spooled_calls import claim, create, dead, end, held, job
from tests.support.http_client import Response

LISTS = ["/v1/jobs", "/v1/jobs/dlq"]
SUMMARY = {
    *("id", "queue_name", "status", "priority", "retry_count", "attempt", "max_retries"),
    "job_type",
    *("last_error", "created_at", "scheduled_at", "started_at", "completed_at"),
}


def listed(api: Api, path: str = "/v1/jobs", **query: str) -> list[Any]:
    response = api.get(path, **query)
    assert response.status == 200, response
    assert response.warnings == []
    return response.items


def ids(found: list[Any]) -> list[str]:
    return [each["id"] for each in found]


def in_each_status(api: Api) -> dict[str, str]:
    """A job in each status: their ids."""
    done, waits_again, held_one = held(api), held(api), held(api)
    end(api, done, "complete", result={"sent": True})
    end(api, waits_again, "fail", error="not now")
    cancelled = create(api)
    api.call("DELETE", f"/v1/jobs/{cancelled}")
    return {
        "completed": done["id"],
        "waits again": waits_again["id"],
        "processing": held_one["id"],
        "cancelled": cancelled,
        "deadletter": dead(api, payload={"job_type": "welcome"}),
        "scheduled": create(api, scheduled_at="2096-01-01T00:00:00Z"),
        "pending": create(api, priority=7),
    }


class TestJobs:
    def test_what_is_told_of_each(self, api: Api) -> None:
        lost, waiting = dead(api, payload={"job_type": "welcome"}), create(api, priority=7)
        first, second = listed(api)
        assert (set(first), ids([first, second])) == (SUMMARY, [waiting, lost])
        expected = {"queue_name": "mail", "status": "pending", "priority": 7, "max_retries": 3}
        assert {name: first[name] for name in expected} == expected
        assert (first["job_type"], first["last_error"]) == ("", None)
        assert (second["job_type"], second["last_error"]) == ("welcome", "no mailbox")
        assert (second["status"], second["retry_count"]) == ("deadletter", 0)
        assert TIME.fullmatch(second["created_at"])
        assert TIME.fullmatch(second["completed_at"])

    def test_each_status_finds_the_jobs_that_show_it(self, api: Api) -> None:
        job_of = in_each_status(api)
        for status in ("completed", "processing", "cancelled", "deadletter", "scheduled"):
            assert ids(listed(api, status=status)) == [job_of[status]], status
        assert set(ids(listed(api, status="pending"))) == {job_of["pending"], job_of["waits again"]}
        assert listed(api, status="failed") == []
        for found in listed(api):
            assert found["status"] == job(api, found["id"])["status"]

    def test_pages_of_what_is_stored_in_two_ways(self, api: Api) -> None:
        for n in range(12):
            if n % 3 == 0:
                create(api, scheduled_at="2096-01-01T00:00:00Z")
            elif n % 3 == 1 and n != 4:
                end(api, held(api, priority=100), "fail", error="not now")
            else:
                create(api)
        for status in ("pending", "scheduled"):
            whole = [each["id"] for each in listed(api) if each["status"] == status]
            for limit in (1, 2, 3, 7, 50):
                for offset in range(10):
                    response = api.get(
                        "/v1/jobs", status=status, limit=str(limit), offset=str(offset)
                    )
                    assert ids(response.items) == whole[offset : offset + limit]
                    has_more = str(len(whole) > offset + limit).lower()
                    assert response.headers["X-Has-More"] == has_more

    def test_several_statuses(self, api: Api) -> None:
        job_of = in_each_status(api)
        found = ids(listed(api, status="Failed, deadletter,completed"))
        assert set(found) == {job_of["deadletter"], job_of["completed"]}
        assert len(listed(api, status="pending,scheduled")) == 3
        assert len(listed(api, status="scheduled,processing")) == 2

    def test_one_queue(self, api: Api) -> None:
        mine, other = create(api, "mail"), create(api, "mail.other")
        assert ids(listed(api, queue_name="mail")) == [mine]
        assert ids(listed(api)) == [other, mine]
        assert listed(api, queue_name="nobody.knows") == []

    def test_a_queue_is_no_pattern(self, api: Api) -> None:
        strange = create(api, "50%_a\\b")
        create(api, "50xyza\\b")
        assert ids(listed(api, queue_name="50%_a\\b")) == [strange]
        assert listed(api, queue_name="%") == []

    def test_one_tag(self, api: Api) -> None:
        mine = create(api, tags={"for": "Ada"})
        create(api, tags=["plain"])
        assert ids(listed(api, tag="for=Ada")) == [mine]
        assert len(listed(api, tag="plain")) == 1

    def test_times(self, api: Api) -> None:
        job_id = create(api)
        assert ids(listed(api, created_after="2026-01-01T00:00:00+00:00")) == [job_id]
        assert listed(api, created_before="2026-01-01") == []
        assert listed(api, created_after="2096-01-01") == []

    def test_pages(self, api: Api) -> None:
        made = [create(api) for _ in range(5)]
        made.reverse()
        response = api.get("/v1/jobs", limit="2", order_by="created_at", order_dir="desc")
        assert (ids(response.items), response.headers["X-Has-More"]) == (made[:2], "true")
        response = api.get("/v1/jobs", limit="2", offset="2")
        assert (ids(response.items), response.headers["X-Has-More"]) == (made[2:4], "true")
        response = api.get("/v1/jobs", limit="1", offset="4")
        assert (ids(response.items), response.headers["X-Has-More"]) == (made[4:], "false")
        response = api.get("/v1/jobs", offset="9")
        assert (response.items, response.headers["X-Has-More"]) == ([], "false")

    def test_a_limit_that_is_lowered(self, api: Api) -> None:
        response = api.get("/v1/jobs", limit="1000")
        assert response.warnings == ["limit was lowered from 1000 to 100, the most at once"]

    def test_unknown_fields_are_named(self, api: Api) -> None:
        response = api.get("/v1/jobs", **{"quëue\n": "mail"})
        assert response.warnings == [f"unknown field {'quëue' + chr(10)!r} was ignored"]
        assert response.headers["X-Warnings"].isascii()


class TestDeadLetters:
    def test_only_those(self, api: Api) -> None:
        job_of = in_each_status(api)
        (found,) = listed(api, "/v1/jobs/dlq")
        assert (set(found), found["id"]) == (SUMMARY, job_of["deadletter"])
        assert found["status"] == "deadletter"

    def test_filters_and_pages(self, api: Api) -> None:
        made = [dead(api), dead(api, "sms", tags=["a"]), dead(api)]
        assert ids(listed(api, "/v1/jobs/dlq", queue_name="mail")) == [made[2], made[0]]
        assert ids(listed(api, "/v1/jobs/dlq", tag="a")) == [made[1]]
        response = api.get("/v1/jobs/dlq", limit="1", offset="1")
        assert (ids(response.items), response.headers["X-Has-More"]) == ([made[1]], "true")


@pytest.mark.parametrize("path", LISTS)
class TestBadQueries:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("queue_name", "x" * 101),
            ("queue_name", " a"),
            ("tag", "x" * 51),
            ("created_after", "yesterday"),
            ("created_before", "12:00"),
            ("limit", "0"),
            ("limit", "x"),
            ("offset", "-1"),
            ("order_by", "priority"),
            ("order_dir", "asc"),
            ("q", "ada"),
            ("job_type", "welcome"),
        ],
    )
    def test_wrong_values(self, api: Api, path: str, name: str, value: str) -> None:
        refused(api.get(path, **{name: value}), name)


@pytest.mark.parametrize(
    "status", ["waiting", "claimed", "pending,", ",", "pending;failed", "\x00"]
)
def test_what_is_no_status(api: Api, status: str) -> None:
    refused(api.get("/v1/jobs", status=status), "status")


def refused(response: Response, name: str) -> None:
    assert (response.status, response.code) == (400, "VALIDATION_FAILED"), response
    assert response.paths == [name]


class TestStatuses:
    def test_those_that_are_there(self, api: Api) -> None:
        first, second = create(api, "mail"), dead(api, "sms")
        response = api.get("/v1/jobs/status", ids=f"{second}, {first},999999999,{second}")
        assert response.status == 200
        assert ids(response.items) == [second, first]
        found = response.items[0]
        assert set(found) == {
            *("id", "status", "queue_name", "retry_count", "created_at", "completed_at")
        }
        assert (found["status"], found["queue_name"]) == ("deadletter", "sms")

    @pytest.mark.parametrize("given", ["x", "0", "-1", ",", "1.5", "9" * 30, "a b", "१"])
    def test_what_can_be_no_id(self, api: Api, given: str) -> None:
        assert api.get("/v1/jobs/status", ids=given).items == []

    def test_too_many_or_none(self, api: Api) -> None:
        refused(api.get("/v1/jobs/status", ids=",".join("1" * 101)), "ids")
        refused(api.get("/v1/jobs/status"), "ids")
        assert api.get("/v1/jobs/status", ids=",".join("1" * 100)).items == []


class TestHistory:
    def events(self, api: Api, job_id: str, **query: str) -> list[Any]:
        response = api.get(f"/v1/jobs/{job_id}/history", **query)
        assert response.status == 200, response
        return response.items

    def test_what_happened(self, api: Api) -> None:
        hold = held(api, max_retries=1)
        end(api, hold, "fail", error="not now")
        api.make_due(int(hold["id"]))
        claim(api, worker_id="w2")
        found = self.events(api, hold["id"])
        assert [each["event_type"] for each in found] == [
            *("created", "claimed", "requeued", "claimed")
        ]
        assert [each["worker_id"] for each in found][1::2] == ["w1", "w2"]
        assert found[2]["details"] == {"attempt": 1, "message": "not now"}
        assert len({each["id"] for each in found}) == 4
        for each in found:
            assert each["job_id"] == hold["id"]
            assert TIME.fullmatch(each["created_at"])

    def test_pages(self, api: Api) -> None:
        hold = held(api)
        end(api, hold, "complete")
        whole = self.events(api, hold["id"])
        assert [each["event_type"] for each in whole] == ["created", "claimed", "completed"]
        assert self.events(api, hold["id"], order_dir="desc") == whole[::-1]
        response = api.get(f"/v1/jobs/{hold['id']}/history", limit="1", offset="1")
        assert (response.items, response.headers["X-Has-More"]) == (whole[1:2], "true")

    @pytest.mark.parametrize(
        ("name", "value"), [("order_dir", "up"), ("limit", "0"), ("limit", "501"), ("offset", "-1")]
    )
    def test_wrong_values(self, api: Api, name: str, value: str) -> None:
        refused(api.get(f"/v1/jobs/{create(api)}/history", **{name: value}), name)
