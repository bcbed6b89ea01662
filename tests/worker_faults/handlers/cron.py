"""Handlers of workers that cron starts: they take their time, wait for a file, or fail first."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from notes import note

from worker import Job, task


@task("cron.work")
@task("mail.work")
@task("video.work")
def work(params: dict[str, Any], job: Job) -> str:
    note("begun", job)
    if params.get("fails", 0) >= job.attempt:
        raise RuntimeError("not this time")
    gate = params.get("gate")
    ends_at = time.monotonic() + params.get("seconds", 0)
    while time.monotonic() < ends_at or (gate and not Path(gate).exists()):
        time.sleep(0.01)
    note("ended", job)
    return "done"
