"""worker.py as a command: help, options, environment, wrong usage."""

from __future__ import annotations

import re

import click
import pytest

from tests.worker.support import Queue, Workers
from worker import main

ECHO = """
@task("t.echo")
def echo(params):
    return params
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_help_lists_each_option_variable_and_exit_code(workers: Workers) -> None:
    code, output = workers.run("--help")
    assert code == 0
    words = set(re.findall(r"[\w-]+", output))
    options = [each for each in main.params if isinstance(each, click.Option)]
    assert len(options) >= 30
    for option in options:
        variables = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
        assert {option.opts[0], *variables} <= words
    for exit_code in ("0  fine", "1  gave up", "2  wrong usage", "3  refused", "4  ended by"):
        assert exit_code in output
    assert "130, 143  ended at once" in output


def test_the_environment_sets_what_the_command_line_leaves_open(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.id")
        def f(params, job):
            return job.worker_id
        """
    )
    queue.register("t.id")
    ids = queue.create_many("t.id", 4)
    env = {"WORKER_ID": "by-environment", "MAX_RUNS": "1", "BATCH": "3", "POLL_INTERVAL": "0.1"}
    assert workers.run(**env)[0] == 0
    assert workers.run("--worker-id", "by-option", "--max-runs", "2", **env)[0] == 0
    tasks = [queue.task(each) for each in ids]
    assert [each["result"] for each in tasks] == ["by-environment", "by-option", "by-option", None]
    assert [each["status"] for each in tasks][3] == "pending"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--task-types", "t.echo,t.no"], "there is no handler for t.no; there are"),
        (["--api-url", "localhost"], "'localhost' is no address like"),
        (["--batch", "101"], "101 is not in the range 0<=x<=100"),
        (["--max-runs", "-1"], "-1 is not in the range x>=0"),
        (["--max-runs", "many"], "'many' is not a valid whole number"),
        (["--poll-interval", "soon"], "'soon' is not a valid number"),
        (["--log-file", "/nowhere/log"], "there is no such file or folder. Make it, or name"),
        (["--poll-interval", "0"], "is not in the range x>=0.1"),
        (
            ["--status-file", "/nowhere/status"],
            "/nowhere/status cannot be written: its folder must exist",
        ),
        (["--max-memory", "5M"], "MiB are in use before any task"),
        (["--what"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_clear_sentence(
    workers: Workers, options: list[str], sentence: str
) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run(*options, "--until-empty")
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output
