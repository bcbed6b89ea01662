"""passenger_wsgi.py executed as a CGI program."""

from __future__ import annotations

from urllib.parse import urlencode

from tests.hosting.programs import KEY, run_cgi


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


def test_answers_carry_the_headers_of_the_contract(database_url: str) -> None:
    answer = run_cgi(database_url, "GET", "/api/health")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.raw)


def test_lists_and_the_root_go_through_flask(database_url: str) -> None:
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


def test_a_name_in_utf_8_is_read_as_such(database_url: str) -> None:
    kind = {"name": "größe.ümlaut", "version": "1", "param_schema": {}}
    run_cgi(database_url, "POST", "/api/task-types/register", kind)
    found = run_cgi(database_url, "GET", "/api/task-types/größe.ümlaut")
    assert found.json["data"]["name"] == "größe.ümlaut"


def test_a_body_in_chunks_is_asked_for_its_length(database_url: str) -> None:
    answer = run_cgi(database_url, "POST", "/api/tasks/claim", HTTP_TRANSFER_ENCODING="chunked")
    assert (answer.status, answer.json["code"]) == (411, "length_required")


def test_head_answers_without_a_body(database_url: str) -> None:
    answer = run_cgi(database_url, "HEAD", "/api/health")
    assert (answer.status, answer.raw) == (200, b"")


def test_a_wrong_setting_is_told_to_the_log_and_not_to_the_caller(database_url: str) -> None:
    answer = run_cgi(database_url, "GET", "/api/health", TASKMANAGER_RETRY_DELAY="soon")
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert "RETRY_DELAY must be a number of seconds" in answer.log
    assert "RETRY_DELAY" not in answer.raw.decode()
    assert answer.exit_code == 1


def test_a_database_that_is_away_is_told_to_the_log_and_not_to_the_caller() -> None:
    url = "mysql://nobody:hush@127.0.0.1:1/nowhere"
    answer = run_cgi(url, "POST", "/api/tasks/claim", {"worker_id": "w"})
    assert (answer.status, answer.json["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "cannot be reached" in answer.log
    assert "127.0.0.1" not in answer.raw.decode()
