"""What is sent again, at once or much later, gets the first response and changes nothing more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.db.connection import Connection
from app.errors import ConnectionLost
from app.queue import last_seen, repeated_claims
from app.queue.change_id import claim_id_of
from tests.api.caller import Api
from tests.support.http_client import Response
from tests.support.mariadb import MariaDB
from tests.support.net import wait_until

HOLDER = {"worker_id": "w1", "attempt": 1}
TIMES = 4

SETTLES: dict[str, tuple[str, dict[str, Any]]] = {
    "complete": ("complete", {"result": 1}),
    "fail": ("fail", {"error": "e", "delay": 500}),
    "fail for good": ("fail", {"error": "e", "retry": False}),
    "fail at once": ("fail", {"error": "e", "delay": 0}),
    "release": ("release", {}),
    "release for later": ("release", {"delay": 500}),
    "heartbeat": ("heartbeat", {"lease": 500}),
    "progress": ("progress", {"progress": 50, "message": "half way"}),
}


def at_once(send: Callable[[], Response]) -> list[Response]:
    """The responses to calls that begin together."""
    barrier = threading.Barrier(TIMES)
    responses: list[Response] = []

    def run() -> None:
        barrier.wait()
        responses.append(send())

    threads = [threading.Thread(target=run) for _ in range(TIMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return responses


def moving(data: dict[str, Any]) -> dict[str, Any]:
    """What each response to a heartbeat tells of its own moment."""
    return {name: value for name, value in data.items() if name != "lease_expires_at"}


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", SETTLES)
def test_a_settle_several_times_at_once(api: Api, name: str) -> None:
    task = api.claimed(worker_id="w1")
    path, body = SETTLES[name]
    responses = at_once(lambda: api.post(f"/tasks/{task['id']}/{path}", {**HOLDER, **body}))
    assert [response.status for response in responses] == [200] * TIMES
    assert [moving(response.data) for response in responses] == [moving(responses[0].data)] * TIMES
    changes = 2 if path in ("heartbeat", "progress") else 3
    assert len(api.history(task["id"])) == changes


@pytest.mark.parametrize("name", ["complete", "fail", "release"])
def test_a_batch_several_times_at_once(api: Api, name: str) -> None:
    api.register("job")
    ids = [api.create("job")["id"] for _ in range(10)]
    api.claim("w1", limit=10)
    own: dict[str, dict[str, Any]] = {
        "complete": {},
        "fail": {"success": False, "delay": 500},
        "release": {"release": True},
    }
    outcomes = [{"id": each, "attempt": 1, **own[name]} for each in ids]
    body = {"worker_id": "w1", "outcomes": outcomes}
    responses = at_once(lambda: api.post("/tasks/settle", body))
    assert [response.data for response in responses] == [responses[0].data] * TIMES
    assert not any("code" in each for each in responses[0].data["settled"])
    assert [len(api.history(each)) for each in ids] == [3] * 10


@pytest.mark.parametrize("name", ["complete", "fail at once", "release"])
@pytest.mark.parametrize("holder", [HOLDER, {"attempt": 1}], ids=["both", "attempt"])
def test_a_settle_again_when_others_have_gone_on(api: Api, name: str, holder: Any) -> None:
    """The task was claimed by another since, or brought back by a person."""
    task = api.claimed(worker_id="w1")
    path, body = SETTLES[name]
    address = f"/tasks/{task['id']}/{path}"
    first = api.post(address, {**holder, **body})
    if name == "complete":
        assert api.post(f"/tasks/{task['id']}/delete").status == 200
        assert api.post(address, {**holder, **body}).code == "not_found"
        return
    assert api.claim("w2")["attempts"] == 2
    with api.unchanged():
        again = api.post(address, {**holder, **body})
    assert again.status == 200
    assert again.data["status"] == first.data["status"]
    assert again.data.get("will_retry") == first.data.get("will_retry")


def test_another_outcome_is_no_repeat(api: Api) -> None:
    task = api.claimed(worker_id="w1")
    api.post(f"/tasks/{task['id']}/fail", {**HOLDER, "delay": 0})
    api.claim("w2")
    with api.unchanged():
        for other in ("complete", "release", "heartbeat"):
            assert api.post(f"/tasks/{task['id']}/{other}", HOLDER).code == "lease_lost"


def test_a_failure_whose_worker_said_released(api: Api) -> None:
    task = api.claimed(worker_id="w1")
    api.post(f"/tasks/{task['id']}/fail", {**HOLDER, "error": "released", "delay": 0})
    api.claim("w2")
    with api.unchanged():
        assert api.post(f"/tasks/{task['id']}/release", HOLDER).code == "lease_lost"


def test_without_history_the_last_attempt_is_known(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.site.settings, "enable_task_history", False)
    for path in ("complete", "fail", "release"):
        task = api.claimed(worker_id="w1")
        first = api.post(f"/tasks/{task['id']}/{path}", HOLDER)
        with api.unchanged():
            assert api.post(f"/tasks/{task['id']}/{path}", HOLDER).data == first.data
        api.clear()


@pytest.mark.parametrize("has_history", [True, False])
@pytest.mark.parametrize("path", ["complete", "fail"])
@pytest.mark.parametrize(
    "holder", [HOLDER, {"worker_id": "w1"}, {"attempt": 1}], ids=["both", "worker", "attempt"]
)
def test_a_settle_from_before_the_upgrade(
    api: Api, monkeypatch: pytest.MonkeyPatch, holder: Any, path: str, has_history: bool
) -> None:
    """The first version of the tables did not note how an attempt ended."""
    monkeypatch.setattr(api.site.settings, "enable_task_history", has_history)
    task = api.claimed(worker_id="w1")
    first = api.post(f"/tasks/{task['id']}/{path}", holder)
    api.sql("UPDATE tasks SET last_outcome = NULL")
    with api.unchanged():
        assert api.post(f"/tasks/{task['id']}/{path}", holder).data == first.data
        other = "fail" if path == "complete" else "complete"
        assert api.post(f"/tasks/{task['id']}/{other}", holder).code == "not_claimed"
        assert api.post(f"/tasks/{task['id']}/release", holder).code == "not_claimed"


@pytest.mark.parametrize("path", ["complete", "fail", "release"])
@pytest.mark.parametrize("holder", [HOLDER, {}], ids=["both", "neither"])
def test_a_settle_that_runs_again_because_its_response_was_lost(
    api: Api, monkeypatch: pytest.MonkeyPatch, path: str, holder: Any
) -> None:
    """It knows its own change, whoever sent it."""
    task = api.claimed(worker_id="w1")
    finish = Connection._finish
    cuts: list[int] = []

    def finish_and_cut(self: Connection, *arguments: Any) -> Any:
        results = finish(self, *arguments)
        if not cuts:
            cuts.append(1)
            raise ConnectionLost("cut")
        return results

    monkeypatch.setattr(Connection, "_finish", finish_and_cut)
    response = api.post(f"/tasks/{task['id']}/{path}", holder)
    assert (response.status, cuts) == (200, [1])
    assert response.data["status"] == ("completed" if path == "complete" else "pending")
    assert len(api.history(task["id"])) == 3


def take(api: Api, **options: Any) -> Response:
    return api.post("/tasks/claim", {"worker_id": "w1", "limit": 3, "claim_key": "k1", **options})


def ids(response: Response) -> list[int]:
    return [task["id"] for task in response.data["tasks"]]


@pytest.fixture
def twenty(api: Api) -> list[int]:
    api.register("job")
    return [api.create("job")["id"] for _ in range(20)]


def held(api: Api) -> list[int]:
    rows = api.sql("SELECT id FROM tasks WHERE status = 'claimed' ORDER BY id")
    return [row["id"] for row in rows]


def lines_of_claims(api: Api) -> int:
    sql = "SELECT COUNT(*) AS total FROM task_history WHERE status = 'claimed'"
    return int(api.sql(sql)[0]["total"])


def test_a_repeated_claim_several_times_at_once(api: Api, twenty: list[int]) -> None:
    responses = at_once(lambda: take(api, again=True))
    assert [ids(response) for response in responses] == [ids(responses[0])] * TIMES
    assert sorted(ids(responses[0])) == held(api)
    assert len(held(api)) == 3
    assert lines_of_claims(api) == 3


def test_a_claim_and_its_repeats_at_once(api: Api, twenty: list[int]) -> None:
    turns = iter([False, True, True, True])
    responses = at_once(lambda: take(api, again=next(turns)))
    assert [ids(response) for response in responses] == [ids(responses[0])] * TIMES
    assert sorted(ids(responses[0])) == held(api)
    assert lines_of_claims(api) == 3


def test_one_key_for_several_claims_at_once(api: Api, twenty: list[int]) -> None:
    """Without `again` they are different claims: no task goes to two of them."""
    responses = at_once(lambda: take(api))
    taken = [each for response in responses for each in ids(response)]
    assert sorted(taken) == held(api)
    assert lines_of_claims(api) == len(taken)


def test_a_first_sending_that_comes_after_its_repeat(api: Api, twenty: list[int]) -> None:
    """Nobody waits for its response any more, so it must not take tasks of its own."""
    repeat = take(api, again=True)
    assert ids(take(api)) == ids(repeat)
    assert sorted(ids(repeat)) == held(api)
    assert lines_of_claims(api) == 3


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_both_are_the_first_that_is_heard_of_their_worker(
    api: Api, twenty: list[int], mariadb: MariaDB
) -> None:
    """The first sending sees no row of its worker, waits for the repeat to make one, and must
    leave in it what the repeat wrote.
    """
    sql = api.site.db.dialect
    first: list[Response] = []
    late = threading.Thread(target=lambda: first.append(take(api)))

    def repeat(connection: Connection) -> None:
        claim_id = claim_id_of("w1", "k1")
        connection.begin(repeated_claims.take_turn(sql, "w1", claim_id, 1))
        late.start()
        wait_for_its_lock(mariadb)
        connection.commit(
            [
                (
                    f"UPDATE tasks SET status = 'claimed', claimed_by = 'w1', attempts = 1, "
                    f"lease = 60, due_at = {sql.after('60')}, claim_id = :claim_id WHERE id = :id",
                    {"claim_id": claim_id, "id": twenty[0]},
                )
            ]
        )

    api.site.db.run(repeat)
    late.join()
    assert ids(first[0]) == [twenty[0]]


def wait_for_its_lock(mariadb: MariaDB) -> None:
    look = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    wait_until(lambda: "1" in mariadb.client(look), 4, "the claim comes to a row that is locked")


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_registration_and_the_first_claim_at_once(
    api: Api, twenty: list[int], mariadb: MariaDB
) -> None:
    late = threading.Thread(target=lambda: take(api))
    sql = api.site.db.dialect

    def register(connection: Connection) -> None:
        told: tuple[str, dict[str, Any]] = ("UPDATE workers SET host = 'h1' WHERE id = 'w1'", {})
        connection.begin([last_seen.make_known(sql, "w1"), told])
        late.start()
        wait_for_its_lock(mariadb)
        connection.commit([])

    api.site.db.run(register)
    late.join()
    assert api.get("/workers/w1").data["host"] == "h1"


def test_a_repeat_while_nothing_is_there(api: Api) -> None:
    api.register("job")
    assert ids(take(api, again=True)) == []
    assert ids(take(api, again=True)) == []
    task = api.create("job")
    assert ids(take(api, again=True)) == [task["id"]]


def test_creates_several_times_at_once(api: Api) -> None:
    api.register("job")
    body = {"type": "job", "params": {"n": 1}}
    responses = at_once(lambda: api.post("/tasks", body))
    assert sorted(response.status for response in responses) == [200] * (TIMES - 1) + [201]
    assert len({response.data["id"] for response in responses}) == 1
    assert len(api.history(responses[0].data["id"])) == 1


def test_types_and_workers_several_times_at_once(api: Api) -> None:
    body = {"name": "job", "version": "1", "param_schema": True}
    responses = at_once(lambda: api.post("/task-types/register", body))
    assert {response.status for response in responses} <= {200, 201}
    assert len({response.data["id"] for response in responses}) == 1
    responses = at_once(lambda: api.post("/workers/register", {"worker_id": "w9", "host": "h"}))
    assert [response.status for response in responses] == [200] * TIMES
    responses = at_once(lambda: api.post("/workers/w9/heartbeat"))
    assert [response.status for response in responses] == [200] * TIMES
    responses = at_once(lambda: api.post("/workers/w9/deregister"))
    assert [response.status for response in responses] == [200] * TIMES


def test_leaving_several_times_at_once(api: Api, twenty: list[int]) -> None:
    taken = [task["id"] for task in api.claim("w1", limit=10)]
    responses = at_once(lambda: api.post("/workers/w1/deregister"))
    assert sum(response.data["released"] for response in responses) == 10
    assert held(api) == []
    assert [len(api.history(each)) for each in taken] == [3] * 10
