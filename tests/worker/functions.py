"""Handlers as functions of a module, as a program gives them to a worker with processes."""

from __future__ import annotations

import os
from typing import Any

from worker import Job


def process_id(params: dict[str, Any], job: Job) -> list[int]:
    return [os.getpid(), os.getppid(), params["number"] * 2]
