"""passenger_wsgi.py executed as a CGI program."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlencode

from tests.support.programs import KEY, CgiResponse, environment, run_cgi
from tests.support.server import PROJECT

# Says at the program's end whether the variable is still there.
LOOK_AT_THE_END = """
import os, runpy, sys

end = os._exit


def look(code):
    sys.stderr.write("taken" if "HTTP_PROXY" in os.environ else "gone")
    sys.stderr.flush()
    end(code)


os._exit = look
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_a_task_from_registration_to_result(database_url: str) -> None:
    kind = {"name": "cgi.task", "version": "1", "param_schema": {"required": ["n"]}}
    assert run_cgi(database_url, "POST", "/api/task-types/register", kind).status == 201
    task = {"type": "cgi.task", "params": {"n": 1}}
    created = run_cgi(database_url, "POST", "/api/tasks", task)
    assert created.status == 201
    claimed = run_cgi(database_url, "POST", "/api/tasks/claim", {"worker_id": "w"})
    assert claimed.json["data"]["params"] == {"n": 1}
    task_id = claimed.json["data"]["id"]
    end = {"worker_id": "w", "attempt": 1, "result": "done"}
    assert run_cgi(database_url, "POST", f"/api/tasks/{task_id}/complete", end).status == 200
    shown = run_cgi(database_url, "GET", f"/api/tasks/{task_id}")
    assert shown.json["data"]["result"] == "done"
    assert shown.exit_code == 0
    assert shown.log == ""


def test_responses_carry_the_headers_of_the_contract(database_url: str) -> None:
    response = run_cgi(database_url, "GET", "/api/health")
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert int(response.headers["content-length"]) == len(response.raw)


def test_lists_and_the_root(database_url: str) -> None:
    run_cgi(database_url, "GET", "/api/health")
    query = urlencode({"status": "pending", "limit": 5})
    listed = run_cgi(database_url, "GET", "/api/tasks", QUERY_STRING=query)
    assert (listed.status, listed.json["data"]["tasks"]) == (200, [])
    assert run_cgi(database_url, "GET", "/").json["success"] is True
    assert run_cgi(database_url, "GET", "/nothing/here").json["code"] == "not_found"


def test_the_key_may_arrive_as_authorization_or_redirected(database_url: str) -> None:
    path, body = "/api/tasks/claim", {"worker_id": "w"}
    bearer = f"Bearer {KEY}"
    for variable in ("HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION"):
        more = {"HTTP_X_API_KEY": "", variable: bearer}
        assert run_cgi(database_url, "POST", path, body, **more).json["code"] == "no_tasks"
    refused = run_cgi(database_url, "POST", path, body, HTTP_X_API_KEY="")
    assert refused.status == 401


def test_wrong_keys_are_counted_over_processes(database_url: str) -> None:
    body = {"worker_id": "w"}

    def call(key: str) -> CgiResponse:
        variables = {"HTTP_X_API_KEY": key, "REMOTE_ADDR": "192.0.2.1"}
        return run_cgi(database_url, "POST", "/api/tasks/claim", body, **variables)

    # Two minutes' worth: wherever a minute ends, more than ten fall into one.
    responses = [call(f"wrong-{number}") for number in range(22)]
    assert {each.status for each in responses} == {401, 429}
    assert sum("more than 10 wrong API keys" in each.log for each in responses) in (1, 2)
    slowed = next(each for each in responses if each.status == 429)
    assert slowed.json["code"] == "rate_limited"
    assert 1 <= int(slowed.headers["retry-after"]) <= 60
    assert call(KEY).json["code"] == "no_tasks"


def test_a_header_named_proxy_is_not_taken_for_a_setting(database_url: str) -> None:
    env = environment(database_url, REQUEST_METHOD="GET", PATH_INFO="/api/health")
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_THE_END, str(PROJECT / "passenger_wsgi.py")],
        capture_output=True,
        env={**env, "HTTP_PROXY": "http://proxy.example:3128"},
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith(b"Status: 200")
    assert done.stderr == b"gone"


def test_a_short_key_works_and_is_told_where_it_bothers_nobody(database_url: str) -> None:
    """Not with each call of a worker: each is a process of its own, and would log it again."""
    short = {"TASKMANAGER_API_KEY": "k" * 8, "HTTP_X_API_KEY": "k" * 8}
    claimed = run_cgi(database_url, "POST", "/api/tasks/claim", {"worker_id": "w"}, **short)
    assert (claimed.json["code"], claimed.log) == ("no_tasks", "")
    page = run_cgi(database_url, "GET", "/", **short)
    assert page.status == 200
    assert page.log.count("API_KEY has 8 characters") == 1
    health = run_cgi(database_url, "GET", "/api/health", **short)
    assert (health.log, "API_KEY" in health.raw.decode()) == ("", False)


def test_a_name_in_utf_8_is_read_as_such(database_url: str) -> None:
    kind = {"name": "größe.ümlaut", "version": "1", "param_schema": {}}
    run_cgi(database_url, "POST", "/api/task-types/register", kind)
    found = run_cgi(database_url, "GET", "/api/task-types/größe.ümlaut")
    assert found.json["data"]["name"] == "größe.ümlaut"


def test_a_body_in_chunks_is_asked_for_its_length(database_url: str) -> None:
    response = run_cgi(database_url, "POST", "/api/tasks/claim", HTTP_TRANSFER_ENCODING="chunked")
    assert (response.status, response.json["code"]) == (411, "length_required")


def test_head_is_without_a_body(database_url: str) -> None:
    response = run_cgi(database_url, "HEAD", "/api/health")
    assert (response.status, response.raw) == (200, b"")


def test_a_wrong_setting_is_told_to_the_log_and_not_to_the_caller(database_url: str) -> None:
    response = run_cgi(database_url, "GET", "/api/health", TASKMANAGER_RETRY_DELAY="soon")
    assert (response.status, response.json["code"]) == (500, "internal")
    assert "RETRY_DELAY must be a number of seconds" in response.log
    assert "RETRY_DELAY" not in response.raw.decode()
    assert response.exit_code == 1


def test_a_database_that_is_away_is_told_to_the_log_and_not_to_the_caller() -> None:
    url = "mysql://nobody:hush@127.0.0.1:1/nowhere"
    response = run_cgi(url, "POST", "/api/tasks/claim", {"worker_id": "w"})
    assert (response.status, response.json["code"]) == (503, "database_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert "cannot be reached" in response.log
    assert "127.0.0.1" not in response.raw.decode()
