"""What handlers write down themselves about each run, beside what the server believes.

A test puts this file beside its handlers, which call note("begun", job) and note("ended", job).
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from worker import Job


def note(event: str, job: Job, **facts: Any) -> None:
    facts.update(event=event, id=job.id, attempt=job.attempt, worker=job.worker_id)
    line = json.dumps({"at": time.monotonic(), "pid": os.getpid(), **facts})
    # In one call: what was written before a SIGKILL is there whole.
    file = os.open("journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line.encode() + b"\n")
    os.close(file)
