"""Building the archive that a site is installed from, and deploy.py with that archive inside.

Standard library only: an archive is built before anything is installed.
"""

from __future__ import annotations

import ast
import base64
import configparser
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
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.install.errors import EXIT_FAILED, InstallError
from app.install.versions import MANIFEST

# What a site needs; of a folder everything below it.
INCLUDED = (
    *("app", "installer", "docs", "examples/handlers.py"),
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

# The earliest time that a zip archive can hold, whatever the files' own say.
TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644

ARCHIVE_INSIDE = "# --- The archive: "
"""Begins the line after which deploy.py has the archive inside, as comments."""


def build(project: Path, target: Path | None = None, with_vendor: bool = False) -> Path:
    """Write a project's archive and its ``.sha256`` beside it; the archive's path.

    The same files give the same bytes, whatever their times and modes and whoever builds.
    ``with_vendor`` adds the packages that the site needs, for this interpreter and platform.
    Raises InstallError.
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
        raise InstallError(f"{archive} cannot be written ({error})") from error
    return archive


def build_command(project: Path, output: Path | None = None, with_vendor: bool = False) -> int:
    """``deploy.py --build``: builds, prints what was made, and returns the exit code."""
    try:
        changed = changed_files(project)
        archive = build(project, output, with_vendor)
        one_file = build_one_file(project, archive)
    except InstallError as error:
        print(f"No archive was built: {error}", file=sys.stderr)
        return EXIT_FAILED
    if changed:
        print(
            f"Not any commit's archive: {len(changed)} of its files differ from the last commit "
            f"({', '.join(changed[:5])}{', …' if len(changed) > 5 else ''}).",
            file=sys.stderr,
        )
    print(f"{archive}\nSHA-256 {_sha256(archive.read_bytes())}\nrelease {build_of(archive)}")
    print(f"one file to upload instead: {one_file}")
    return 0


def changed_files(project: Path) -> list[str]:
    """Which files of the archive differ from the last commit; none without a git checkout."""
    status = ("status", "--porcelain", "-z", "--no-renames", "-uall")
    listed = _git(project, *status, *_paths(), "deploy.py")
    names = [entry[3:] for entry in (listed or "").split("\0") if entry]
    return sorted(name for name in names if not LEFT_OUT.search(name))


def build_one_file(project: Path, archive: Path) -> Path:
    """Write deploy.py with the archive inside beside the archive; its path. Raises InstallError."""
    path = archive.with_name(f"{archive.stem}-deploy.py")
    content = archive.read_bytes()
    text = base64.encodebytes(zlib.compress(content, 9)).decode("ascii")
    lines = [f"{ARCHIVE_INSIDE}{archive.name} {_sha256(content)}", *text.split()]
    try:
        program = (project / "deploy.py").read_bytes().rstrip(b"\n")
        path.write_bytes(program + ("\n\n" + "\n# ".join(lines) + "\n").encode())
        path.chmod(0o755)
    except OSError as error:
        raise InstallError(f"{path} cannot be written ({error})") from error
    return path


def build_name(manifest: bytes) -> str:
    """The name of a build's folder: its version, and what tells it from all others."""
    return f"{json.loads(manifest)['version']}-{_sha256(manifest)[:12]}"


def build_of(archive: Path) -> str:
    """The name of the build in an archive."""
    with zipfile.ZipFile(archive) as opened:
        return build_name(opened.read(MANIFEST))


def _project_files(project: Path) -> list[str]:
    """Relative, with ``/``, sorted: what git knows of, or else what lies there."""
    listed = _git(project, "ls-files", "-z", *_paths())
    found = _walk(project) if listed is None else (name for name in listed.split("\0") if name)
    names = [name for name in found if not LEFT_OUT.search(name) and (project / name).is_file()]
    missing = [name for name in INCLUDED if "." in name and name not in names]
    if missing:
        raise InstallError(f"{project} lacks {', '.join(missing)}: build in a whole checkout")
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
        raise InstallError('app/version.py does not say VERSION = "…"')
    return found[1].decode()


def _contracts(files: dict[str, bytes]) -> list[int]:
    """Which contracts of the hand-over from deploy.py the installer in the archive speaks."""
    found = re.search(rb"^CONTRACTS = (\(.+\))$", files["installer/contract.py"], re.MULTILINE)
    if found is None:
        raise InstallError("installer/contract.py does not say CONTRACTS = (…)")
    return list(ast.literal_eval(found[1].decode()))


def _manifest(version: str, files: dict[str, bytes], vendor: dict[str, str] | None) -> bytes:
    content = {
        "name": "taskmanager",
        "version": version,
        "contracts": _contracts(files),
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
        _pip(folder, *requirements(project))
        _prefer_pure(folder, Path(name) / "pure")
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
        return {
            f"vendor/{name}": path.read_bytes()
            for name, path in found.items()
            if path.is_file() and not VENDOR_LEFT_OUT.search(name)
        }


def requirements(project: Path) -> list[str]:
    """The packages that a project, or an unpacked build, needs. Raises InstallError."""
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(project / "setup.cfg", encoding="utf-8")
        lines = config.get("options", "install_requires").splitlines()
    except configparser.Error as error:
        raise InstallError(f"setup.cfg is damaged ({error}): get the project again") from None
    return [line.strip() for line in lines if line.strip()]


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
        except InstallError:
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
        raise InstallError(f"pip could not bring the packages; it says: {reason}")
