"""The virtual environment .venv and the packages in it."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys

from app.install.build import requirements
from app.install.errors import InstallError
from app.local.console import Console, counted
from app.local.paths import PROJECT, PYTHON, VENV
from app.local.processes import Children, child_environment, last_lines
from app.local.steps import StepFailed

OLDEST_PYTHON = (3, 9)


def make_environment(children: Children) -> str:
    """A virtual environment in .venv; one that is broken or has too old a Python is made again."""
    probe = f"import sys, pip; sys.exit(sys.version_info[:2] < {OLDEST_PYTHON})"
    if os.path.exists(PYTHON):
        code, _ = children.run([PYTHON, "-c", probe], child_environment())
        if code == 0:
            return "kept"
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    code, output = children.run(command, child_environment())
    if code:
        raise StepFailed(f"{shlex.join(command)} failed:\n{last_lines(output)}")
    return "made"


def install_dependencies(children: Children, console: Console) -> str:
    """What setup.cfg lists, by pip; nothing when the same list was installed before. Raises
    StepFailed.
    """
    try:
        packages = requirements(PROJECT)
    except InstallError as error:
        raise StepFailed(str(error)) from None
    stamp = VENV / ".installed"
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()
    if stamp.exists() and stamp.read_text("ascii", "replace") == digest:
        return "kept"
    console.progress("pip is fetching them; the first time this takes a while", now=True)
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    env = child_environment(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    code, output = children.run([*command, *packages], env)
    if code:
        raise StepFailed(
            f"pip could not install {', '.join(packages)}. It said:\n{last_lines(output)}\n"
            "Check the network (a proxy is named by HTTPS_PROXY) and run deploy.py again."
        )
    stamp.write_text(digest, "ascii")
    return f"installed {counted(len(packages), 'package')} and what they need"
