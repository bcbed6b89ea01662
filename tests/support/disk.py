"""A small disk for the tests, to be filled to its last byte."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path


def mount(folder: Path, megabytes: int) -> None:
    """Put an empty disk of this size, in memory, over a folder.

    Raises RuntimeError where that takes rights that the tests do not have.
    """
    options = f"size={megabytes}m,mode=755,uid={os.geteuid()},gid={os.getegid()}"
    done = subprocess.run(
        [*_as_root(), "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"no disk can be mounted, which takes root or sudo: {done.stderr}")


def unmount(folder: Path) -> None:
    """Take it away, with all that is on it."""
    subprocess.run([*_as_root(), "umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until no byte more fits on its disk."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(b"\1" * size) == size:
                    pass


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]
