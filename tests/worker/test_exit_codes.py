"""How a worker ends that cannot work, and what it says."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys

import pytest

from tests.support.net import free_port
from tests.support.pythons import too_old
from tests.support.server import PROJECT
from tests.worker.support import Queue, Workers

ECHO = """
@task("t.echo")
def echo(params):
    return params
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_wrong_key_ends_with_3(workers: Workers) -> None:
    workers.write_handlers(ECHO)
    code, output = workers.run("--api-key", "wrong")
    assert code == 3
    assert "key from --api-key, else from the environment" in output


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
