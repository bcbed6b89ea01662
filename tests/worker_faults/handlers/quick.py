"""Handlers that are done at once."""

from __future__ import annotations

import time
from typing import Any

from worker import task


@task("quick.work")
def work(params: dict[str, Any]) -> Any:
    time.sleep(0.001)
    return params["number"]
