"""Schemathesis makes calls of the OpenAPI document and sends them to a real server: no response is
a server error, and none has a status, a content type, a header or a field that is not described.

In CI the calls are the same each time: on SQLite those at the edges of each field, on MariaDB
random ones. To look further: FUZZ_EXAMPLES=200 tests/run tests/api/test_fuzzing.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.http_client import Response
from tests.support.server import Server

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
)
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "")
SEED = "1"
SECONDS = 600
"""Far more than it takes, by which it is found to hang; with FUZZ_EXAMPLES it may take longer."""

KNOWN = {
    "id": {"type": "integer", "minimum": 1, "maximum": 40},
    "name": {"enum": ["mail.send", "emails", "nightly-report"]},
    "worker": {"enum": ["web1-4711", "mailer-1"]},
    "type": {"enum": ["mail.send", "emails"]},
    "queue_name": {"enum": ["emails", "mail.send"]},
    "worker_id": {"enum": ["web1-4711", "mailer-1"]},
    "attempt": {"enum": [1]},
    "task_types": {"enum": [["mail.send"], ["emails"]]},
}
"""What there is in the queue, by the name of the field: random values alone would find nothing."""


def test_nothing_fails_and_nothing_is_undocumented(
    server: Server, engine: str, tmp_path: Path
) -> None:
    fill(server)
    document = server.api("GET", "/openapi.json").json
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(with_known(document)), "utf-8")
    phases = {"sqlite": "examples,coverage", "mariadb": "examples,fuzzing"}[engine]
    if EXAMPLES:
        phases = "examples,coverage,fuzzing"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(path)),
        *("--url", server.url, "--header", f"X-API-Key: {server.api_key}"),
        *("--checks", ",".join(CHECKS), "--phases", phases),
        *("--max-examples", EXAMPLES or "10", "--seed", SEED),
        *("--generation-database", "none", "--continue-on-failure", "--no-color"),
        # It answers 503 when tasks wait longer than the call says, which is what it is for.
        *("--exclude-path", "/health/queue"),
    ]
    seconds = SECONDS + 60 * int(EXAMPLES or "0")
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    calls = sum(len(each) for each in document["paths"].values())
    assert tested, done.stdout
    assert int(tested[1]) == calls - 1


def fill(server: Server) -> None:
    """Types, and tasks in every state; a schedule, workers, a key."""

    def post(path: str, body: Any) -> Response:
        return server.api("POST", path, body)

    for name in ("mail.send", "emails"):
        post("/task-types/register", {"name": name, "version": "1", "param_schema": {}})
    new = {"type": "mail.send", "params": {}, "dedupe": False, "tags": ["welcome"]}
    post("/tasks", {"tasks": [new] * 20})
    post("/tasks", {"tasks": [{**new, "type": "emails"}] * 20})
    for worker, name in (("web1-4711", "mail.send"), ("mailer-1", "emails")):
        post("/workers/register", {"worker_id": worker, "task_types": [name]})
        claim = {"worker_id": worker, "task_types": [name], "limit": 16}
        claimed = post("/tasks/claim", claim).data["tasks"]
        for task in claimed[:3]:
            assert post(f"/tasks/{task['id']}/complete", {"worker_id": worker}).status == 200
        for task in claimed[3:6]:
            assert post(f"/tasks/{task['id']}/fail", {"error": "no", "retry": False}).status == 200
    for name in ("nightly-report", "mail.send", "emails"):
        every_day = {"name": name, "type": "mail.send", "every": 86400}
        assert post("/schedules", every_day).status == 201
    assert post("/keys", {"name": "web site", "scopes": ["produce"]}).status == 201


def with_known(document: Any) -> Any:
    """The document, in which fields may also have the values that are known here."""
    if isinstance(document, list):
        return [with_known(each) for each in document]
    if not isinstance(document, dict):
        return document
    found = {name: with_known(each) for name, each in document.items()}
    if found.get("in") in ("path", "query") and found["name"] in KNOWN:
        found["schema"] = or_known(found["name"], found["schema"])
    if "requestBody" in found:
        narrow(found["requestBody"])
    return found


def narrow(thing: Any) -> None:
    """The fields of a body, in place."""
    if isinstance(thing, list):
        for each in thing:
            narrow(each)
    if isinstance(thing, dict):
        for name, schema in thing.get("properties", {}).items():
            if name in KNOWN:
                thing["properties"][name] = or_known(name, schema)
        for each in thing.values():
            narrow(each)


def or_known(name: str, schema: Any) -> Any:
    return {"anyOf": [KNOWN[name], schema]}
