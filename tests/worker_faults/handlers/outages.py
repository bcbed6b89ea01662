"""Handlers of workers whose server is away for a while."""

from __future__ import annotations

import time
from typing import Any

from notes import note

from worker import Job, task


@task("chaos.work")
def work(params: dict[str, Any], job: Job) -> int:
    note("begun", job)
    time.sleep(params["seconds"])
    note("ended", job)
    return job.id * 10
