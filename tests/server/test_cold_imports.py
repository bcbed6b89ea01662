"""Under CGI every import is paid for by every request: calls load little."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import KEY, environment, run_cgi
from tests.support.server import PROJECT
from tests.support.site import INTERPRETER, vendor

HEAVY = {
    "_hashlib",
    "_ssl",
    "click",
    "configparser",
    "cryptography",
    "decimal",
    "email",
    "flask",
    "flask_sqlalchemy",
    "getpass",
    "hashlib",
    "hmac",
    "inspect",
    "jinja2",
    "jsonschema",
    "regex",
    "requests",
    "sqlalchemy",
    "ssl",
    "stringprep",  # international names of hosts
    "textwrap",
    "tokenize",
    "traceback",
    "typing",
    "unicodedata",
    "urllib",
    "werkzeug",
    "wsgiref",
}
MYSQL_ONLY = {"pymysql", "socket"}
SQLITE_ONLY = {"sqlite3"}

PLAIN = {"name": "cold.plain", "version": "1", "param_schema": {}}
SHAPED = {
    **PLAIN,
    "name": "cold.shaped",
    "param_schema": {"required": ["n"], "properties": {"n": {"pattern": "^x$"}}},
}


PROGRAM = """
import os, sys
sys.path[:1] = sys.argv[1:]
end = os._exit
def say_and_end(code):
    sys.stderr.write(" ".join(sys.modules))
    sys.stderr.flush()
    end(code)
os._exit = say_and_end
path = sys.argv[1] + "/passenger_wsgi.py"
exec(open(path).read(), {"__name__": "__main__", "__file__": path})
"""


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Where modules are looked for: the project, its packages, and a package that a host has."""
    (tmp_path / "host" / "cryptography").mkdir(parents=True)
    (tmp_path / "host" / "cryptography" / "__init__.py").write_text("", "utf-8")
    return [str(PROJECT), str(vendor()), str(tmp_path / "host")]


def _imported(
    paths: list[str],
    database_url: str,
    method: str,
    path: str,
    body: object = None,
    status: int = 2,
) -> set[str]:
    """The packages that a request has loaded when it ends."""
    payload = b"" if body is None else json.dumps(body).encode()
    request = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_X_API_KEY": KEY,
        "CONTENT_LENGTH": str(len(payload)) if payload else "",
    }
    done = subprocess.run(
        [INTERPRETER, "-c", PROGRAM, *paths],
        input=payload,
        capture_output=True,
        env=environment(database_url, **request),
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith(f"Status: {status}".encode()), (done.stdout, done.stderr[-2000:])
    return {name.partition(".")[0] for name in done.stderr.decode().split()}


def _prepare(database_url: str) -> None:
    for kind in (PLAIN, SHAPED):
        run_cgi(database_url, "POST", "/api/task-types/register", kind)
    for number in range(2):
        task = {"type": "cold.plain", "params": {"n": number}}
        run_cgi(database_url, "POST", "/api/tasks", task)


def test_calls_load_nothing_heavy(paths: list[str], database_url: str, engine: str) -> None:
    _prepare(database_url)
    unwanted = HEAVY | (MYSQL_ONLY if engine == "sqlite" else SQLITE_ONLY)
    if engine == "mariadb":
        # An address with %xx in it has to be decoded; DB_HOST and the like have not.
        unwanted -= {"urllib"}
    claim = {"worker_id": "w"}
    end = {"worker_id": "w", "attempt": 1, "result": {"ok": True}, "claim": {}}
    claimed = run_cgi(database_url, "POST", "/api/tasks/claim", claim).json["data"]["id"]
    for method, path, body in (
        ("GET", "/api/health", None),
        ("POST", "/api/tasks", {"type": "cold.plain", "params": {"n": -1}}),
        ("POST", "/api/tasks", {"type": "cold.shaped", "params": {"n": 1}}),
        ("POST", f"/api/tasks/{claimed}/heartbeat", {"worker_id": "w"}),
        ("POST", f"/api/tasks/{claimed}/progress", {"worker_id": "w", "progress": 1}),
        ("POST", f"/api/tasks/{claimed}/complete", end),
        ("GET", f"/api/tasks/{claimed}", None),
        ("GET", "/api/tasks", None),
        ("GET", "/api/v1/jobs", None),
    ):
        loaded = _imported(paths, database_url, method, path, body)
        assert loaded & unwanted == set(), path


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/api", "/api/openapi.json", "/api/docs"])
def test_the_apis_own_description_needs_no_flask(
    paths: list[str], database_url: str, path: str
) -> None:
    loaded = _imported(paths, database_url, "GET", path)
    assert loaded & {"flask", "werkzeug", "sqlalchemy", "flask_sqlalchemy"} == set()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_same_look_finds_what_is_heavy(paths: list[str], database_url: str) -> None:
    _prepare(database_url)
    assert {"flask", "sqlalchemy", "typing"} <= _imported(
        paths, database_url, "GET", "/nowhere", status=404
    )
    task = {"type": "cold.shaped", "params": {"n": "x"}}
    assert "regex" in _imported(paths, database_url, "POST", "/api/tasks", task)
