"""Handlers of workers that are killed at any moment."""

from __future__ import annotations

import time
import uuid
from typing import Any

from notes import note

from worker import Job, task


@task("chaos.work")
def work(params: dict[str, Any], job: Job) -> str:
    note("begun", job)
    time.sleep(params["seconds"])
    token = uuid.uuid4().hex
    note("ended", job, token=token)
    return token
