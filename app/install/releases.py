"""Releases: the archive that a site is installed from, and which of its releases serves.

Standard library only: an archive is built before anything is installed.

A site's home holds ``releases/<name>/`` for each release, and the file ``current`` with the name
of the one that serves. A process reads it once, when it starts. The file ``previous`` beside it
has the name that ``current`` had before.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MANIFEST = "MANIFEST.json"
RELEASES = "releases"
CURRENT = "current"
PREVIOUS = "previous"

# What a site needs; of a folder everything below it.
INCLUDED = (
    *("app", "docs", "examples/handlers.py"),
    *("passenger_wsgi.py", "worker.py", "schema.sql", "config.example.py", "setup.cfg"),
    *("README.md", "CHANGELOG.md"),
)
LEFT_OUT = re.compile(r"(^|/)(__pycache__|\.[^/]*)(/|$)|\.pyc$|^docs/(?!.*\.md$)")

# Of installed packages: what pip notes about this installation, commands, sources for compilers
# and their types' stubs, and the packages' own tests. Hosts count files.
VENDOR_LEFT_OUT = re.compile(
    r"(^|/)__pycache__/|^bin/|/tests?/|\.(pyc|pyi|pyx|pxd|c|h|cpp)$|(^|/)py\.typed$"
    r"|\.dist-info/(RECORD|INSTALLER|REQUESTED|WHEEL|direct_url\.json|top_level\.txt)$"
)

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")

# The earliest time that a zip archive can hold, whatever the files' own say.
TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644


class ReleaseError(Exception):
    """A release cannot be built or used. The message says why and what to do."""


# --- Building ---------------------------------------------------------------------------------


def build(project: Path, target: Path | None = None, with_vendor: bool = False) -> Path:
    """Write the release archive of a project and its ``.sha256`` beside it; the archive's path.

    The same files give the same bytes, whatever their times and modes and whoever builds.
    ``with_vendor`` adds the packages that the site needs, for this interpreter and platform.
    Raises ReleaseError.
    """
    files = {name: (project / name).read_bytes() for name in _project_files(project)}
    vendor = None
    if with_vendor:
        packages = _vendor_files(project)
        files.update(packages)
        vendor = _vendor_needs(packages)
    version = _version(files)
    manifest = _manifest(version, files, vendor)
    suffix = "-vendor" if with_vendor else ""
    archive = target or project / "dist" / f"taskmanager-{version}{suffix}.zip"
    try:
        _write_archive(archive, {**files, MANIFEST: manifest}, compressed=with_vendor)
    except OSError as error:
        raise ReleaseError(f"{archive} cannot be written ({error})") from error
    return archive


def build_command(project: Path, output: Path | None = None, with_vendor: bool = False) -> int:
    """``deploy.py --build``: builds, prints what was made, and returns the exit code."""
    try:
        changed = changed_files(project)
        archive = build(project, output, with_vendor)
    except ReleaseError as error:
        print(f"No archive was built: {error}", file=sys.stderr)
        return 4
    if changed:
        print(
            f"Not any commit's archive: {len(changed)} of its files differ from the last commit "
            f"({', '.join(changed[:5])}{', …' if len(changed) > 5 else ''}).",
            file=sys.stderr,
        )
    print(f"{archive}\nSHA-256 {_sha256(archive.read_bytes())}\nrelease {release_of(archive)}")
    return 0


def changed_files(project: Path) -> list[str]:
    """Which files of the archive differ from the last commit; none without a git checkout."""
    listed = _git(project, "status", "--porcelain", "-z", "--no-renames", "-uall", *_paths())
    names = [entry[3:] for entry in (listed or "").split("\0") if entry]
    return sorted(name for name in names if not LEFT_OUT.search(name))


def release_name(manifest: bytes) -> str:
    """The name of a release's folder: its version, and what tells it from all others."""
    return f"{json.loads(manifest)['version']}-{_sha256(manifest)[:12]}"


def release_of(archive: Path) -> str:
    """The name of the release in an archive."""
    with zipfile.ZipFile(archive) as opened:
        return release_name(opened.read(MANIFEST))


def _project_files(project: Path) -> list[str]:
    """Relative, with ``/``, sorted: what git knows of, or else what lies there."""
    listed = _git(project, "ls-files", "-z", *_paths())
    found = _walk(project) if listed is None else (name for name in listed.split("\0") if name)
    names = [name for name in found if not LEFT_OUT.search(name) and (project / name).is_file()]
    missing = [name for name in INCLUDED if "." in name and name not in names]
    if missing:
        raise ReleaseError(f"{project} lacks {', '.join(missing)}: build in a whole checkout")
    return sorted(names)


def _paths() -> list[str]:
    return ["--", *INCLUDED]


def _walk(project: Path) -> Iterator[str]:
    for name in INCLUDED:
        path = project / name
        for found in [path] if path.is_file() else path.rglob("*"):
            yield found.relative_to(project).as_posix()


def _git(project: Path, *arguments: str) -> str | None:
    """What a git command prints; None where the project is no checkout that git can read."""
    if not (project / ".git").exists():
        return None
    command = ["git", "-C", str(project), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def _version(files: dict[str, bytes]) -> str:
    found = re.search(rb'^VERSION = "([0-9A-Za-z.+-]+)"$', files["app/version.py"], re.MULTILINE)
    if found is None:
        raise ReleaseError('app/version.py does not say VERSION = "…"')
    return found[1].decode()


def _manifest(version: str, files: dict[str, bytes], vendor: dict[str, str] | None) -> bytes:
    content = {
        "name": "taskmanager",
        "version": version,
        "vendor": vendor,
        "files": {name: _sha256(data) for name, data in files.items()},
    }
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _write_archive(archive: Path, files: dict[str, bytes], compressed: bool) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    # Compressed bytes depend on the version of zlib. A small archive does without.
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    unfinished = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(unfinished, "w") as opened:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, TIME)
                entry.create_system = 3
                entry.external_attr = MODE << 16
                opened.writestr(entry, files[name], method, 9)
        checksum = f"{_sha256(unfinished.read_bytes())}  {archive.name}\n"
        os.replace(unfinished, archive)
    finally:
        unfinished.unlink(missing_ok=True)
    archive.with_name(archive.name + ".sha256").write_text(checksum, "utf-8")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- Packages in the archive ------------------------------------------------------------------


def _vendor_files(project: Path) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "vendor"
        _pip(folder, *_requirements(project))
        _prefer_pure(folder, Path(name) / "pure")
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
        return {
            f"vendor/{name}": path.read_bytes()
            for name, path in found.items()
            if path.is_file() and not VENDOR_LEFT_OUT.search(name)
        }


def _requirements(project: Path) -> list[str]:
    config = configparser.ConfigParser(interpolation=None)
    config.read(project / "setup.cfg", encoding="utf-8")
    return config["options"]["install_requires"].split("\n")[1:]


def _vendor_needs(packages: Iterable[str]) -> dict[str, str]:
    """For whom the packages are. Code that was compiled runs on its own platform alone."""
    compiled = any(name.endswith((".so", ".pyd")) for name in packages)
    python = "{}.{}".format(*sys.version_info[:2])
    return {"python": python, "platform": sysconfig.get_platform() if compiled else "any"}


def _prefer_pure(folder: Path, spare: Path) -> None:
    """Replace each compiled package by its pure Python edition, where there is one."""
    for information in sorted(folder.glob("*.dist-info")):
        if "Root-Is-Purelib: false" not in (information / "WHEEL").read_text("utf-8"):
            continue
        name, version = information.name[: -len(".dist-info")].rsplit("-", 1)
        pure = spare / information.name
        any_platform = ["--platform", "any", "--implementation", "py", "--abi", "none"]
        try:
            _pip(pure, "--no-deps", "--only-binary=:all:", *any_platform, f"{name}=={version}")
        except ReleaseError:
            continue  # only compiled
        for line in (information / "RECORD").read_text("utf-8").splitlines():
            (folder / line.split(",")[0].strip('"')).unlink(missing_ok=True)
        shutil.copytree(pure, folder, dirs_exist_ok=True)


def _pip(folder: Path, *arguments: str) -> None:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(folder)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()[-1000:]
        raise ReleaseError(f"pip could not bring the packages; it says: {reason}")


# --- Which release serves ---------------------------------------------------------------------


def read_current(home: Path) -> str | None:
    """The name of the release that serves; None before the first."""
    return _read_name(home / CURRENT)


def previous(home: Path) -> str | None:
    """The release that served before the current one; None where there is none to return to."""
    name = _read_name(home / PREVIOUS)
    if name is None or name == read_current(home) or not (home / RELEASES / name).is_dir():
        return None
    return name


def switch(home: Path, name: str) -> None:
    """Let this release serve every process that starts from now on, at once and for good.

    Naming the one that serves already changes nothing. Raises ReleaseError when there is no
    such release.
    """
    if not NAME.fullmatch(name) or not (home / RELEASES / name).is_dir():
        raise ReleaseError(f"there is no release {name!r} in {home / RELEASES}")
    before = read_current(home)
    if before == name:
        return
    if before is not None:
        _write_name(home / PREVIOUS, before)
    _write_name(home / CURRENT, name)


def switch_back(home: Path, name: str, earlier: str | None) -> None:
    """Let the release before serve again: the one that failed is none to go back to, so that
    ``earlier`` is again the release before.
    """
    switch(home, name)
    if earlier is None:
        (home / PREVIOUS).unlink(missing_ok=True)
    else:
        _write_name(home / PREVIOUS, earlier)


def prune(home: Path, keep: int = 2) -> list[str]:
    """Delete old releases until ``keep`` are left, and return the names of those deleted.

    The current release and the one before it always stay: processes that started before the
    last switch still use it.
    """
    folder = home / RELEASES
    for rest in folder.glob(".removing-*"):
        shutil.rmtree(rest, ignore_errors=True)
    protected = {read_current(home), previous(home)}
    found = [path for path in folder.iterdir() if path.is_dir() and NAME.fullmatch(path.name)]
    others = [path for path in found if path.name not in protected]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    room = max(0, keep - (len(found) - len(others)))
    for path in others[room:]:
        # Renamed first, so that half a release is never taken for one.
        removing = path.with_name(f".removing-{path.name}")
        os.rename(path, removing)
        shutil.rmtree(removing, ignore_errors=True)
    return sorted(path.name for path in others[room:])


def _read_name(path: Path) -> str | None:
    try:
        name = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    return name if NAME.fullmatch(name) else None


def _write_name(path: Path, name: str) -> None:
    """Replace the file as a whole, also when the power fails: before or after, never half."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    with contextlib.suppress(OSError):  # some file systems cannot do this for folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of an unpacked release."""
    content: dict[str, Any] = json.loads((release / MANIFEST).read_bytes())
    return content
