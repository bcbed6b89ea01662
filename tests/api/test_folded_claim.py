"""A claim that travels with a settle: one round trip a task, or a batch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api
from tests.support.http_client import Response

WAYS_TO_SETTLE = ("complete", "fail", "settle")


@pytest.fixture(params=WAYS_TO_SETTLE)
def call(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settle(api: Api, call: str, task_id: int, claim: Any, **holder: Any) -> Response:
    if call == "settle":
        outcome = {"id": task_id, "attempt": 1}
        return api.post("/tasks/settle", {"outcomes": [outcome], "claim": claim, **holder})
    return api.post(f"/tasks/{task_id}/{call}", {"claim": claim, **holder})


def test_the_next_task_comes_with_the_response(api: Api, call: str) -> None:
    task = api.claimed()
    following = api.create("job", {"n": 2})
    response = settle(api, call, task["id"], {}, worker_id="w1")
    assert response.status == 200
    assert [each["id"] for each in response.data["tasks"]] == [following["id"]]
    assert response.data["tasks"][0]["params"] == {"n": 2}
    assert response.data["tasks"][0]["attempts"] == 1
    assert api.task(following["id"])["claimed_by"] == "w1"
    assert api.task(task["id"])["status"] != "claimed"


def test_nothing_more_to_do(api: Api, call: str) -> None:
    task = api.claimed()
    response = settle(api, call, task["id"], {}, worker_id="w1")
    assert response.status == 200
    assert response.data["tasks"] == []


def test_no_claim_no_tasks(api: Api, call: str) -> None:
    task = api.claimed()
    api.create("job")
    assert "tasks" not in settle(api, call, task["id"], None, worker_id="w1").data


def test_every_claim_option_counts(api: Api, call: str) -> None:
    task = api.claimed()
    api.register("mail.send")
    ids = [api.create(name)["id"] for name in ("job", "mail.send", "mail.send", "mail.send")]
    options = {
        "type_pattern": "mail.%",
        "limit": 2,
        "lease": 5000,
        "sort_by": "id",
        "sort_order": "desc",
    }
    tasks = settle(api, call, task["id"], options, worker_id="w1").data["tasks"]
    assert [each["id"] for each in tasks] == [ids[3], ids[2]]
    assert all(each["lease_expires_at"] > task["lease_expires_at"] for each in tasks)


def test_a_worker_of_its_own(api: Api, call: str) -> None:
    task = api.claimed()
    following = api.create("job")
    response = settle(api, call, task["id"], {"worker_id": "w2"}, worker_id="w1")
    assert response.data["tasks"][0]["id"] == following["id"]
    assert api.task(following["id"])["claimed_by"] == "w2"


def test_somebody_has_to_claim(api: Api, call: str) -> None:
    task = api.claimed()
    api.create("job")
    with api.unchanged():
        response = settle(api, call, task["id"], {})
    assert response.code == "validation_failed"
    assert response.paths == ["worker_id"]


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ({"limit": 0}, "claim.limit"),
        ({"limit": "5"}, "claim.limit"),
        ({"sort_by": "age"}, "claim.sort_by"),
        ({"lease": -1}, "claim.lease"),
        ({"worker_id": ""}, "claim.worker_id"),
        ("yes", "claim"),
        ([1], "claim"),
        (True, "claim"),
    ],
)
def test_a_bad_claim_settles_nothing(api: Api, call: str, claim: Any, path: str) -> None:
    task = api.claimed()
    api.create("job")
    with api.unchanged():
        response = settle(api, call, task["id"], claim, worker_id="w1")
    assert response.code == "validation_failed"
    assert response.paths == [path]


@pytest.mark.parametrize("call", ["complete", "fail"], indirect=True)
def test_a_refused_settle_claims_nothing(api: Api, call: str) -> None:
    task = api.claimed()
    api.create("job")
    with api.unchanged():
        assert settle(api, call, task["id"], {}, worker_id="w2").code == "not_owner"


def test_unknown_fields_are_named_with_their_place(api: Api, call: str) -> None:
    task = api.claimed()
    response = settle(api, call, task["id"], {"limitt": 5}, worker_id="w1")
    assert response.warnings == ["unknown field 'claim.limitt' was ignored"]


def test_an_unknown_type_is_warned_of(api: Api, call: str) -> None:
    task = api.claimed()
    response = settle(api, call, task["id"], {"task_types": ["tpyo"]}, worker_id="w1")
    assert response.data["tasks"] == []
    assert len(response.warnings) == 1
    assert "'tpyo'" in response.warnings[0]


def test_the_claim_takes_back_what_has_expired(api: Api, call: str) -> None:
    expired = api.claimed(worker_id="gone")
    task = api.claimed()
    api.make_due(expired["id"])
    response = settle(api, call, task["id"], {}, worker_id="w1")
    assert [each["id"] for each in response.data["tasks"]] == [expired["id"]]
    assert response.data["tasks"][0]["attempts"] == 2


def test_an_empty_list_stands_for_an_empty_object(api: Api, call: str) -> None:
    task = api.claimed()
    following = api.create("job")
    response = settle(api, call, task["id"], [], worker_id="w1")
    assert [each["id"] for each in response.data["tasks"]] == [following["id"]]
