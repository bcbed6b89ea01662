"""Archives that differ from the one of the working tree, made from its files without a build."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.version import VERSION
from tests.deploy import hosting_account

MANIFEST = "MANIFEST.json"
VERSION_FILE = "app/version.py"


def plain_archive() -> Path:
    """The archive of the working tree without packages, made once for all processes of a run."""
    folder = hosting_account.shared_folder[0] / "plain"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = list(folder.glob("*.zip"))
        return found[0] if found else hosting_account.build(folder)


def variant(
    folder: Path,
    version: str = VERSION,
    edit: Mapping[str, str | None] | None = None,
    of: Path | None = None,
    **manifest: Any,
) -> Path:
    """An archive of this version, in which files have another text, or are missing for None.

    ``manifest`` replaces values of its manifest; None removes one.
    """
    with zipfile.ZipFile(of or plain_archive()) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    content = json.loads(files.pop(MANIFEST))
    for name, text in (edit or {}).items():
        if text is None:
            del files[name]
        else:
            files[name] = text.encode()
    set_version(files, version)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    content.update(version=version, files=digests, **manifest)
    content = {name: value for name, value in content.items() if name not in removed(manifest)}
    return write(folder / f"taskmanager-{version}.zip", files, content)


def removed(manifest: Mapping[str, Any]) -> set[str]:
    return {name for name, value in manifest.items() if value is None}


def set_version(files: dict[str, bytes], version: str) -> None:
    text, count = re.subn(
        rb'(?m)^VERSION = ".*"$', b'VERSION = "' + version.encode() + b'"', files[VERSION_FILE]
    )
    assert count == 1
    files[VERSION_FILE] = text


def write(path: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
        opened.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
    return path


def installer_files() -> list[str]:
    """The names of the files of installer/ in the archive."""
    with zipfile.ZipFile(plain_archive()) as opened:
        return [name for name in opened.namelist() if name.startswith("installer/")]


def without_installer(folder: Path, version: str = VERSION, of: Path | None = None) -> Path:
    """An archive from before there was a hand-over: its steps are there, and no installer/."""
    edit: dict[str, str | None] = dict.fromkeys(installer_files())
    return variant(folder, version, edit, of, contracts=None)
