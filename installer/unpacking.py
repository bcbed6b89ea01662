"""Unpacking the archive into a folder of its own, resumable, and deleting what is not needed."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
import zipfile

from app.install.files import sha256_of
from app.install.versions import MANIFEST
from installer.detached import IncompleteStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from app.install.installation import Installation
    from installer.upload import Archive


def unpack(archive: Archive, builds: Path, deadline: float) -> Path:
    """The build's folder, whole. Raises IncompleteStep, and goes on where it was; InstallError,
    OSError.
    """
    target = builds / archive.name
    if target.is_dir() and is_whole(target, archive):
        return target
    draft = builds / f".unpacking-{archive.name}"
    remove_drafts(builds, keep=draft.name)
    draft.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        unpack_files(archive, draft, deadline)
        (draft / MANIFEST).write_bytes(archive.content)
    except IncompleteStep:
        raise
    except Exception:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if target.is_dir():
        os.rename(target, builds / f".damaged-{archive.name}-{secrets.token_hex(4)}")
    os.rename(draft, target)
    return target


def unpack_files(archive: Archive, folder: Path, deadline: float) -> None:
    files = archive.files()
    try:
        with zipfile.ZipFile(archive.path) as opened:
            for number, (name, digest) in enumerate(sorted(files.items()), 1):
                unpack_file(archive, opened, name, digest, folder / name)
                if time.monotonic() > deadline:
                    raise IncompleteStep(f"{number} of {len(files)} files", number / len(files))
    except (zipfile.BadZipFile, FileNotFoundError):
        raise archive.has_changed() from None


def unpack_file(
    archive: Archive, opened: zipfile.ZipFile, name: str, digest: str, path: Path
) -> None:
    if path.is_file() and sha256_of(path) == digest:
        return
    content = opened.read(name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise archive.has_changed()
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)


def is_whole(folder: Path, archive: Archive) -> bool:
    """Whether every file of the archive is in the folder as it was made."""
    return all(
        (folder / name).is_file() and sha256_of(folder / name) == digest
        for name, digest in archive.files().items()
    )


def remove_drafts(builds: Path, keep: str = "") -> None:
    for pattern in (".unpacking-*", ".damaged-*"):
        for path in builds.glob(pattern):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)


def remove_unused(installation: Installation, keep: str = "") -> None:
    """Delete builds that neither serve, nor served before, nor are being installed."""
    kept = {installation.current, installation.previous, keep}
    for path in installation.builds.iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
