"""A server, or a network, in trouble: nothing lost, nothing settled twice."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import Fault, HttpProxy, ProxiedCall
from tests.worker.support import Queue, Workers

COUNTED = """
@task("t.count")
def f(params, job):
    with open("runs", "a") as file:
        file.write(f"{job.id}\\n")
    return params["number"]
"""
QUICK = ("--poll-interval", "0.1")

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def on_settles(fault: str, *numbers: int) -> Fault:
    """This fault for the settles with these numbers, counted from 1."""
    return lambda proxy, call: (
        fault if call.path.endswith("/settle") and proxy.count("/settle") + 1 in numbers else "pass"
    )


def after_health(fault: str) -> Fault:
    return lambda _proxy, call: "pass" if call.path.endswith("/health") else fault


def runs(workers: Workers) -> list[int]:
    return [int(line) for line in (workers.folder / "runs").read_text().split()]


@pytest.mark.parametrize(
    ("fault", "settles"),
    [
        # The first broken connection is tried again at once.
        *[("refuse", (1, 2, 4)), ("drop", (1, 2, 4))],
        *[("page", (1, 2)), ("status:503", (1, 3)), ("status:429", (1, 3))],
    ],
)
def test_reports_survive_trouble(
    queue: Queue, workers: Workers, fault: str, settles: tuple[int, ...]
) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count", timeout=5)
    ids = queue.create_many("t.count", 10)
    with HttpProxy(queue.url, on_settles(fault, *settles)) as proxy:
        code, output = workers.run("--max-runs", "10", "--batch", "4", *QUICK, url=proxy.url)
        assert proxy.faults == [fault] * len(settles)
    assert code == 0
    assert "completed 10, failed 0, released 0, lost 0" in output
    assert queue.statuses(ids) == ["completed"] * 10
    assert sorted(runs(workers)) == ids
    assert [queue.task(each)["result"] for each in ids] == list(range(10))
    assert [queue.changes(each, "completed") for each in ids] == [1] * 10


def test_so_many_failures_in_a_row_end_with_1(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count")
    with HttpProxy(queue.url, after_health("page")) as proxy:
        code, output = workers.run("--max-errors", "4", *QUICK, url=proxy.url)
        assert proxy.count("/claim") == 4
    assert code == 1
    for wait in ("1 second", "2 seconds", "4 seconds"):
        assert f"trying again in {wait}\n" in output
    assert "answered HTTP 502 with something that is not TaskManager's JSON" in output


def test_a_success_in_between_starts_the_count_again(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count")
    ids = queue.create_many("t.count", 6)
    with HttpProxy(queue.url, on_settles("page", 1, 3, 5)) as proxy:
        options = ("--max-runs", "6", "--batch", "2", "--max-errors", "2")
        code, _ = workers.run(*options, *QUICK, url=proxy.url)
        assert len(proxy.faults) == 3
    assert code == 0
    assert queue.statuses(ids) == ["completed"] * 6
    assert sorted(runs(workers)) == ids


def test_a_key_withdrawn_in_the_middle_ends_with_3(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count")
    queue.create_many("t.count", 3)
    with HttpProxy(queue.url, on_settles("status:401", *range(1, 100))) as proxy:
        code, output = workers.run(*QUICK, url=proxy.url)
    assert code == 3
    assert "ERROR not now" in output


@pytest.mark.parametrize("fault", ["refuse", "drop"])
def test_one_broken_connection_is_no_trouble(queue: Queue, workers: Workers, fault: str) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count")
    ids = queue.create_many("t.count", 2)
    # An hour's pause would come after anything that counts as trouble.
    with HttpProxy(queue.url, on_settles(fault, 1)) as proxy:
        options = ("--max-runs", "2", "--batch", "2", "--poll-interval", "3600")
        assert workers.run(*options, url=proxy.url)[0] == 0
        assert proxy.faults == [fault]
    assert queue.statuses(ids) == ["completed"] * 2
    assert sorted(runs(workers)) == ids


def test_an_answer_in_trouble_may_say_how_long_to_wait(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count")
    task_id = queue.create("t.count", {"number": 1})
    with HttpProxy(queue.url, on_settles("status:503", 1)) as proxy:
        options = ("--max-runs", "1", "--poll-interval", "3600")
        code, output = workers.run(*options, url=proxy.url)
    assert code == 0
    assert "trying again in 2 seconds" in output
    assert queue.task(task_id)["status"] == "completed"


def test_reports_that_are_refused_for_ever_are_dropped(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(COUNTED)
    queue.register("t.count")
    ids = queue.create_many("t.count", 2)
    with HttpProxy(queue.url, on_settles("status:400", *range(1, 100))) as proxy:
        code, output = workers.run("--until-empty", url=proxy.url)
        # With a claim, both, then each alone with its result and with the refusal of it.
        assert len(proxy.faults) == 6
    assert code == 0
    assert "claimed 2, completed 0, failed 0, released 0, lost 2" in output
    assert "the server takes no report of it: not now" in output
    assert queue.statuses(ids) == ["claimed"] * 2


@pytest.mark.parametrize("drops", [1, 3])
def test_tasks_of_a_lost_answer_are_handed_out_again(
    queue: Queue, workers: Workers, drops: int
) -> None:
    """At once, and not when their leases end; and the attempt is the first still."""
    workers.write_handlers(COUNTED)
    queue.register("t.count", timeout=3000, max_attempts=1)
    ids = queue.create_many("t.count", 6)

    def fault(proxy: HttpProxy, call: ProxiedCall) -> str:
        claims = call.path.endswith(("/claim", "/settle"))
        return "drop" if claims and len(proxy.faults) < drops else "pass"

    with HttpProxy(queue.url, fault) as proxy:
        options = ("--until-empty", "--batch", "4", *QUICK)
        code, output = workers.run(*options, url=proxy.url)
        assert proxy.faults == ["drop"] * drops
    assert code == 0
    assert "completed 6, failed 0, released 0, lost 0" in output
    assert queue.statuses(ids) == ["completed"] * 6
    assert [queue.task(each)["attempts"] for each in ids] == [1] * 6
    assert sorted(runs(workers)) == ids
