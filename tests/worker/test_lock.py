"""--lock: of workers that would overlap, the second one does nothing."""

from __future__ import annotations

import pytest

from tests.worker.support import SECONDS, Queue, Workers, finish

HOLD = """
@task('t.hold')
def f(params):
    open(f"began-{params['number']}", 'w').close()
    while not os.path.exists('open'):
        time.sleep(0.02)
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.mark.parametrize("lock", [("--lock",), ("--lock", "my.lock")], ids=["auto", "path"])
def test_a_second_worker_ends_at_once_and_in_silence(
    queue: Queue, workers: Workers, lock: tuple[str, ...]
) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold", timeout=2)
    running, waiting = queue.create_many("t.hold", 2)
    first = workers.start("--batch", "1", "--until-empty", *lock)
    workers.wait_for_file("began-0")
    assert workers.run("--until-empty", *lock) == (0, "")
    assert queue.task(waiting)["status"] == "pending"
    # A killed process cannot keep its lock; the task comes back when its lease has ended.
    first.kill()
    first.wait(SECONDS)
    workers.make_file("open")
    third = workers.start("--max-runs", "2", "--poll-interval", "0.1", *lock)
    code, output = finish(third)
    assert code == 0
    assert "completed 2" in output
    assert queue.statuses([running, waiting]) == ["completed"] * 2


def test_another_kind_of_worker_is_not_locked_out(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    other = "from worker import task\n@task('t.other')\ndef f(params):\n    return 1\n"
    (workers.folder / "other.py").write_text(other)
    queue.register("t.hold")
    queue.register("t.other")
    queue.create("t.hold", {"number": 0})
    task_id = queue.create("t.other")
    first = workers.start("--until-empty", LOCK="auto")
    workers.wait_for_file("began-0")
    assert workers.run("--until-empty", "--handlers", "other.py", LOCK="auto")[0] == 0
    assert queue.task(task_id)["status"] == "completed"
    workers.make_file("open")
    assert finish(first)[0] == 0


def test_a_lock_that_cannot_be_made_ends_with_2(workers: Workers) -> None:
    workers.write_handlers(HOLD)
    code, output = workers.run("--lock", "/nowhere/worker.lock")
    assert code == 2
    assert "the lock file /nowhere/worker.lock cannot be written" in output
    assert "Traceback" not in output
