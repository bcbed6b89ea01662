"""A line for the shell that makes a call."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.reference.chapters import Section
    from app.api.reference.operation import Operation
    from app.api.routes import Route

IN_PATH = (
    ("/tasks/{id}/retry", "2"),
    ("/v1/jobs/{id}/fail", "6"),
    ("/v1/jobs/{id}/retry", "6"),
    ("/v1/jobs/{id}/cancel", "6"),
    ("/v1/jobs/{id}/priority", "6"),
    ("/v1/jobs/{id}", "5"),
    ("/v1/workers/{worker}", "mailer-1"),
    ("/v1/queues/{name}", "emails"),
    ("/task-types/{name}", "mail.send"),
    ("/schedules/{name}", "nightly-report"),
    ("/workers/{worker}", "web1-4711"),
)
"""What stands for a parameter, if the example of a response does not tell."""


def curl_line(route: Route, operation: Operation, section: Section, address: str) -> str:
    """``address`` is that of the API. The key is in the variable ``KEY``."""
    method, template = route.method, route.template
    requests = section.requests()
    parts = ["curl"]
    if method not in ("GET", "POST") or (method == "POST" and not requests):
        parts.append(f"-X {method}")
    if not route.is_open:
        parts.append('-H "X-API-Key: $KEY"')
    url = f"{address}{_path(template, section)}"
    parts.append(_quoted(f"{url}?{operation.example_query}" if operation.example_query else url))
    if method != "GET" and requests:
        parts.append(f"-d {_quoted(json.dumps(requests[0], ensure_ascii=False))}")
    return " ".join(parts)


def _path(template: str, section: Section) -> str:
    """The path of what the example is about: task 4 is at ``/tasks/4``."""
    shown = _example(section)
    for parameter, field in (("{id}", "id"), ("{worker}", "id"), ("{name}", "name")):
        if parameter in template:
            value = shown.get(field, _usual(template))
            return template.replace(parameter, str(value))
    return "" if template == "/" else template


def _usual(template: str) -> str:
    return next((value for start, value in IN_PATH if template.startswith(start)), "1")


def _example(section: Section) -> dict[str, Any]:
    for status in (200, 201):
        for value, _ in section.responses(status):
            if isinstance(value, dict):
                return value
    return {}


def _quoted(text: str) -> str:
    """As one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"
