"""An idle worker asks less and less often, and is awake at once when there is work."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import HttpProxy
from tests.worker.support import Queue, Workers, finish, read_until

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_polls_slow_down_and_begin_again_after_work(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.one")
        def f(params):
            return 1
        """
    )
    queue.register("t.one")
    with HttpProxy(queue.url) as proxy:
        options = ("--debug", "--poll-interval", "0.1", "--max-poll-interval", "0.5")
        worker = workers.start(*options, url=proxy.url)

        def pauses(count: int) -> list[str]:
            lines = [read_until(worker, "asking again in") for _ in range(count)]
            return [line.split()[-2] for line in lines]

        assert pauses(5) == ["0.1", "0.2", "0.4", "0.5", "0.5"]
        task_id = queue.create("t.one")
        queue.wait_for(task_id, "completed")
        read_until(worker, f"task {task_id} t.one")
        assert pauses(3) == ["0.1", "0.2", "0.4"]
        worker.terminate()
        code, output = finish(worker)
        # A pause after each call that brought nothing; one brought the task.
        asked = proxy.count("/claim", "/settle")
    assert (code, asked) == (0, 5 + 3 + output.count("asking again in") + 1)


def test_a_longest_pause_below_the_first_changes_nothing(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.one")
        def f(params):
            return 1
        """
    )
    queue.register("t.one")
    env = {"POLLING_INTERVAL": "0.2", "MAX_POLL_INTERVAL": "0.1", "DEBUG": "1"}
    worker = workers.start(**env)
    for _ in range(3):
        assert "asking again in 0.2 seconds" in read_until(worker, "asking again in")
    worker.terminate()
    assert finish(worker)[0] == 0
