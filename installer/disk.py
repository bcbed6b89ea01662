"""The disk: whether something can be written, and what to do when not."""

from __future__ import annotations

import errno
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

NEEDED_BYTES = 100_000_000


def advice_for(error: OSError) -> str:
    """What a person can do about an error of the system."""
    where = str(error.filename or "the folder")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            "The disk is full, or the account's quota is used up. Free at least "
            f"{NEEDED_BYTES // 1_000_000} MB and go on; nothing half-made is left in use."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where} cannot be written to. Let its folder belong to your account with the mode "
            "755 (control panel, file manager, permissions), and go on."
        )
    return f"{error.strerror or error} ({where})"


def probe_disk(folder: Path) -> None:
    """Write 8 MB and delete them: a quota shows only when something is written. Raises OSError."""
    with tempfile.TemporaryFile(dir=str(folder)) as probe:
        for _ in range(8):
            probe.write(b"\0" * (1 << 20))
        probe.flush()


def disk_trouble(folder: Path) -> str:
    """What to do about a disk that takes nothing more; empty for one that does."""
    try:
        probe_disk(folder)
    except OSError as error:
        return advice_for(error)
    return ""


def size_of(folder: Path) -> int:
    """Bytes on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
