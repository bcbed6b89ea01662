"""Files that are there whole or not at all, and locks that end with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile

from app.install.errors import Busy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

DRAFT = ".ht-draft-"
"""How the names of unfinished files begin: Apache hands out nothing that begins with ".ht"."""


def write_whole(path: Path, content: bytes | str, mode: int = 0o600) -> None:
    """Replace a file as a whole, also when the power fails. Raises OSError."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    descriptor, draft = tempfile.mkstemp(prefix=DRAFT, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    with contextlib.suppress(OSError):  # some file systems cannot do this for folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is none, or none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path, wait: bool) -> Iterator[int]:
    """Take a lock that ends with its holder, killed or not. Raises Busy unless told to wait."""
    with path.open("ab") as file:
        os.chmod(path, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield file.fileno()


def is_locked(path: Path) -> bool:
    try:
        with locked(path, wait=False):
            return False
    except Busy:
        return True
