"""worker.py as a command: options, environment, handlers files, exit codes."""

from __future__ import annotations

import ast
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.support.http_proxy import HttpProxy
from tests.support.net import free_port
from tests.support.pythons import too_old
from tests.support.server import PROJECT
from tests.worker.support import Queue, Workers
from worker import main

ECHO = "@task('t.echo')\ndef echo(params):\n    return params\n"

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
    workers.write_handlers("@task('t.id')\ndef f(params, job):\n    return job.worker_id\n")
    queue.register("t.id")
    ids = queue.create_many("t.id", 4)
    env = {"WORKER_ID": "by-environment", "MAX_RUNS": "1", "BATCH": "3", "POLL_INTERVAL": "0.1"}
    assert workers.run(**env)[0] == 0
    assert workers.run("--worker-id", "by-option", "--max-runs", "2", **env)[0] == 0
    tasks = [queue.task(each) for each in ids]
    assert [each["result"] for each in tasks] == ["by-environment", "by-option", "by-option", None]
    assert [each["status"] for each in tasks][3] == "pending"


def test_debug_logs_more(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    queue.register("t.echo")
    options = ("--max-time", "5", "--poll-interval", "3600")
    assert "asking again" not in workers.run(*options)[1]
    assert "DEBUG no tasks; asking again in 3600 seconds" in workers.run(*options, DEBUG="1")[1]


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


def test_register_brings_the_types_of_the_handlers_file(queue: Queue, workers: Workers) -> None:
    source = "TASK_TYPES = [{'name': 't.echo', 'version': '1.2', 'param_schema': {}}]\n"
    workers.write_handlers(source + ECHO)
    assert workers.run("--register", "--until-empty")[0] == 0
    _, answer = queue.server.call("GET", "/task-types/t.echo")
    assert answer["data"]["version"] == "1.2"


@pytest.mark.parametrize("source", ["./more/mine.py", "mine", "more.mine"])
def test_handlers_may_be_a_file_or_a_module(
    queue: Queue, workers: Workers, source: str, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "helper.py").write_text("SUFFIX = '!'\n")
    (tmp_path / "more" / "helper.py").write_text("SUFFIX = '?'\n")
    code = "from worker import task\nfrom helper import SUFFIX\n"
    code += "@task('t.mine')\ndef mine(params):\n    return 'mine' + SUFFIX\n"
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "more" / "mine.py").write_text(code)
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
        (["--handlers", "nowhere"], None, "No module named 'nowhere'"),
        ([], "import nothing_like_this\n", "No module named 'nothing_like_this'"),
        ([], "x = 1 +\n", "SyntaxError"),
        ([], "x = 1\n", "there is no handler: decorate a function"),
        ([], ECHO + ECHO, "two handlers for the task type 't.echo'"),
        (["--task-types", "t.echo,t.no"], ECHO, "there is no handler for t.no; there are"),
        (["--register"], ECHO, "--register needs a list TASK_TYPES"),
        (["--api-url", "localhost"], ECHO, "'localhost' is no address like"),
        (["--batch", "101"], ECHO, "101 is not in the range 0<=x<=100"),
        (["--max-runs", "-1"], ECHO, "-1 is not in the range x>=0"),
        (["--poll-interval", "0"], ECHO, "is not in the range x>=0.1"),
        (["--status-file", "/nowhere/status"], ECHO, "/nowhere/status cannot be written"),
        (["--max-memory", "5M"], ECHO, "MiB are in use before any task"),
        (["--what"], ECHO, "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_clear_sentence(
    workers: Workers, options: list[str], handlers: str | None, sentence: str
) -> None:
    if handlers is not None:
        workers.write_handlers(handlers)
    code, output = workers.run(*options, "--until-empty")
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output


OLD = """
import sys
sys.version_info = (3, 8, 18, "final", 0)
exec(compile(open(sys.argv[1], encoding="utf-8").read(), "worker.py", "exec"))
"""


def test_an_old_python_gets_a_sentence(workers: Workers) -> None:
    """Real ones too, where the machine has them. Those before 3.7 can read nothing of a file that
    is too new for them, and show the first line that is.
    """
    source = PROJECT / "worker.py"
    for command in ([sys.executable, "-c", OLD], *([python] for python in too_old())):
        done = subprocess.run(
            [*command, str(source), "--until-empty"], check=False, capture_output=True, text=True
        )
        assert done.returncode in (1, 2)
        assert "worker.py needs Python 3.9 or newer" in done.stderr
        assert ("SyntaxError" in done.stderr) == (done.returncode == 1)
        assert "Traceback" not in done.stderr
    lines = source.read_text("utf-8").splitlines()
    tree = ast.parse("\n".join(lines))
    future = next(node for node in tree.body if isinstance(node, ast.ImportFrom))
    annotated = next(node for node in tree.body if hasattr(node, "annotation"))
    defined = next(node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)))
    assert future.lineno < annotated.lineno < defined.lineno
    for node in (future, annotated):
        assert lines[node.lineno - 1].endswith("worker.py needs Python 3.9 or newer.")


def test_a_wrong_key_ends_with_3(workers: Workers) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run("--api-key", "wrong")
    assert code == 3
    assert "API key" in output


def test_a_claim_that_the_server_refuses_ends_with_3(workers: Workers) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run("--worker-id", "x" * 300)
    assert code == 3
    assert "worker_id" in output


def test_a_server_that_is_away_ends_with_1(workers: Workers) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run(url=f"http://127.0.0.1:{free_port()}/api")
    assert code == 1
    assert "the server is not ready" in output
    assert "Connection refused" in output


def test_a_server_that_does_not_answer_in_time_ends_with_1(workers: Workers) -> None:
    workers.write_handlers(ECHO)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        code, output = workers.run("--api-timeout", "0.3", url=url)
    assert code == 1
    assert "no answer in time" in output


def test_an_address_without_the_api_ends_with_a_hint(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run(url=queue.url.replace("/api", "/elsewhere"))
    assert code in (1, 3)
    assert "it ends in /api" in output


def test_the_status_file_tells_the_counters(queue: Queue, workers: Workers, tmp_path: Path) -> None:
    workers.write_handlers("@task('t.mixed')\ndef f(params):\n    return 1 / params['n']\n")
    queue.register("t.mixed", max_attempts=1)
    for number in (1, 0, 2):
        queue.create("t.mixed", {"n": number})
    path = tmp_path / "status.json"
    options = ("--until-empty", "--worker-id", "w1", "--status-file", str(path))
    assert workers.run(*options)[0] == 0
    status = json.loads(path.read_text())
    assert status.pop("started_at") <= status.pop("updated_at")
    assert status.pop("average_time") >= 0
    assert status.pop("uptime") > 0
    assert status.pop("last_task_at").endswith("Z")
    assert status.pop("pid") > 0
    assert status == {
        "state": "stopped",
        "worker_id": "w1",
        **{"claimed": 3, "completed": 2, "failed": 1, "released": 0, "lost": 0},
        "active": 0,
        "success_rate": 0.6667,
    }
    assert [each.name for each in tmp_path.glob("*status*")] == ["status.json"]


def test_the_examples_are_named_where_they_are(workers: Workers) -> None:
    (workers.folder / "examples").mkdir()
    (workers.folder / "examples" / "handlers.py").touch()
    code, output = workers.run("--debug")
    assert code == 2
    assert "begin with examples/handlers.py" in " ".join(output.split())


def test_a_worker_loads_nothing_of_the_server(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        "import sys\n@task('t.modules')\ndef f(params):\n    return sorted(sys.modules)\n"
    )
    queue.register("t.modules")
    task_id = queue.create("t.modules")
    assert workers.run("--until-empty")[0] == 0
    loaded = {name.split(".")[0] for name in queue.task(task_id)["result"]}
    assert "requests" in loaded
    assert not loaded & {"app", "flask", "sqlalchemy", "passenger_wsgi"}


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
