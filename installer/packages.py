"""The packages that a build needs, in its folder vendor/: from the archive, or by pip."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from app.install.build import requirements
from app.install.errors import InstallError
from app.install.files import read_json, write_json
from app.install.versions import MANIFEST
from installer.detached import DetachedProcess, tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from installer.steps import Run

CACHE = ".pip-cache"

START = "import sys; sys.path.insert(0, sys.argv[1]); from installer.packages import main; main()"


def take_step(run: Run) -> str:
    """Raises IncompleteStep while pip is at work, InstallError."""
    vendor = run.folder / "vendor"
    if vendor.is_dir() and not fits_this_python(vendor):
        shutil.rmtree(vendor)
    if vendor.is_dir():
        return "came with the archive" if came_with_archive(run.folder) else "installed by pip"
    home = run.installation.home
    draft = run.installation.builds / f".unpacking-vendor-{run.journal.build}"
    request = {
        "command": [*pip_command(home, draft), *requirements(run.folder)],
        "draft": str(draft),
        "target": str(vendor),
    }
    command = [sys.executable, "-I", "-B", "-c", START, sys.path[0]]
    process = DetachedProcess(home, "pip", command, home)
    result = process.result_of(request, run.deadline)
    if result.get("code") != 0 or not vendor.is_dir():
        raise InstallError(sentence_of_pip(tail(process.log, 40)))
    shutil.rmtree(home / CACHE, ignore_errors=True)
    return "installed by pip"


def pip_command(home: Path, folder: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--target", str(folder), "--no-compile"]
    pip += ["--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    return [*pip, "--progress-bar", "off", "--cache-dir", str(home / CACHE)]


def fits_this_python(vendor: Path) -> bool:
    """Whether compiled packages are for this Python: a control panel may have changed it."""
    tag = f".{sys.implementation.cache_tag}-"
    return all(tag in path.name for path in vendor.rglob("*.cpython-*.so"))


def came_with_archive(folder: Path) -> bool:
    files = read_json(folder / MANIFEST).get("files", {})
    return any(name.startswith("vendor/") for name in files)


PIP_TROUBLE = [
    (r"No module named pip", "This Python comes without pip."),
    (
        r"NewConnectionError|Temporary failure in name resolution|Network is unreachable"
        r"|ConnectTimeout|Connection refused|ProxyError",
        "pip cannot reach the Python package index from here.",
    ),
    (r"No space left|Disk quota exceeded|File too large", "The disk or the quota is full."),
    (r"No matching distribution|Could not find a version", "A package has no fitting version."),
]


def sentence_of_pip(output: str) -> str:
    known = [sentence for pattern, sentence in PIP_TROUBLE if re.search(pattern, output)]
    lines = "\n".join(output.splitlines()[-8:])
    return (
        f"{known[0] if known else 'pip failed.'} Use the archive that brings the packages along "
        "(made on any machine with this Python's version by: python3 deploy.py --build "
        f"--with-vendor): upload it beside deploy.py, and go on. pip said:\n{lines}"
    )


def main() -> None:
    """The detached process: runs pip, then puts its result in place whole."""
    request = json.load(sys.stdin)
    shutil.rmtree(request["draft"], ignore_errors=True)
    code = subprocess.call(request["command"], stdin=subprocess.DEVNULL)
    if code == 0:
        os.rename(request["draft"], request["target"])
    write_json(Path(request["answer"]), {"code": code})
