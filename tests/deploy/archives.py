"""The archives that these tests install: built once for all processes of a run, and variants of
them, made from their files without a build.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.version import VERSION
from tests.support.checkout import copy_project
from tests.support.server import PROJECT
from tests.support.site import INTERPRETER as PYTHON

MANIFEST = "MANIFEST.json"
VERSION_FILE = "app/version.py"

shared_folder: list[Path] = []
"""Where the processes of one test run share what takes long to make; set by conftest.py."""

Files = dict[str, bytes]


@contextlib.contextmanager
def made_once(folder: Path) -> Iterator[bool]:
    """Whether the folder was filled before, by whichever process. One at a time fills it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield (folder / "made").exists()
        (folder / "made").touch()


# --- Built --------------------------------------------------------------------------------------


def plain() -> Path:
    """The archive of the working tree without packages, made by deploy.py itself."""
    folder = shared_folder[0] / "plain"
    with made_once(folder) as is_there:
        if not is_there:
            build(folder)
    return folder / f"taskmanager-{VERSION}.zip"


def bundle(python: str = PYTHON) -> Path:
    """The same with the packages for this Python, and deploy.py with the archive inside."""
    from app.install.build import build_one_file

    name = hashlib.sha256(python.encode()).hexdigest()[:12]
    folder = shared_folder[0] / f"bundle-{name}"
    with made_once(folder) as is_there:
        if not is_there:
            files, manifest = read(packages(python))
            vendor = {name: data for name, data in files.items() if name.startswith("vendor/")}
            archive = variant(folder, files=vendor, vendor=manifest["vendor"])
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            archive.with_name(f"{archive.name}.sha256").write_text(f"{digest}  {archive.name}\n")
            build_one_file(PROJECT, archive)
    return folder / f"taskmanager-{VERSION}.zip"


def one_file() -> Path:
    return bundle().with_name(f"taskmanager-{VERSION}-deploy.py")


def packages(python: str) -> Path:
    """An archive with packages as this Python brings them, kept from run to run: pip takes long."""
    version = subprocess.check_output([python, "-VV"], text=True)
    made_of = [version, (PROJECT / "setup.cfg").read_text(), build_module().read_text()]
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]
    folder = Path(sys.prefix) / f"deploy-packages-{digest}"
    with made_once(folder) as is_there:
        if not is_there:
            build(folder, "--with-vendor", python=python)
    return folder / f"taskmanager-{VERSION}.zip"


def build_module() -> Path:
    return PROJECT / "app" / "install" / "build.py"


def build(folder: Path, *options: str, python: str = PYTHON) -> Path:
    """The archive of the working tree, by the command."""
    project = copy_project(folder / "project")
    archive = folder / f"taskmanager-{VERSION}.zip"
    command = [python, str(project / "deploy.py"), "--build", "--output", str(archive), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(project)
    return archive


# --- Variants -----------------------------------------------------------------------------------


def variant(
    folder: Path,
    version: str = VERSION,
    edit: Mapping[str, str | None] | None = None,
    of: Path | None = None,
    files: Mapping[str, bytes] | None = None,
    **manifest: Any,
) -> Path:
    """An archive of this version, in which files have another text, or are missing for None, or
    are there besides. ``manifest`` replaces values of its manifest; None removes one.
    """
    content, listed = read(of or plain())
    content.update(files or {})
    for name, text in (edit or {}).items():
        if text is None:
            del content[name]
        else:
            content[name] = text.encode()
    content[VERSION_FILE] = with_version(content[VERSION_FILE], version)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    listed.update(version=version, files=digests, **manifest)
    for name, value in manifest.items():
        if value is None:
            del listed[name]
    return write(folder / f"taskmanager-{version}.zip", content, listed)


def without_installer(folder: Path, version: str = VERSION) -> Path:
    """An archive from before there was a hand-over: its steps are there, and no installer/."""
    names = [name for name in read(plain())[0] if name.startswith("installer/")]
    return variant(folder, version, dict.fromkeys(names), contracts=None)


def with_version(text: bytes, version: str) -> bytes:
    line = b'VERSION = "' + version.encode() + b'"'
    changed, count = re.subn(rb'(?m)^VERSION = ".*"$', line, text)
    assert count == 1
    return changed


def read(archive: Path) -> tuple[Files, dict[str, Any]]:
    """The files of an archive, and its manifest."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    return files, json.loads(files.pop(MANIFEST))


def write(path: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
        opened.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
    return path


def change(path: Path, old: str, new: str) -> None:
    """In a file that was uploaded."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")
