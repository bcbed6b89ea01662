"""Odd values, of handlers, listeners and servers, are looked at where they come in; and whatever
ends a worker, what it has finished is reported and the rest given back.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import worker
from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.worker.support import Queue, Workers
from worker import Client, Job, Link, PermanentError, RetryLater, Worker, run_handler, task

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
INFINITY, NAN = float("inf"), float("nan")


@pytest.fixture
def job() -> Job:
    claimed = {"id": 7, "type": "t", "params": {}, "attempts": 1, "max_attempts": 3}
    return Job(claimed, "worker-1", Link(Client("http://127.0.0.1/api")))


@pytest.fixture
def _registry() -> Iterator[None]:
    before = dict(worker.HANDLERS)
    yield
    worker.HANDLERS.clear()
    worker.HANDLERS.update(before)


def raising(error: BaseException) -> Callable[[Any], None]:
    def handler(params: Any) -> None:
        raise error

    return handler


class TestOfHandlers:
    @pytest.mark.parametrize(
        ("delay", "seconds"),
        [
            *[(Decimal("30"), 30), (Fraction(1, 2), 0.5), (timedelta(minutes=2), 120)],
            *[("45", 45), (True, 1), (0, 0)],
        ],
    )
    def test_a_delay_that_is_a_number(self, job: Job, delay: Any, seconds: float) -> None:
        outcome = run_handler(raising(RetryLater(delay, "wait")), job)
        assert outcome == {"success": False, "error": "wait", "delay": seconds}
        assert type(outcome["delay"]) is float

    @pytest.mark.parametrize(
        "delay", [INFINITY, NAN, -INFINITY, Decimal("NaN"), -1, "soon", None, [], 10**400]
    )
    def test_a_delay_that_is_none(self, delay: Any) -> None:
        with pytest.raises(ValueError, match="the delay of RetryLater must be 0 or more, not "):
            RetryLater(delay)

    @pytest.mark.parametrize("delay", [INFINITY, "soon", None, -5])
    def test_a_delay_that_was_changed_is_left_out(self, job: Job, delay: Any) -> None:
        error = RetryLater(5, "wait")
        error.delay_seconds = delay
        assert run_handler(raising(error), job) == {"success": False, "error": "wait"}

    def test_a_delay_that_a_subclass_forgot(self, job: Job) -> None:
        class Quota(RetryLater):
            def __init__(self) -> None:
                pass

        assert run_handler(raising(Quota()), job) == {"success": False, "error": "Quota"}

    def test_retry_later_survives_a_pool_of_processes(self) -> None:
        error = pickle.loads(pickle.dumps(RetryLater(Decimal("30"), "quota")))
        assert (error.delay_seconds, str(error)) == (30, "quota")

    @pytest.mark.parametrize("percent", [NAN, INFINITY, "half", None, []])
    def test_progress_that_is_no_number(self, job: Job, percent: Any) -> None:
        with pytest.raises(ValueError, match="progress is a number from 0 to 100, not "):
            job.progress(percent)
        assert job._link.take_updates() == {}

    def test_progress_that_is_one(self, job: Job) -> None:
        job.progress(Decimal("12.5"), "x" * 10**6)
        updates = job._link.take_updates()
        assert (updates["progress"], type(updates["progress"])) == (12.5, float)
        assert len(updates["message"]) == worker.MESSAGE_LIMIT

    @pytest.mark.parametrize("seconds", [NAN, INFINITY, "long", None, 0, -1])
    def test_a_lease_that_is_none(self, job: Job, seconds: Any) -> None:
        with pytest.raises(ValueError, match="a lease must be longer than 0 seconds, not "):
            job.extend(seconds)

    def test_a_lease_is_one_that_the_server_takes(self, job: Job) -> None:
        for seconds, taken in ((1e-9, 0.1), (1e30, 10 * 366 * 86400.0), (Decimal("60"), 60.0)):
            job.extend(seconds)  # type: ignore[arg-type]
            assert job._link.take_updates() == {"lease": taken}

    def test_levels_by_number_and_name(self, job: Job, caplog: pytest.LogCaptureFixture) -> None:
        job.log("one", "warning")
        job.log("two", 40)
        assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
        for level in ("loud", None, 1.5):
            with pytest.raises(ValueError, match="there is no level"):
                job.log("three", level)  # type: ignore[arg-type]

    def test_a_result_whose_class_does_anything(self, job: Job) -> None:
        class Leaving(dict):  # type: ignore[type-arg]
            def items(self) -> Any:
                sys.exit("from within")

        outcome = run_handler(lambda params: Leaving(a=1), job)
        assert (outcome["success"], outcome["retry"]) == (False, False)
        assert outcome["error"] == "the handler's result cannot be written as JSON: from within"

    def test_an_error_whose_text_does_anything(self, job: Job) -> None:
        class Leaving(Exception):
            def __str__(self) -> str:
                raise SystemExit

        assert run_handler(raising(Leaving()), job)["error"] == "Leaving: Leaving"

    @pytest.mark.usefixtures("_registry")
    def test_what_cannot_be_a_handler(self) -> None:
        with pytest.raises(TypeError, match=r'@task\("shop\.greet"\)'):
            task(lambda params: None)  # type: ignore[arg-type]
        for timeout in (NAN, -1, "long"):
            with pytest.raises(ValueError, match="the timeout of 't' must be 0 or more"):
                task("t", timeout=timeout)  # type: ignore[arg-type]

        def generator(params: Any) -> Any:
            yield 1

        async def async_generator(params: Any) -> Any:
            yield 1

        for handler in (generator, async_generator):
            with pytest.raises(TypeError, match="has a yield: return the result instead"):
                task("t")(handler)
        assert "t" not in worker.HANDLERS


@sqlite
@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_async_handlers_are_run(queue: Queue, workers: Workers, options: tuple[str, ...]) -> None:
    workers.write_handlers(
        """
        import asyncio


        @task("t.async")
        async def f(params, job):
            job.progress(50)
            await asyncio.sleep(0.01)
            if params["number"] == 1:
                raise PermanentError("no")
            return await asyncio.gather(*(asyncio.sleep(0.01, n) for n in (1, 2)))
        """
    )
    queue.register("t.async")
    fine, bad = queue.create_many("t.async", 2)
    assert workers.run("--until-empty", *options)[0] == 0
    assert queue.task(fine)["result"] == [1, 2]
    assert (queue.task(bad)["status"], queue.task(bad)["error_message"]) == ("failed", "no")


@sqlite
class TestWhateverEnds:
    """Three tasks in a batch: the second one meets what ends the worker."""

    def worker_with(self, queue: Queue, **options: Any) -> tuple[Worker, list[int]]:
        queue.register("t.do", max_attempts=1)
        ids = queue.create_many("t.do", 3)
        client = Client(queue.url, queue.key)
        options = {"batch": 3, "until_empty": True, **options}
        return Worker(client, {"t.do": lambda params: params["number"]}, **options), ids

    @pytest.mark.parametrize("event", ["job:claimed", "job:started"])
    @pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
    def test_an_error_that_nobody_expects(
        self, queue: Queue, event: str, error: type[BaseException]
    ) -> None:
        mine, ids = self.worker_with(queue)

        def listener(told: dict[str, Any]) -> None:
            if told["job_id"] == ids[1]:
                raise error

        mine.on(event, listener)
        with pytest.raises(error):
            mine.run()
        assert mine.state == "error"
        assert set(queue.statuses(ids)) <= {"completed", "pending"}
        assert all(
            queue.attempts_left(each) == 1
            for each in ids
            if queue.task(each)["status"] == "pending"
        )
        if event == "job:started":
            assert queue.statuses(ids) == ["completed", "pending", "pending"]

    def test_a_listener_that_leaves(self, queue: Queue) -> None:
        mine, ids = self.worker_with(queue)
        reasons: list[str] = []
        mine.on("stopped", lambda told: reasons.append(told["reason"]))
        mine.on("job:started", lambda told: sys.exit(7))
        with pytest.raises(SystemExit) as caught:
            mine.run()
        assert caught.value.code == 7
        assert (reasons, mine.state) == (["listener"], "stopped")
        assert queue.statuses(ids) == ["completed", "pending", "pending"]
        assert [queue.attempts_left(each) for each in ids[1:]] == [1, 1]

    def test_one_outcome_that_cannot_be_sent(
        self, queue: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A defect that is not known yet: the others' are sent all the same."""
        mine, ids = self.worker_with(queue)
        run = worker.run_handler

        def broken(handler: Any, job: Job) -> dict[str, Any]:
            return {"success": True, "result": {1, 2}} if job.id == ids[0] else run(handler, job)

        monkeypatch.setattr(worker, "run_handler", broken)
        with pytest.raises(TypeError, match="not JSON serializable"):
            mine.run()
        assert queue.statuses(ids)[0] == "claimed"
        assert set(queue.statuses(ids)[1:]) <= {"completed", "pending"}

    def test_a_listener_that_leaves_gives_the_exit_code(
        self, queue: Queue, workers: Workers
    ) -> None:
        workers.write_handlers(
            """
            import sys


            @task("t.do")
            def f(params):
                return 1


            @on("job:completed")
            def enough(told):
                sys.exit(9)
            """
        )
        queue.register("t.do")
        ids = queue.create_many("t.do", 3)
        code, output = workers.run("--batch", "1")
        assert (code, "Traceback" in output) == (9, False)
        assert queue.statuses(ids).count("claimed") == 0


GOOD = {
    "id": 1,
    "type": "t.do",
    "params": {},
    "attempts": 1,
    "max_attempts": 3,
    "lease": 60,
}
ODD_TASKS: list[Any] = [
    *[None, 1, "text", {}, [1], [None], [[]], [{}]],
    *[[{**GOOD, name: value}] for name in GOOD for value in (None, "1", [], True, -1, NAN)],
    *[[{k: v for k, v in GOOD.items() if k != name}] for name in GOOD],
]
ODD_TASKS.remove([{**GOOD, "type": "1"}])


def response(data: Any) -> str:
    return json.dumps({"success": True, "message": "", "data": data, "timestamp": 1})


class TestOfServers:
    @pytest.mark.parametrize("tasks", ODD_TASKS, ids=lambda tasks: json.dumps(tasks)[:60])
    def test_tasks_that_are_none(self, tasks: Any) -> None:
        with pytest.raises(worker.ApiError, match="not TaskManager's") as caught:
            worker._claimed_tasks({"data": {"tasks": tasks}})
        assert caught.value.temporary

    @sqlite
    @pytest.mark.parametrize("data", [None, [], "text", {"tasks": None}, {"tasks": [{"id": 1}]}])
    @pytest.mark.parametrize("call", ["/claim", "/settle"])
    def test_an_odd_answer_is_asked_for_again(
        self, queue: Queue, workers: Workers, call: str, data: Any
    ) -> None:
        workers.write_handlers(
            """
            @task("t.do")
            def f(params):
                return params["number"]
            """
        )
        queue.register("t.do", max_attempts=1)
        ids = queue.create_many("t.do", 3)

        def fault(proxy: HttpProxy, proxied: ProxiedCall) -> str:
            odd = proxied.path.endswith(call) and not proxy.faults
            return f"json:{response(data)}" if odd else "pass"

        with HttpProxy(queue.url, fault) as proxy:
            options = ("--until-empty", "--poll-interval", "0.1", "--batch", "2")
            code, output = workers.run(*options, url=proxy.url)
        assert code == 0, output
        assert "the server's answer is not TaskManager's" in output
        assert "Traceback" not in output
        assert queue.statuses(ids) == ["completed"] * 3

    @sqlite
    def test_a_server_that_only_answers_oddly_ends_with_1(
        self, queue: Queue, workers: Workers
    ) -> None:
        workers.write_handlers(
            """
            @task("t.do")
            def f(params):
                return 1
            """
        )
        queue.register("t.do")

        def fault(_proxy: HttpProxy, call: ProxiedCall) -> str:
            return "pass" if call.path.endswith("/health") else f"json:{response([])}"

        with HttpProxy(queue.url, fault) as proxy:
            options = ("--max-errors", "2", "--poll-interval", "0.1")
            code, output = workers.run(*options, url=proxy.url)
            assert workers.run("--register", url=proxy.url)[0] in (1, 2)
        assert (code, "Traceback" in output) == (1, False)

    @sqlite
    @pytest.mark.parametrize(
        "data", [None, {"tasks": [None]}, {"tasks": [{"id": 1, "lease": "x"}]}, {"tasks": []}]
    )
    def test_odd_answers_to_heartbeats_cost_no_lease(
        self, queue: Queue, workers: Workers, data: Any
    ) -> None:
        workers.write_handlers(
            """
            @task("t.slow")
            def f(params, job):
                time.sleep(5)
                return job.cancelled
            """
        )
        queue.register("t.slow", timeout=3)
        task_id = queue.create("t.slow")

        def fault(proxy: HttpProxy, call: ProxiedCall) -> str:
            odd = call.path.endswith("/tasks/heartbeat") and not proxy.faults
            return f"json:{response(data)}" if odd else "pass"

        with HttpProxy(queue.url, fault) as proxy:
            code, output = workers.run("--until-empty", url=proxy.url)
            assert len(proxy.faults) == 1
        assert (code, "the background thread met an error" in output) == (0, False), output
        assert queue.task(task_id)["result"] is False

    @sqlite
    def test_json_that_is_too_deep_is_no_answer(self, queue: Queue) -> None:
        deep = "json:" + "[" * 10**5 + "]" * 10**5
        with (
            HttpProxy(queue.url, lambda _proxy, _call: deep) as proxy,
            pytest.raises(worker.ApiError) as caught,
        ):
            Client(proxy.url, queue.key, retries=0).get(1)
        assert caught.value.code == "not_json"


@pytest.mark.parametrize(
    ("types", "sentence"),
    [("[1]", "each of TASK_TYPES"), ("[{'version': '1'}]", "each of TASK_TYPES")],
)
@sqlite
def test_odd_task_types_end_with_2(workers: Workers, types: str, sentence: str) -> None:
    workers.write_handlers(
        f"""
        TASK_TYPES = {types}


        @task("t.do")
        def f(params):
            return 1
        """
    )
    code, output = workers.run("--register", "--until-empty")
    assert (code, sentence in output, "Traceback" in output) == (2, True, False)


def test_permanent_errors_stay_what_they_are(job: Job) -> None:
    assert run_handler(raising(PermanentError()), job)["error"] == "PermanentError"
