"""Handlers that wait for a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from notes import note

from worker import Job, task


@task("chaos.gate")
def gate(params: dict[str, Any], job: Job) -> str:
    note("begun", job)
    while not Path(params["gate"]).exists():
        time.sleep(0.05)
    note("ended", job)
    return str(params["gate"])
