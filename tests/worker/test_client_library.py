"""The client in somebody's own program: tasks made, found and waited for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.http_proxy import Fault, HttpProxy, ProxiedCall
from tests.worker.support import Queue
from worker import ApiError, Client, PermanentError, TaskFailed, WaitTimeout, Worker

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def client(queue: Queue) -> Client:
    queue.register("t.do")
    return Client(queue.url, queue.key)


def creates(fault: str, *numbers: int) -> Fault:
    """This fault for the creates with these numbers, counted from 1."""
    return lambda proxy, call: (
        fault if call.method == "POST" and proxy.count("/tasks") + 1 in numbers else "pass"
    )


def work(client: Client, handler: Any) -> None:
    Worker(client, {"t.do": handler}, until_empty=True).run()


def test_equal_tasks_are_made_once(queue: Queue, client: Client) -> None:
    first = client.create("t.do", {"a": 1, "b": 2})
    again = client.create("t.do", {"b": 2, "a": 1})
    other = client.create("t.do")
    assert (first["status"], again["id"]) == ("pending", first["id"])
    assert (first.get("deduplicated", False), again["deduplicated"]) == (False, True)
    assert {each["id"] for each in queue.of_type("t.do")} == {first["id"], other["id"]}
    assert queue.task(other["id"])["params"] == {}


def test_without_dedupe_each_call_makes_one(queue: Queue, client: Client) -> None:
    ids = {client.create("t.do", {"a": 1}, dedupe=False)["id"] for _ in range(3)}
    assert len(ids) == len(queue.of_type("t.do")) == 3


def test_options_reach_the_task(queue: Queue, client: Client) -> None:
    moment = datetime(2099, 5, 17, 8, 30, tzinfo=timezone(timedelta(hours=2)))
    made = client.create(
        "t.do",
        {"a": "žluťoučký 🐎"},
        **{"priority": 5, "run_at": moment, "max_attempts": 9, "tags": ["x y", "z"]},
        dedupe_key="my own",
    )
    task = queue.task(made["id"])
    assert task["params"] == {"a": "žluťoučký 🐎"}
    assert (task["priority"], task["max_attempts"], task["tags"]) == (5, 9, ["x y", "z"])
    assert task["run_at"] == "2099-05-17T06:30:00.000Z"
    assert client.create("t.do", {"b": 2}, dedupe_key="my own")["id"] == made["id"]


def test_more_than_a_thousand_go_in_several_calls(queue: Queue, client: Client) -> None:
    with HttpProxy(queue.url) as proxy:
        drafts = ({"type": "t.do", "params": {"n": n % 1100}, "priority": n} for n in range(1200))
        made = Client(proxy.url, queue.key).create_many(drafts)
        assert [len(body["tasks"]) for body in proxy.bodies("/tasks")] == [1000, 200]
    assert [each["deduplicated"] for each in made] == [False] * 1100 + [True] * 100
    assert [each["id"] for each in made[1100:]] == [each["id"] for each in made[:100]]
    some = [queue.task(made[number]["id"]) for number in (0, 999, 1000, 1099)]
    assert [each["params"]["n"] for each in some] == [0, 999, 1000, 1099]
    # Lists go from page to page, newest first.
    everything = [each["id"] for each in client.list(type="t.do")]
    assert everything == sorted((each["id"] for each in made[:1100]), reverse=True)


def test_one_wrong_task_of_many_stops_its_call(queue: Queue, client: Client) -> None:
    drafts = [{"type": name, "params": {}} for name in ("t.do", "t.nothing")]
    with pytest.raises(ApiError, match="nothing"):
        client.create_many(drafts)
    assert queue.of_type("t.do") == []
    assert client.create_many([]) == []


def test_lists_are_filtered(queue: Queue, client: Client) -> None:
    queue.register("u & v")
    a, b, c = (
        client.create(name, {"tags": tags}, tags=tags)["id"]
        for name, tags in (("t.do", ["red"]), ("t.do", ["r&d"]), ("u & v", []))
    )
    work(client, lambda params: 1)
    ids = [
        [each["id"] for each in client.list(**filters)]
        for filters in (
            *({}, {"type": "u & v"}, {"type": "t.%"}, {"tag": "r&d"}, {"status": "completed"}),
            *({"limit": 1}, {"created_after": datetime.now(timezone.utc) + timedelta(days=1)}),
        )
    ]
    assert ids == [[c, b, a], [c], [b, a], [b], [b, a], [c, b, a], []]


def test_types_are_made_and_updated(client: Client) -> None:
    schema = {"type": "object", "required": ["to"]}
    made = client.register_type("t.mail", schema, "2", max_attempts=7)
    assert (made["name"], made["created"]) == ("t.mail", True)
    assert client.register_type("t.mail", schema, "3")["updated"] is True
    with pytest.raises(ApiError) as caught:
        client.create("t.mail", {"from": "me"})
    assert (caught.value.status, caught.value.code) == (400, "validation_failed")
    assert caught.value.details[0]["path"].startswith("params")
    assert client.get(client.create("t.mail", {"to": "you"})["id"])["max_attempts"] == 7


def test_waiting_brings_the_completed_task(client: Client) -> None:
    task_id = client.create("t.do", {"n": 20})["id"]
    worker = Worker(client, {"t.do": lambda params: params["n"] + 1}, until_empty=True)
    worker.start()
    done = client.wait(task_id)
    assert (done["status"], done["result"]) == ("completed", 21)
    assert worker.wait()


def test_waiting_for_what_failed_raises_it(client: Client) -> None:
    def handler(params: Any) -> None:
        raise PermanentError("no such customer")

    failed = client.create("t.do", {"n": 1})["id"]
    work(client, handler)
    with pytest.raises(TaskFailed, match=rf"task {failed} t\.do is failed: no such cust") as caught:
        client.wait(failed)
    assert caught.value.task["attempts"] == 1


def test_waiting_has_an_end(client: Client) -> None:
    task_id = client.create("t.do")["id"]
    with pytest.raises(WaitTimeout, match=rf"task {task_id} is still pending after 0\.3 s") as late:
        client.wait(task_id, timeout=0.3)
    assert late.value.task["id"] == task_id


def test_tasks_are_cancelled_and_tried_again(queue: Queue, client: Client) -> None:
    task_id = client.create("t.do")["id"]
    client.cancel(task_id)
    with pytest.raises(TaskFailed, match=rf"task {task_id} t\.do is cancelled: "):
        client.wait(task_id)
    assert client.retry(task_id)["status"] == "pending"
    work(client, lambda params: "done")
    assert client.wait(task_id)["result"] == "done"
    with pytest.raises(ApiError) as caught:
        client.retry(task_id)
    assert caught.value.status == 409
    assert queue.changes(task_id, "cancelled") == 1


def test_what_is_not_there_is_told_and_not_asked_for_again(queue: Queue) -> None:
    with HttpProxy(queue.url) as proxy:
        with pytest.raises(ApiError) as caught:
            Client(proxy.url, queue.key).get(4711)
        assert (caught.value.status, caught.value.code) == (404, "not_found")
        assert len(proxy.calls()) == 1


@pytest.mark.parametrize("fault", ["drop", "refuse", "page", "status:503"])
@pytest.mark.usefixtures("client")
def test_trouble_makes_no_second_task(queue: Queue, fault: str) -> None:
    with HttpProxy(queue.url, creates(fault, 1, 3)) as proxy:
        shaky = Client(proxy.url, queue.key)
        one = shaky.create("t.do", {"n": 1})
        two = shaky.create("t.do", {"n": 1}, dedupe=False)
        many = shaky.create_many([{"type": "t.do", "params": {}, "dedupe": False}] * 2)
        assert proxy.faults == [fault] * 2
        assert proxy.count("/tasks") == 5
    ids = {one["id"], two["id"], *(each["id"] for each in many)}
    assert {each["id"] for each in queue.of_type("t.do")} == ids
    assert len(ids) == 4


@pytest.mark.parametrize("fault", ["drop", "page"])
def test_everything_else_is_asked_for_again(queue: Queue, client: Client, fault: str) -> None:
    task_id = client.create("t.do")["id"]

    def every_second(proxy: HttpProxy, _call: ProxiedCall) -> str:
        return "pass" if len(proxy.calls()) % 2 else fault

    with HttpProxy(queue.url, every_second) as proxy:
        shaky = Client(proxy.url, queue.key)
        assert shaky.register_type("t.more")["name"] == "t.more"
        assert shaky.get(task_id)["id"] == task_id
        assert [each["id"] for each in shaky.list()] == [task_id]
        assert proxy.faults == [fault] * 3


@pytest.mark.parametrize("fault", ["drop", "page", "status:504"])
@pytest.mark.usefixtures("client")
def test_an_active_one_is_not_asked_for_again_once_it_may_have_been_made(
    queue: Queue, fault: str
) -> None:
    with HttpProxy(queue.url, creates(fault, 1, 2)) as proxy:
        shaky = Client(proxy.url, queue.key)
        with pytest.raises(ApiError) as caught:
            shaky.create("t.do", {"n": 1}, dedupe="active")
        assert caught.value.temporary
        with pytest.raises(ApiError):
            shaky.create_many([{"type": "t.do", "params": {}, "dedupe": "active"}])
        assert proxy.faults == [fault] * 2


@pytest.mark.usefixtures("client")
def test_an_active_one_is_asked_for_again_when_the_server_did_nothing(queue: Queue) -> None:
    with HttpProxy(queue.url, creates("status:503", 1)) as proxy:
        made = Client(proxy.url, queue.key).create("t.do", {"n": 1}, dedupe="active")
        assert proxy.count("/tasks") == 2
    assert [each["id"] for each in queue.of_type("t.do")] == [made["id"]]


@pytest.mark.usefixtures("client")
def test_retries_have_an_end(queue: Queue) -> None:
    with HttpProxy(queue.url, lambda _proxy, _call: "page") as proxy:
        with pytest.raises(ApiError) as caught:
            Client(proxy.url, queue.key, retries=2).create("t.do")
        assert (caught.value.status, proxy.count("/tasks")) == (502, 3)
        with pytest.raises(ApiError):
            Client(proxy.url, queue.key, retries=0).get(1)
        assert proxy.count("/tasks/1") == 1
