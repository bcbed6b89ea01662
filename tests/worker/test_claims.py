"""Which tasks a worker claims, and with how many calls."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import HttpProxy
from tests.worker.support import Queue, Workers

ECHO = """
@task("t.echo")
def echo(params):
    return params
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_only_types_with_a_handler_are_claimed(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    queue.register("t.echo")
    queue.register("t.other")
    other, mine = queue.create("t.other"), queue.create("t.echo")
    assert workers.run("--until-empty")[0] == 0
    assert queue.statuses([mine, other]) == ["completed", "pending"]
    assert queue.task(other)["attempts"] == 0


def test_task_types_narrow_what_is_claimed(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO + ECHO.replace("t.echo", "t.two"))
    queue.register("t.echo")
    queue.register("t.two")
    one, two = queue.create("t.echo"), queue.create("t.two")
    assert workers.run("--until-empty", "--task-types", " t.two ,")[0] == 0
    assert queue.statuses([one, two]) == ["pending", "completed"]


def test_a_pattern_that_no_handler_fits_is_told(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    for pattern, is_told in (("t,%", True), ("T.e_h%", False), (r"t\_%", False)):
        code, output = workers.run("--until-empty", "--type-pattern", pattern)
        assert code == 0
        assert ("no handler is for a task type like" in output) is is_told, pattern


def test_a_pattern_leaves_what_has_no_handler_to_others(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    queue.register("t.echo")
    queue.register("t.foreign")
    foreign, mine = queue.create("t.foreign", priority=5), queue.create("t.echo")
    code, output = workers.run("--until-empty", TASK_TYPE_PATTERN="t.%")
    assert code == 0
    assert "no handler for t.foreign" in output
    assert "claimed 2, completed 1, failed 0, released 1, lost 0" in output
    released = queue.task(foreign)
    assert (released["status"], queue.attempts_left(foreign)) == ("pending", 3)
    assert released["run_at"] is not None
    assert queue.task(mine)["status"] == "completed"


def test_a_type_that_the_server_does_not_know_is_told(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run("--until-empty")
    assert code == 0
    assert "the server says: no task type is named 't.echo'" in output


def test_a_busy_worker_makes_one_round_trip_a_batch(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    queue.register("t.echo")
    ids = queue.create_many("t.echo", 40)
    with HttpProxy(queue.url) as proxy:
        assert workers.run("--until-empty", "--batch", "20", url=proxy.url)[0] == 0
        requests = proxy.paths
    assert queue.statuses(ids) == ["completed"] * 40
    # One claim by itself; then each report claims what keeps the worker busy.
    trips = [path for path in requests if path.startswith("/api/tasks/")]
    assert trips[0] == "/api/tasks/claim"
    assert set(trips[1:]) == {"/api/tasks/settle"}
    assert len(trips) <= 7
