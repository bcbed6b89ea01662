"""Folders for files that are being written. They are locked as long as somebody writes, so that
what a killed command has left is known for what it is, and removed by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = ".ht-draft-"
"""Web servers do not serve files whose names begin with .ht."""

LOCK = ".ht-lock"
CONTENT = ".ht-content"

DAY = 86400.0
"""Drafts without a lock are from earlier versions, or on disks that have none: these go by age."""


@contextlib.contextmanager
def draft_in(folder: str) -> Iterator[str]:
    """Yields the name of a new file, beside which others may be made whose names begin with it.
    All of them are gone in the end, unless the file was moved. Raises OSError.
    """
    remove_abandoned(folder)
    own = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
    lock = None
    try:
        lock = _lock(own)
        yield os.path.join(own, CONTENT)
    finally:
        shutil.rmtree(own, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_abandoned(folder: str) -> None:
    """Remove the drafts that nobody writes any more. What cannot be removed stays."""
    with contextlib.suppress(OSError):
        names = [name for name in os.listdir(folder) if name.startswith(PREFIX)]
        for path in [os.path.join(folder, name) for name in names]:
            with contextlib.suppress(OSError):
                if _is_abandoned(path):
                    _remove(path)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)


def _lock(own: str) -> int | None:
    """Lock a draft. The lock gets its name once it is held: nobody ever finds it free before."""
    handle, path = tempfile.mkstemp(dir=own)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # no locks on this disk
        os.close(handle)
        return None
    os.rename(path, os.path.join(own, LOCK))
    return handle


def _is_abandoned(path: str) -> bool:
    try:
        handle = os.open(os.path.join(path, LOCK), os.O_RDWR)
    except OSError:  # it has none
        return _is_old(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # whoever holds it is writing
        return False
    finally:
        os.close(handle)
    return True


def _is_old(path: str) -> bool:
    """Whether nothing was written into it for a day."""
    inside = [os.path.join(path, name) for name in os.listdir(path)] if os.path.isdir(path) else []
    return max(os.path.getmtime(each) for each in [path, *inside]) < time.time() - DAY
