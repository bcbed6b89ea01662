"""Every curl line of /api/docs, pasted into a shell one after another, does what it says."""

from __future__ import annotations

import re
import subprocess

import pytest
from bs4 import BeautifulSoup

from app.api.routes import ROUTES
from tests.api.addresses import template
from tests.support.database import restart_ids
from tests.support.server import Server

LATER = "curl -H 'X-API-Key: '$KEY "
"""Begins a line of the test's own, which is about what no other line of the page does."""

STORY = [
    *("GET /", "GET /openapi.json"),
    *("GET /health", "GET /health/live", "GET /health/ready", "GET /health/queue"),
    *("POST /task-types/register", "GET /task-types", "GET /task-types/{name}"),
    *("POST /task-types/{name}/deactivate", "POST /task-types/{name}/activate"),
    *("POST /task-types/{name}/pause", "POST /task-types/{name}/resume"),
    *("GET /queue", "POST /queue/pause", "POST /queue/resume"),
    "POST /tasks",
    LATER
    + """$URL/tasks -d '{"tasks": [{"type": "mail.send", "params": {"to": "bob@example.com"}},
        {"type": "mail.send", "params": {"to": "cy@example.com"}},
        {"type": "mail.send", "params": {"to": "di@example.com"}}]}'""",
    "POST /tasks/claim",
    LATER + """$URL/tasks/claim -d '{"worker_id": "web1-4711", "limit": 2}'""",
    *("POST /tasks/{id}/heartbeat", "POST /tasks/{id}/progress", "POST /tasks/heartbeat"),
    *("POST /tasks/{id}/complete", "POST /tasks/{id}/fail", "POST /tasks/settle"),
    *("POST /tasks/{id}/release", "POST /tasks/{id}/retry", "POST /tasks/{id}/cancel"),
    *("GET /tasks/{id}", "GET /tasks/{id}/history", "GET /tasks"),
    *("GET /stats", "GET /stats/series", "GET /metrics", "GET /failures"),
    *("POST /tasks/{id}/delete", "DELETE /tasks/{id}"),
    *("POST /v1/workers/register", "POST /v1/jobs", "POST /v1/jobs/bulk", "POST /v1/jobs/claim"),
    *("POST /v1/jobs/{id}/heartbeat", "POST /v1/jobs/{id}/progress", "GET /v1/jobs/{id}"),
    *("POST /v1/jobs/{id}/complete", "PUT /v1/jobs/{id}/priority", "POST /v1/jobs/{id}/priority"),
    LATER + """$URL/v1/jobs/claim -d '{"queue_name": "emails", "worker_id": "mailer-1"}'""",
    *("POST /v1/jobs/{id}/fail", "POST /v1/jobs/{id}/retry", "GET /v1/jobs/{id}/history"),
    *("GET /v1/jobs", "GET /v1/jobs/dlq", "GET /v1/jobs/status", "GET /v1/jobs/stats"),
    *("POST /v1/jobs/{id}/cancel", "DELETE /v1/jobs/{id}"),
    *("POST /v1/jobs/dlq/retry", "POST /v1/jobs/dlq/purge"),
    *("GET /v1/workers", "GET /v1/workers/{worker}", "POST /v1/workers/{worker}/heartbeat"),
    "POST /v1/workers/{worker}/deregister",
    *("GET /v1/queues", "GET /v1/queues/{name}", "GET /v1/queues/{name}/stats"),
    *("POST /v1/queues/{name}/pause", "POST /v1/queues/{name}/resume"),
    *("POST /v1/schedules", "GET /v1/schedules", "GET /v1/schedules/{id}"),
    *("PUT /v1/schedules/{id}", "POST /v1/schedules/{id}"),
    *("POST /v1/schedules/{id}/pause", "POST /v1/schedules/{id}/resume"),
    *("POST /v1/schedules/{id}/trigger", "GET /v1/schedules/{id}/history"),
    *("POST /v1/schedules/{id}/delete", "DELETE /v1/schedules/{id}"),
    *("POST /schedules", "GET /schedules", "GET /schedules/{name}"),
    *("POST /schedules/{name}/pause", "POST /schedules/{name}/resume"),
    *("POST /schedules/{name}/run", "POST /schedules/{name}/delete"),
    *("POST /schedules", "DELETE /schedules/{name}"),
    *("POST /workers/register", "GET /workers/{worker}", "GET /workers/{worker}/stats"),
    *("GET /workers", "POST /workers/{worker}/heartbeat", "POST /workers/{worker}/deregister"),
    *("POST /keys", "GET /keys", "POST /keys/{id}/rotate", "POST /keys/{id}/revoke", "GET /audit"),
    *("POST /run", "GET /run"),
    *("POST /tasks/retry", "POST /tasks/cancel", "POST /tasks/delete"),
    LATER + """$URL/tasks/cancel -d '{"filter": {"type": "%"}}'""",
    *("POST /task-types/{name}/delete", "POST /task-types/register"),
    "DELETE /task-types/{name}",
]

EXPECTED = {
    "DELETE /tasks/{id}": (404, "the line before has deleted it"),
    "DELETE /v1/schedules/{id}": (404, "the line before has deleted it"),
    "DELETE /v1/jobs/{id}": (409, "this job has completed"),
    "POST /run": (409, "this server has no handlers"),
    "GET /run": (409, "this server has no handlers"),
}
"""Every other line succeeds."""


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_each_line_works_when_it_is_pasted(server: Server) -> None:
    restart_ids(server.database_url)
    lines = dict.fromkeys(map(template, ROUTES), "")
    lines.update(lines_of_the_page(server))
    assert [call for call, line in lines.items() if not line or call not in STORY] == []
    commands = [lines.get(each, each) for each in STORY]
    results = run_in_one_shell(server, commands)
    wrong = []
    for call, command, (status, body) in zip(STORY, commands, results):
        expected, _ = EXPECTED.get(call, (0, ""))
        if status != expected and not (expected == 0 and 200 <= status < 300):
            wrong.append(f"{command}\n    {status} {body}")
    assert not wrong, "\n".join(wrong)


def lines_of_the_page(server: Server) -> dict[str, str]:
    """The curl line of each call."""
    page = BeautifulSoup(server.api("GET", "/docs", headers={}).raw, "html.parser")
    found = {}
    for each in page.select(".one-call"):
        line = each.select_one("pre.curl")
        assert line is not None
        found[str(each["data-call"])] = line.get_text()
    return found


def run_in_one_shell(server: Server, commands: list[str]) -> list[tuple[int, str]]:
    """The status and the body that each prints."""
    # Each command is as on the page, with options behind it that tell what came of it.
    told = r" -sS -w '\n=%{http_code}=\n'"
    script = "".join(f"{command}{told}\n" for command in commands)
    done = subprocess.run(
        ["sh"],
        input=f"KEY='{server.api_key}'\nURL={server.url}\n{script}",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stderr == ""
    parts = re.split(r"\n=(\d+)=\n", done.stdout)
    results = [(int(status), body[:500]) for body, status in zip(parts[::2], parts[1::2])]
    assert len(results) == len(commands), done.stdout[-2000:]
    return results
