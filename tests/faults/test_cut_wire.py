"""The wire to the database is cut in the middle of a call: before the database got its change, or
after it was done and before the response came back. Nothing is done twice, and what the caller
hears is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.calls import create_plain, history, post, register, task
from tests.support.database import empty, mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy

CHANGES = "COMMIT"

both_cuts = pytest.mark.parametrize("cut", ["cut_before", "cut_after"])


@pytest.fixture(scope="module")
def wire(mariadb: DatabaseServer) -> Iterator[TcpProxy]:
    with TcpProxy(mariadb.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def shared_web(mariadb: DatabaseServer, wire: TcpProxy) -> Iterator[Server]:
    address = wire.through(mariadb_with_tables(mariadb, "tm_wire"))
    with Server({"DATABASE_URL": address, "RETRY_DELAY": 600}, 1, 1) as running:
        yield running


@pytest.fixture
def web(shared_web: Server) -> Server:
    empty(shared_web.database_url)
    register(shared_web, "plain")
    register(shared_web, "undeduplicated", dedupe=False)
    return shared_web


class Cut:
    """Arms the wire for the next call and makes that call."""

    def __init__(self, web: Server, wire: TcpProxy, cut: str) -> None:
        self._web, self._wire = web, wire
        self._arm = getattr(wire, cut)
        self.is_after = cut == "cut_after"

    def post(
        self,
        path: str,
        body: Any,
        marker: str = CHANGES,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        self._arm(marker)
        status, response = self._web.call("POST", path, body, headers)
        assert self._wire.cuts == 1, "the call sent nothing that was cut"
        return status, response.get("data")


@pytest.fixture
def cut_call(web: Server, wire: TcpProxy, cut: str) -> Cut:
    return Cut(web, wire, cut)


@pytest.fixture
def claimed(web: Server) -> int:
    (task_id,) = create_plain(web, 1)
    post(web, "/tasks/claim", {"worker_id": "w"})
    return task_id


OWN = {"worker_id": "w", "attempt": 1}


@both_cuts
@pytest.mark.parametrize(
    "task",
    [
        {"type": "plain", "params": {"n": 1}},
        {"type": "plain", "params": {"n": 1}, "dedupe": "active"},
        {"type": "plain", "params": {"n": 1}, "dedupe_key": "own"},
    ],
    ids=str,
)
def test_create_is_repeated_and_makes_one_task(
    web: Server, cut_call: Cut, task: dict[str, Any]
) -> None:
    status, data = cut_call.post("/tasks", task)
    assert status == (200 if cut_call.is_after else 201)
    assert all_ids(web) == [data["id"]]


@both_cuts
@pytest.mark.parametrize(
    "body",
    [
        {"type": "plain", "params": {"n": 1}, "dedupe": False},
        {"type": "undeduplicated", "params": {"n": 1}},
        {
            "tasks": [
                {"type": "plain", "params": {"n": 1}},
                {"type": "undeduplicated", "params": {"n": 1}},
            ]
        },
    ],
    ids=["task", "type", "batch"],
)
def test_create_without_deduplication_is_never_done_twice(
    web: Server, cut_call: Cut, body: dict[str, Any]
) -> None:
    status, _ = cut_call.post("/tasks", body)
    wanted = len(body.get("tasks", [body]))
    if cut_call.is_after:
        assert len(all_ids(web)) == wanted
        assert status in (201, 503)
    else:
        assert (status, len(all_ids(web))) in ((201, wanted), (503, 0))


@both_cuts
@pytest.mark.parametrize("marker", ["COMMIT", "INSERT INTO tasks"])
def test_create_with_an_idempotency_key(web: Server, cut_call: Cut, marker: str) -> None:
    """It needs no other key to be done once, and says the same when it is sent again."""
    task = {"type": "undeduplicated", "params": {"n": 1}}
    headers = {"X-API-Key": web.api_key, "Idempotency-Key": "order-17"}
    status, data = cut_call.post("/tasks", {"tasks": [task, task]}, marker, headers)
    assert status == 201
    assert sorted(all_ids(web)) == [each["id"] for each in data["tasks"]]
    assert len(data["tasks"]) == 2
    status, response = web.call("POST", "/tasks", {"tasks": [task, task]}, headers)
    assert (status, response["data"]) == (201, data)


@both_cuts
def test_complete(web: Server, cut_call: Cut, claimed: int) -> None:
    status, data = cut_call.post(f"/tasks/{claimed}/complete", {**OWN, "result": {"x": 1}})
    assert (status, data["status"]) == (200, "completed")
    assert task(web, claimed)["result"] == {"x": 1}
    assert changes(web, claimed) == ["pending", "claimed", "completed"]


@both_cuts
def test_fail(web: Server, cut_call: Cut, claimed: int) -> None:
    status, data = cut_call.post(f"/tasks/{claimed}/fail", {**OWN, "error": "e"})
    assert (status, data["status"], data["will_retry"]) == (200, "pending", True)
    assert task(web, claimed)["attempts"] == 1
    assert changes(web, claimed) == ["pending", "claimed", "pending"]


@both_cuts
def test_settle_with_a_claim(web: Server, cut_call: Cut, claimed: int) -> None:
    (waiting,) = create_plain(web, 2)[1:]
    outcomes = [{"id": claimed, "attempt": 1, "success": True}]
    status, data = cut_call.post(
        "/tasks/settle", {"worker_id": "w", "outcomes": outcomes, "claim": {}}
    )
    assert (status, data["settled"][0]["status"]) == (200, "completed")
    assert [each["id"] for each in data["tasks"]] == [waiting]
    assert changes(web, claimed) == ["pending", "claimed", "completed"]


@both_cuts
def test_claim_hands_out_what_it_had_taken(web: Server, cut_call: Cut) -> None:
    """Taken before the cut or not: it is the same task, in its first attempt, and no other."""
    first, second = create_plain(web, 2)
    status, data = cut_call.post("/tasks/claim", {"worker_id": "w", "lease": 300})
    assert (status, data["id"], data["attempts"]) == (200, first, 1)
    assert (data["type"], data["lease"]) == (task(web, first)["type"], 300)
    assert changes(web, first) == ["pending", "claimed"]
    assert task(web, second)["status"] == "pending"


@both_cuts
def test_release(web: Server, cut_call: Cut, claimed: int) -> None:
    status, data = cut_call.post(f"/tasks/{claimed}/release", OWN)
    assert (status, data["status"]) == (200, "pending")
    assert task(web, claimed)["attempts"] == 1
    assert changes(web, claimed) == ["pending", "claimed", "pending"]


@both_cuts
@pytest.mark.parametrize(
    ("path", "body"), [("heartbeat", {}), ("progress", {"progress": 50})], ids=str
)
def test_keeping_a_claim(
    web: Server, cut_call: Cut, claimed: int, path: str, body: dict[str, Any]
) -> None:
    status, data = cut_call.post(f"/tasks/{claimed}/{path}", {**OWN, **body}, "UPDATE tasks")
    assert (status, data["id"]) == (200, claimed)


@both_cuts
@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("cancel", "pending", "cancelled"),
        ("retry", "cancelled", "pending"),
        ("delete", "pending", None),
    ],
)
def test_operating_on_a_task(
    web: Server, cut_call: Cut, action: str, before: str, after: str | None
) -> None:
    """200 when it is done; 503 when that is not known. Never a refusal because it was done."""
    (task_id,) = create_plain(web, 1)
    if before == "cancelled":
        post(web, f"/tasks/{task_id}/cancel", {})
    earlier = changes(web, task_id)
    status, _ = cut_call.post(f"/tasks/{task_id}/{action}", {})
    assert status in (200, 503)
    is_done = status == 200 or cut_call.is_after
    if is_done and after is None:
        assert all_ids(web) == []
    else:
        assert task(web, task_id)["status"] == (after if is_done else before)
        assert changes(web, task_id) == ([*earlier, after] if is_done else earlier)


@both_cuts
def test_register(web: Server, cut_call: Cut) -> None:
    body = {"name": "fresh", "version": "1", "param_schema": {}}
    status, data = cut_call.post("/task-types/register", body, "INSERT INTO task_types")
    assert (status, data["name"]) == (200 if cut_call.is_after else 201, "fresh")


@both_cuts
def test_reclaim(web: Server, wire: TcpProxy, cut_call: Cut) -> None:
    """The cut is in the transaction that takes an expired claim back."""
    (task_id,) = create_plain(web, 1)
    post(web, "/tasks/claim", {"worker_id": "dead", "lease": 0.1})
    while True:
        wire.cut_before("nothing has this text")
        getattr(wire, "cut_after" if cut_call.is_after else "cut_before")("lease expired")
        status, response = web.call("POST", "/tasks/claim", {"worker_id": "w"})
        if status != 404:
            break
    assert wire.cuts == 1
    assert (status, response["data"]["id"], response["data"]["attempts"]) == (200, task_id, 2)
    assert changes(web, task_id) == ["pending", "claimed", "pending", "claimed"]


def all_ids(web: Server) -> list[int]:
    status, response = web.call("GET", "/tasks?limit=100")
    assert status == 200
    return [each["id"] for each in response["data"]["tasks"]]


def changes(web: Server, task_id: int) -> list[str]:
    return [change["status"] for change in history(web, task_id)]
