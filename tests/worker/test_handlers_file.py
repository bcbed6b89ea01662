"""Where a worker's handlers come from, and what it says when they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.support import Queue, Workers

ECHO = """
@task("t.echo")
def echo(params):
    return params
"""
MINE = """
from helper import SUFFIX
from worker import task


@task("t.mine")
def mine(params):
    return "mine" + SUFFIX
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.mark.parametrize("source", ["./more/mine.py", "mine", "more.mine"])
def test_handlers_may_be_a_file_or_a_module(
    queue: Queue, workers: Workers, source: str, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "helper.py").write_text("SUFFIX = '!'\n")
    (tmp_path / "more" / "helper.py").write_text("SUFFIX = '?'\n")
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "more" / "mine.py").write_text(MINE)
    queue.register("t.mine")
    task_id = queue.create("t.mine")
    assert workers.run("--handlers", source, "--until-empty")[0] == 0
    # A file finds the modules beside it, a module those of the current folder.
    assert queue.task(task_id)["result"] == ("mine?" if "/" in source else "mine!")


@pytest.mark.parametrize(
    ("options", "handlers", "sentence"),
    [
        ([], None, "there is no file handlers.py in the current folder. Write one, as the"),
        (["--debug"], None, "where it is called otherwise: --handlers PATH"),
        ([], "import sys\nsys.exit(0)\n", "cannot be loaded: SystemExit: 0"),
        (["--handlers", "other.py"], None, "there is no file other.py"),
        (
            ["--handlers", "nowhere"],
            None,
            "No module named 'nowhere'. For a file write its whole name: --h",
        ),
        ([], "import nothing_like_this\n", "No module named 'nothing_like_this'"),
        ([], "import nothing_like_this\n", "Install what it belongs to for this Python, /"),
        ([], "x = 1 +\n", "SyntaxError"),
        ([], "x = 1\n", "there is no handler: decorate a function"),
        ([], ECHO + ECHO, "two handlers for the task type 't.echo'"),
        (["--register"], ECHO, "leave --register out where the types are registered already"),
    ],
)
def test_handlers_that_cannot_be_used_end_with_2_and_a_clear_sentence(
    workers: Workers, options: list[str], handlers: str | None, sentence: str
) -> None:
    if handlers is not None:
        workers.write_handlers(handlers)
    code, output = workers.run(*options, "--until-empty")
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output


def test_the_examples_are_named_where_they_are(workers: Workers) -> None:
    (workers.folder / "examples").mkdir()
    (workers.folder / "examples" / "handlers.py").touch()
    code, output = workers.run("--debug")
    assert code == 2
    assert "begin with examples/handlers.py" in " ".join(output.split())


def test_register_brings_the_types_of_the_handlers_file(queue: Queue, workers: Workers) -> None:
    source = "TASK_TYPES = [{'name': 't.echo', 'version': '1.2', 'param_schema': {}}]\n"
    workers.write_handlers(source + ECHO)
    assert workers.run("--register", "--until-empty")[0] == 0
    _, response = queue.server.call("GET", "/task-types/t.echo")
    assert response["data"]["version"] == "1.2"


def test_a_worker_loads_nothing_of_the_server(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        import sys


        @task("t.modules")
        def f(params):
            return sorted(sys.modules)
        """
    )
    queue.register("t.modules")
    task_id = queue.create("t.modules")
    assert workers.run("--until-empty")[0] == 0
    loaded = {name.split(".")[0] for name in queue.task(task_id)["result"]}
    assert "requests" in loaded
    assert not loaded & {"app", "flask", "sqlalchemy", "passenger_wsgi"}
