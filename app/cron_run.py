"""When the cron line last ran: what cron.py of an installed site leaves beside config.py."""

from __future__ import annotations

import os
import time

from app import config


def home() -> str:
    """The folder of an installed site with cron.py in it; empty where there is none."""
    folder = os.path.dirname(config.config_path(os.environ))
    return folder if folder and os.path.exists(os.path.join(folder, "cron.py")) else ""


def log_path(folder: str) -> str:
    return os.path.join(folder, "logs", "cron.log")


def seconds_since(folder: str) -> float | None:
    """None where it has never run, or where this is no installed site."""
    if not folder:
        return None
    try:
        return max(0.0, time.time() - os.path.getmtime(log_path(folder)))
    except OSError:
        return None
