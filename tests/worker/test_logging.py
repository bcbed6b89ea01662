"""Where the log goes, what is in it, and when there must be none."""

from __future__ import annotations

import json

import pytest

from tests.worker.support import Queue, Workers

MIXED = "@task('t.mixed')\ndef f(params):\n    return 1 / params['number']\n"

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_run_that_finds_nothing_says_nothing(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    assert workers.run("--until-empty") == (0, "")
    assert workers.run("--until-empty", "--max-time", "55", "--lock", "--processes") == (0, "")


def test_a_run_that_did_something_ends_with_a_summary(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    queue.create_many("t.mixed", 2)
    code, output = workers.run("--until-empty")
    assert code == 0
    last = output.splitlines()[-1]
    assert "summary: claimed 2, completed 1, failed 1, released 0, lost 0, seconds " in last


def test_the_level_chooses(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    failing, fine = queue.create_many("t.mixed", 2)
    assert workers.run("--max-runs", "1", "--log-level", "error") == (0, "")
    output = workers.run("--max-runs", "1", LOG_LEVEL="DEBUG")[1]
    assert f"INFO task {fine} t.mixed: Completed successfully in 0.0" in output
    assert " DEBUG " in output
    queue.create("t.mixed", {"number": 0})
    output = workers.run("--until-empty", LOGGING_LEVEL="warning")[1]
    assert "WARNING task" in output
    assert "summary" not in output
    assert queue.task(failing)["attempts"] == 1


def test_a_file_takes_the_log_instead_of_the_terminal(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    queue.create("t.mixed", {"number": 1})
    assert workers.run("--until-empty", "--log-file", "worker.log") == (0, "")
    queue.create("t.mixed", {"number": 0})
    assert workers.run("--until-empty", LOG_FILE="worker.log") == (0, "")
    # The second run adds to what the first one wrote.
    lines = (workers.folder / "worker.log").read_text("utf-8").splitlines()
    assert [line.count("summary: claimed 1") for line in lines] == [0, 1, 0, 1]
    assert "Failed: ZeroDivisionError" in lines[2]


def test_json_lines_have_fields_for_machines(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        MIXED + "@on('job:failed')\ndef broken(told):\n    raise KeyError('žluťoučký')\n"
    )
    queue.register("t.mixed")
    failing, fine = queue.create_many("t.mixed", 2)
    options = ("--until-empty", "--log-json", "--log-file", "lines", "--debug")
    assert workers.run(*options) == (0, "")
    text = (workers.folder / "lines").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert line["time"].endswith("Z")
        assert line["level"] in ("debug", "info", "warning", "error")
    about = {line["task_id"]: line for line in lines if "attempt" in line}
    assert set(about) == {failing, fine}
    assert (about[failing]["level"], about[fine]["level"]) == ("warning", "info")
    assert (about[failing]["task_type"], about[failing]["attempt"]) == ("t.mixed", 1)
    (trace,) = [line["traceback"] for line in lines if "traceback" in line]
    assert "KeyError: 'žluťoučký'" in trace


def test_a_log_file_that_cannot_be_written_ends_with_2(workers: Workers) -> None:
    workers.write_handlers(MIXED)
    code, output = workers.run("--log-file", "/nowhere/worker.log")
    assert code == 2
    assert "the log file /nowhere/worker.log cannot be written" in output
    assert "Traceback" not in output
