"""Whether there is space for what the site writes."""

from __future__ import annotations

import os
import shutil

from app import config
from app.doctor.finding import ok, problem
from app.wording import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.site import Site

LEAST_BYTES = 100 * 1000 * 1000
LEAST_SHARE = 0.02


def check(site: Site) -> list[Finding]:
    """Of the disk as a whole: an account's quota cannot be seen from here."""
    url = site.settings.database
    folder = os.path.dirname(config.config_path(os.environ)) or config.PROJECT_FOLDER
    if url.engine == "sqlite":
        folder = _first_that_exists(os.path.dirname(url.path))
    usage = shutil.disk_usage(folder)
    free = f"{size(usage.free)} are free on the disk of {folder}"
    if usage.free < LEAST_BYTES or usage.free < usage.total * LEAST_SHARE:
        return [problem(f"only {free}: delete old backups and logs, or prune tasks")]
    if url.engine == "sqlite" and os.path.exists(url.path):
        return [ok(f"{free}, the queue's file has {size(os.path.getsize(url.path))}")]
    return [ok(free)]


def _first_that_exists(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
