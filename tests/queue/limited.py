"""Calls of the API in a process that may have little memory: what they answer and what they take.

    python -m tests.queue.limited MEGABYTES SECONDS

reads a JSON list of calls, one ``{"path", "body"}`` a line on standard input, answers each with a
line, and gives checking so many seconds. A schema that registering refuses is stored all the same,
as one that an older version took would be.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.server import PROJECT

MEGABYTE = 1024 * 1024


class Outcome:
    """``cpu`` is in seconds; ``size`` the response's, in characters."""

    def __init__(self, line: str) -> None:
        found = json.loads(line)
        self.status: int = found["status"]
        self.cpu: float = found["cpu"]
        self.size: int = found["size"]
        self.response: dict[str, Any] = found["response"]
        self.text = " ".join(
            [str(self.response.get("error"))]
            + [f"{each['path']}: {each['message']}" for each in self.response.get("details", [])]
        )


def call_limited(calls: list[tuple[str, Any, float]], megabytes: int = 400) -> list[Outcome]:
    """The outcome of each call (path, body, seconds), all in one process with so much memory."""
    lines = [json.dumps(dict(zip(("path", "body", "seconds"), call))) + "\n" for call in calls]
    done = subprocess.run(
        [sys.executable, "-m", "tests.queue.limited", str(megabytes)],
        cwd=PROJECT,
        input="".join(lines),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [Outcome(line) for line in done.stdout.splitlines()]


def main() -> None:
    megabytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGABYTE, megabytes * MEGABYTE))

    from app.api.dispatch import handle
    from app.api.request import Request
    from app.config import from_values
    from app.queue import task_types
    from app.queue.schema import check
    from app.site import Site

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'queue.sqlite3'}"
        site = Site(from_values({"DATABASE_URL": url, "API_KEY": "a-key-of-the-tests"}))
        for line in sys.stdin:
            call = json.loads(line)
            check.CHECK_SECONDS = call["seconds"]
            body = json.dumps(call["body"], ensure_ascii=False).encode()
            headers = {"x-api-key": "a-key-of-the-tests"}
            before = time.process_time()
            response = handle(Request("POST", call["path"], {}, headers, body), site)
            cpu = time.process_time() - before
            text = response.body().decode()
            if response.status == 400 and call["path"] == "/task-types/register":
                wanted = call["body"]
                task_types.register(site, wanted["name"], "1", wanted["param_schema"], {})
            found = {"status": response.status, "cpu": cpu, "size": len(text)}
            print(json.dumps({**found, "response": json.loads(text)}), flush=True)


if __name__ == "__main__":
    main()
