"""Who may read the config and the data, and whether the site may write where it has to."""

from __future__ import annotations

import os
import stat

from app import config
from app.doctor.finding import note, ok, problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.site import Site


def check(site: Site) -> list[Finding]:
    found: list[Finding] = []
    path = config.config_path(os.environ)
    if path:
        found += _readable(path, "the keys and passwords in it")
    url = site.settings.database
    if url.engine == "sqlite":
        folder = os.path.dirname(url.path)
        for each in (url.path, f"{url.path}-wal"):
            found += _readable(each, "every task in it") if os.path.exists(each) else []
        found += _writable([folder, url.path])
    log = os.environ.get("TASKMANAGER_LOG_FILE", "")
    if log:
        found += _writable([os.path.dirname(log) or ".", log])
    if all(each.level == "ok" for each in found):
        return [ok("only their owner can read the site's files, and they can be written")]
    return found


def _readable(path: str, content: str) -> list[Finding]:
    """Others on the host may read a file, unless a folder above it keeps them out."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o007:
        return [problem(f"all users of the host may read {path}, {content}: chmod 600 {path}")]
    if mode & 0o070:
        return [note(f"the group of {path} may read it, {content}")]
    return []


def _writable(paths: list[str]) -> list[Finding]:
    return [
        problem(f"{path} cannot be written by this user: change its owner or its permissions")
        for path in paths
        if os.path.exists(path) and not os.access(path, os.W_OK)
    ]
