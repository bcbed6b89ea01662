"""How a task ends on the server, whatever its handler does."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import HttpProxy
from tests.worker.support import Queue, Workers

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_task_that_fails_is_retried_to_its_completion(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.third")
        def f(params, job):
            if job.attempt < 3:
                raise OSError("not yet")
            return [job.attempt, job.max_attempts]
        """
    )
    queue.register("t.third", retry_delay=0.2, max_attempts=4)
    task_id = queue.create("t.third")
    assert workers.run("--max-runs", "3", "--poll-interval", "0.1")[0] == 0
    done = queue.task(task_id)
    assert (done["status"], done["attempts"], done["result"]) == ("completed", 3, [3, 4])
    assert queue.changes(task_id, "claimed") == 3


def test_attempts_used_up_end_as_failed(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.never")
        def f(params):
            raise OSError("never")
        """
    )
    queue.register("t.never", retry_delay=0.1, max_attempts=2)
    task_id = queue.create("t.never")
    assert workers.run("--max-runs", "2", "--poll-interval", "0.1")[0] == 0
    done = queue.task(task_id)
    assert (done["status"], done["attempts"]) == ("failed", 2)
    assert done["error_message"] == "OSError: never"
    assert "OSError: never" in done["error_traceback"]


def test_a_permanent_error_fails_at_once(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        class NoSuchCustomer(PermanentError):
            pass


        @task("t.permanent")
        def f(params):
            raise NoSuchCustomer("customer 7")
        """
    )
    queue.register("t.permanent", max_attempts=5)
    task_id = queue.create("t.permanent")
    assert workers.run("--until-empty")[0] == 0
    done = queue.task(task_id)
    assert (done["status"], done["attempts"]) == ("failed", 1)
    assert done["error_message"] == "customer 7"


def test_retry_later_waits_as_long_as_it_says(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.later")
        def f(params, job):
            if job.attempt == 1:
                raise RetryLater(params["delay"], "quota")
        """
    )
    queue.register("t.later", retry_delay=1000)
    soon = queue.create("t.later", {"delay": 0.2})
    late = queue.create("t.later", {"delay": 5000})
    assert workers.run("--max-runs", "3", "--poll-interval", "0.1")[0] == 0
    assert queue.task(soon)["status"] == "completed"
    waiting = queue.task(late)
    assert (waiting["status"], waiting["error_message"]) == ("pending", "quota")
    assert waiting["run_at"] > waiting["created_at"]


def test_a_handler_may_not_end_the_worker(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        import sys


        @task("t.exit")
        def f(params):
            if params["number"] == 0:
                sys.exit("no more")
        """
    )
    queue.register("t.exit")
    ids = queue.create_many("t.exit", 2)
    assert workers.run("--until-empty")[0] == 0
    assert queue.statuses(ids) == ["pending", "completed"]
    assert queue.task(ids[0])["error_message"] == "SystemExit: no more"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("object()", "is not JSON serializable. Return dicts, lists, text, numbers, True,"),
        ("'x' * 1_500_000", "HTTP 413"),
        ("nested(150)", "HTTP 400"),
    ],
    ids=["no JSON", "too large", "too deep"],
)
def test_a_result_that_cannot_be_kept_fails_its_task_alone(
    queue: Queue, workers: Workers, expression: str, reason: str
) -> None:
    workers.write_handlers(
        f"""
        def nested(depth):
            return [nested(depth - 1)] if depth else []


        @task("t.result")
        def f(params):
            return {expression} if params["number"] == 3 else "fine"
        """
    )
    queue.register("t.result")
    ids = queue.create_many("t.result", 8)
    code, output = workers.run("--until-empty")
    assert code == 0
    assert "claimed 8, completed 7, failed 1, released 0, lost 0" in output
    bad = queue.task(ids.pop(3))
    assert (bad["status"], bad["attempts"]) == ("failed", 1)
    assert reason in bad["error_message"]
    assert queue.statuses(ids) == ["completed"] * 7


def test_an_error_that_the_server_refuses_still_fails_its_task(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.far")
        def f(params):
            raise RetryLater(10**15)
        """
    )
    queue.register("t.far")
    task_id = queue.create("t.far")
    assert workers.run("--until-empty")[0] == 0
    done = queue.task(task_id)
    assert done["status"] == "failed"
    assert "refused this task's outcome (HTTP 400)" in done["error_message"]


def test_many_large_results_go_in_several_reports(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.large")
        def f(params):
            return "x" * 300_000
        """
    )
    queue.register("t.large")
    ids = queue.create_many("t.large", 8)
    with HttpProxy(queue.url) as proxy:
        assert workers.run("--until-empty", url=proxy.url)[0] == 0
        assert proxy.count("/settle") > 2
    assert queue.statuses(ids) == ["completed"] * 8
    assert {len(queue.task(each)["result"]) for each in ids} == {300_000}


def test_max_runs_is_exact(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.one")
        def f(params):
            return 1
        """
    )
    queue.register("t.one")
    ids = queue.create_many("t.one", 12)
    with HttpProxy(queue.url) as proxy:
        code, output = workers.run("--max-runs", "7", "--batch", "5", url=proxy.url)
        claims = proxy.bodies("/claim") + [
            body["claim"] for body in proxy.bodies("/settle") if "claim" in body
        ]
    assert code == 0
    assert "claimed 7, completed 7, failed 0, released 0, lost 0" in output
    assert [claim["limit"] for claim in claims] == [5, 2]
    assert queue.statuses(ids) == ["completed"] * 7 + ["pending"] * 5
    assert [queue.changes(each, "claimed") for each in ids] == [1] * 7 + [0] * 5


def test_a_finished_task_is_reported_while_the_next_one_runs(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.gate")
        def f(params):
            while params["number"] == 1 and not os.path.exists("open"):
                time.sleep(0.05)
        """
    )
    queue.register("t.gate")
    quick, slow = queue.create_many("t.gate", 2)
    worker = workers.start("--until-empty")
    queue.wait_for(quick, "completed")
    assert queue.task(slow)["status"] == "claimed"
    (workers.folder / "open").touch()
    assert worker.wait(60) == 0
    assert queue.statuses([quick, slow]) == ["completed"] * 2


RETURN = """
@task("t.false")
def f(params):
    return params["result"]
"""


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_a_result_that_says_that_it_is_none_is_warned_of(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(RETURN)
    queue.register("t.false")
    bad = queue.create("t.false", {"result": {"success": False, "message": "no such file"}})
    others = [{"success": True}, {"success": 0}, {"success": "false"}, [False], False, None, {}]
    fine = [queue.create("t.false", {"result": each}) for each in others]
    code, output = workers.run("--until-empty", *options)
    assert code == 0
    assert queue.statuses([bad, *fine]) == ["completed"] * 8
    assert output.count("WARNING") == 1
    assert f"WARNING task {bad} t.false: the handler returned success: false, which " in output


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_a_result_that_says_that_it_is_none_may_be_a_failure(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(RETURN)
    queue.register("t.false", max_attempts=2)
    results = [
        {"success": False, "message": "no such file"},
        {"success": False, "error": {"code": 7}, "message": "less"},
        {"success": False},
        {"success": True, "error": "none"},
    ]
    ids = [queue.create("t.false", {"result": each}) for each in results]
    code, output = workers.run("--until-empty", *options, FAIL_ON_FALSE="true")
    assert code == 0
    assert queue.statuses(ids) == ["pending", "pending", "pending", "completed"]
    said = [queue.task(each)["error_message"] for each in ids]
    assert said == [
        "the handler returned success: false: no such file",
        'the handler returned success: false: {"code": 7}',
        "the handler returned success: false: no reason given",
        None,
    ]
    assert "which completes the task" not in output
    assert output.count("Failed: the handler returned success: false: ") == 3
