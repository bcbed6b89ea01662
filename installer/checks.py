"""The checks: everything about the host that can be told before anything is installed."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.request

from installer.disk import NEEDED_BYTES, advice_for, probe_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from app.install.installation import Installation
    from installer.upload import Archive

PASSED, WARNED, FAILED = "ok", "warning", "failed"


class Check:
    """One thing about the host: what was found, and what to do about it."""

    def __init__(self, title: str, state: str, found: str, advice: str = "") -> None:
        self.title = title
        self.state = state
        self.found = found
        self.advice = advice


def checks(installation: Installation, archive: Archive | None) -> list[Check]:
    return [
        check_python(),
        check_processes(),
        check_folder("Web folder", installation.web_folder),
        check_home(installation),
        check_disk(installation.home),
        check_archive(installation, archive),
        check_packages(archive),
        check_modules(),
        check_address(installation.url),
    ]


def check_python() -> Check:
    version = "{}.{}.{}".format(*sys.version_info[:3])
    return Check("Python", PASSED, f"{version} ({sys.executable})")


def check_processes() -> Check:
    title = "Starting processes"
    try:
        subprocess.run(
            [sys.executable, "-c", "pass"], check=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check(title, FAILED, f"not possible ({error}).", "Ask your host to allow it.")
    return Check(title, PASSED, "possible")


def check_folder(title: str, folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        return Check(title, FAILED, f"{folder}.", advice_for(error))
    return Check(title, PASSED, f"{folder} can be written to")


def check_home(installation: Installation) -> Check:
    title, home = "Private data folder", installation.home
    check = check_folder(title, home)
    if check.state != PASSED or installation.is_outside:
        return check
    found = f"{home}, inside the web folder"
    if is_served(installation):
        return Check(
            title,
            FAILED,
            f"{found}, and anybody could download what is in it.",
            "The web server ignores .htaccess files: ask your host to allow them "
            "(AllowOverride All).",
        )
    advice = "An .htaccess closes it, and the self-test checks that each private file is refused."
    return Check(title, WARNED, found, advice)


def is_served(installation: Installation) -> bool:
    """Whether the web server hands out a file in the private data folder."""
    probe = installation.home / f"probe-{secrets.token_hex(8)}.txt"
    content = secrets.token_hex(16).encode()
    try:
        below = probe.relative_to(installation.web_folder).as_posix()
        probe.write_bytes(content)
        with urllib.request.urlopen(f"{installation.url}/{below}", timeout=5) as response:
            return bool(response.read(len(content)) == content)
    except (OSError, ValueError):
        return False  # refused, or not to be reached from here
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def check_disk(home: Path) -> Check:
    title, needed = "Disk", f"{NEEDED_BYTES // 1_000_000} MB"
    numbers = os.statvfs(home)
    free = numbers.f_bavail * numbers.f_frsize
    try:
        probe_disk(home)
    except OSError as error:
        return Check(title, FAILED, "8 MB could not be written.", advice_for(error))
    if free < NEEDED_BYTES:
        return Check(
            title, FAILED, f"{free // 1_000_000} MB are free.", f"Free {needed}, and try again."
        )
    if numbers.f_files and numbers.f_favail < 5000:
        return Check(title, WARNED, f"only {numbers.f_favail} more files may be made")
    return Check(title, PASSED, f"{free // 1_000_000} MB free, {needed} needed")


def check_archive(installation: Installation, archive: Archive | None) -> Check:
    title = "Version to install"
    if archive is None:
        advice = (
            "Upload taskmanager-….zip into the folder of deploy.py, or the deploy.py with the "
            "archive inside."
        )
        return Check(title, FAILED, "There is none.", advice)
    if archive.is_older(installation):
        return Check(title, FAILED, archive.sentence_of_older(installation))
    return Check(title, PASSED, f"{archive.label}, version {archive.version}")


def check_packages(archive: Archive | None) -> Check:
    """Whether the archive brings the packages, or pip can."""
    title = "Python packages"
    advice = (
        "Use the archive that brings the packages along (python3 deploy.py --build --with-vendor "
        "on any machine with this version of Python)."
    )
    if archive and archive.vendor_fits:
        return Check(title, PASSED, "come with the archive")
    if archive and archive.vendor_python:
        advice = f"Those in the archive are for Python {archive.vendor_python}. {advice}"
    command = [sys.executable, "-m", "pip", "--version"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return Check(title, FAILED, "pip cannot be started.", advice)
    if done.returncode:
        return Check(title, FAILED, "This Python comes without pip.", advice)
    return Check(title, PASSED, "will be downloaded by pip")


def check_modules() -> Check:
    title, missing = "Python's own parts", []
    for name in ("sqlite3", "ssl", "zlib", "hashlib"):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if "zlib" in missing:
        advice = "Choose another Python: this one cannot unpack archives."
        return Check(title, FAILED, f"lacks {', '.join(missing)}.", advice)
    if missing:
        return Check(title, WARNED, f"lacks {', '.join(missing)}")
    return Check(title, PASSED, "all there")


def check_address(url: str) -> Check:
    if url.startswith("https://"):
        return Check("Address", PASSED, url)
    return Check(
        "Address",
        WARNED,
        f"{url} is not encrypted.",
        "Others can read keys and tasks on their way. Most hosts offer a free certificate. Install "
        "it, then open this page with https://.",
    )


def support_text(installation: Installation, found: list[Check]) -> str:
    """What somebody who helps wants to know, without anything secret."""
    lines = [
        f"TaskManager's installer, {installation.kind}, {installation.server or 'unknown server'}",
        f"system: {' '.join(os.uname()[i] for i in (0, 2, 4))}",
    ]
    lines += [f"{check.title}: {check.state}: {check.found} {check.advice}" for check in found]
    return "\n".join(line.strip() for line in lines)
