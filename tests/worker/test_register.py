"""--register: the task types of a handlers file come to the server with its worker."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import HttpProxy
from tests.worker.support import Queue, Workers

SOURCE = """
TASK_TYPES = [
    {'name': 't.one', 'version': '1', 'param_schema': {'type': 'object'}, 'max_attempts': 5},
    {'name': 't.two', 'version': '1', 'param_schema': %s},
]
@task('t.one')
def one(params): return 1
@task('t.two')
def two(params): return 2
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_only_what_has_changed_is_sent(queue: Queue, workers: Workers) -> None:
    with HttpProxy(queue.url) as proxy:
        workers.write_handlers(SOURCE % "{}")
        assert workers.run("--register", "--until-empty", url=proxy.url)[0] == 0
        assert [body["name"] for body in proxy.bodies("/register")] == ["t.one", "t.two"]
        assert workers.run("--register", "--until-empty", url=proxy.url)[0] == 0
        assert proxy.count("/register") == 2
        workers.write_handlers(SOURCE % "{'required': ['x']}")
        assert workers.run("--register", "--until-empty", url=proxy.url)[0] == 0
        assert [body["name"] for body in proxy.bodies("/register")][2:] == ["t.two"]
    _, response = queue.server.call("GET", "/task-types/t.two")
    assert response["data"]["param_schema"] == {"required": ["x"]}


def test_a_type_that_somebody_deactivated_stays_so(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(SOURCE % "{}")
    assert workers.run("--register", "--until-empty")[0] == 0
    assert queue.server.call("POST", "/task-types/t.one/deactivate", {})[0] == 200
    assert workers.run("--register", "--until-empty")[0] == 0
    _, response = queue.server.call("GET", "/task-types/t.one")
    assert response["data"]["is_active"] is False
