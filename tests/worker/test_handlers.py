"""What a handler may be, return and raise, and what becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

import worker
from worker import (
    Client,
    FatalError,
    Job,
    Link,
    PermanentError,
    RetryLater,
    plain_json,
    run_handler,
    takes_job,
    task,
)


@pytest.fixture
def job() -> Job:
    claimed = {"id": 7, "type": "t", "params": {"n": 1}, "attempts": 2, "max_attempts": 3}
    return Job(claimed, "worker-1", Link(Client("http://127.0.0.1/api")))


@pytest.fixture
def _registry() -> Iterator[None]:
    before = dict(worker.HANDLERS)
    yield
    worker.HANDLERS.clear()
    worker.HANDLERS.update(before)


def test_a_job_tells_its_task(job: Job) -> None:
    assert (job.id, job.type, job.params) == (7, "t", {"n": 1})
    assert (job.attempt, job.max_attempts, job.worker_id) == (2, 3, "worker-1")
    assert job.cancelled is False


def test_a_handler_may_take_params_or_params_and_job(job: Job) -> None:
    def one(params: Any) -> Any:
        return params

    def two(params: Any, job: Job) -> Any:
        return [params, job.id]

    def optional_job(params: Any, job: Any = None) -> Any:
        return job.id

    def own_default(params: Any, retries: int = 5) -> Any:
        return retries

    results = [run_handler(each, job)["result"] for each in (one, two, optional_job, own_default)]
    assert results == [{"n": 1}, [{"n": 1}, 7], 7, 5]


def test_a_handler_with_other_parameters_is_refused() -> None:
    for handler in (lambda: None, lambda a, b, c: None):
        with pytest.raises(TypeError, match=r"must take \(params\) or \(params, job\)"):
            takes_job(handler)


@pytest.mark.usefixtures("_registry")
def test_two_handlers_for_one_type_are_refused() -> None:
    task("test.once")(lambda params: None)
    with pytest.raises(ValueError, match=r"two handlers for the task type 'test\.once'"):
        task("test.once")(lambda params: None)


@pytest.mark.usefixtures("_registry")
def test_the_decorator_gives_the_function_back() -> None:
    def handler(params: Any) -> None:
        return None

    assert task("test.same")(handler) is handler
    assert worker.HANDLERS["test.same"] is handler


def test_a_result_is_copied_as_json(job: Job) -> None:
    result = {"tuple": (1, 2), 3: "three"}
    outcome = run_handler(lambda params: result, job)
    result["later"] = "changed"
    assert outcome == {"success": True, "result": {"tuple": [1, 2], "3": "three"}}


def test_a_permanent_error_is_not_retried(job: Job) -> None:
    def handler(params: Any) -> None:
        raise PermanentError("no such customer")

    assert run_handler(handler, job) == {
        "success": False,
        "error": "no such customer",
        "retry": False,
    }


def test_retry_later_names_the_delay(job: Job) -> None:
    def handler(params: Any) -> None:
        raise RetryLater(90, "quota used up")

    assert run_handler(handler, job) == {"success": False, "error": "quota used up", "delay": 90}
    assert str(RetryLater(1.5)) == "to be tried again in 1.5 seconds"
    assert str(RetryLater(1)) == "to be tried again in 1 second"


@pytest.mark.parametrize("delay", [-1, float("nan")])
def test_retry_later_refuses_a_delay_that_is_none(delay: float) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        RetryLater(delay)


def test_any_other_error_brings_its_traceback(job: Job) -> None:
    def handler(params: Any) -> None:
        raise KeyError("missing")

    outcome = run_handler(handler, job)
    assert outcome["error"] == "KeyError: 'missing'"
    assert 'raise KeyError("missing")' in outcome["traceback"]
    assert "worker.py" not in outcome["traceback"]
    assert "retry" not in outcome


def test_system_exit_is_a_failure(job: Job) -> None:
    outcome = run_handler(lambda params: sys.exit("bye"), job)
    assert (outcome["success"], outcome["error"]) == (False, "SystemExit: bye")


def test_keyboard_interrupt_gives_the_task_back(job: Job) -> None:
    def handler(params: Any) -> None:
        raise KeyboardInterrupt

    assert run_handler(handler, job) == {"release": True, "ends": "interrupted"}


def test_a_fatal_error_fails_the_attempt_and_ends_the_worker(job: Job) -> None:
    def handler(params: Any) -> None:
        raise FatalError("no space left")

    outcome = run_handler(handler, job)
    assert outcome == {"success": False, "error": "no space left", "ends": "fatal error"}


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "result",
    [object(), {"a": b"bytes"}, float("nan"), float("inf"), "\udcff", {(1, 2): 3}, _nested(10**5)],
    ids=["object", "bytes", "nan", "infinity", "surrogate", "tuple-key", "deep"],
)
def test_a_result_that_json_cannot_hold_fails_for_good(job: Job, result: Any) -> None:
    outcome = run_handler(lambda params: result, job)
    assert outcome["success"] is False
    assert outcome["retry"] is False
    assert outcome["error"].startswith("the handler's result cannot be written as JSON: ")


def test_errors_are_cut_and_made_printable(job: Job) -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def unprintable(params: Any) -> None:
        raise Silent

    def huge(params: Any) -> None:
        raise PermanentError("caf\u00e9 \udcff" + "x" * 10**6)

    assert run_handler(unprintable, job)["error"] == "Silent: Silent"
    error = run_handler(huge, job)["error"]
    assert error.startswith("café \\udcffxxx")
    assert len(error) == worker.TEXT_LIMIT


def test_progress_keeps_the_latest_within_its_range(job: Job) -> None:
    job.progress(10)
    job.progress(250, "nearly \udcff")
    assert job._link.take_updates() == {"progress": 100.0, "message": "nearly \\udcff"}
    job.progress(-1)
    assert job._link.take_updates() == {"progress": 0.0, "message": ""}


def test_plain_json_keeps_plain_values() -> None:
    value = {"text": "žluť 🐎", "numbers": [1, -2.5, 10**30], "none": None, "yes": True}
    assert plain_json(value) == value
