"""What can be checked before anything is made: the project's files, the port, Python's modules."""

from __future__ import annotations

import errno
import importlib
import os
import socket
import sys
from pathlib import Path

from app.local.paths import PROJECT
from app.local.processes import HOST
from app.local.steps import EXIT_MISSING, FOLDER_ADVICE, StepFailed

PROJECT_FILES = ("setup.cfg", "passenger_wsgi.py", "worker.py", "examples/handlers.py")


def check_project() -> None:
    """Raises StepFailed unless the whole project is here, in a folder that can be written to."""
    for name in PROJECT_FILES:
        if not (PROJECT / name).is_file():
            raise StepFailed(
                f"{name} is missing in {PROJECT}: --local needs the whole project, not "
                "deploy.py alone. Get it again and run the deploy.py in it.",
                EXIT_MISSING,
            )
    if not os.access(PROJECT, os.W_OK):
        raise StepFailed(f"{PROJECT} cannot be written to. {FOLDER_ADVICE}")


def check_port(port: int) -> None:
    """Raises StepFailed when the server could not listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StepFailed(_port_advice(port, error)) from None


def _port_advice(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        why = "is in use by another program"
    elif error.errno == errno.EACCES:
        why = "is reserved for the system's administrator"
    else:
        why = f"cannot be used ({error.strerror})"
    other = port + 1 if 1024 <= port < 65535 else 8000
    return (
        f"Port {port} on {HOST} {why}. Choose another one with --port, for example: "
        f"python3 deploy.py --local --port {other}"
    )


def check_python() -> None:
    """Raises StepFailed when this Python cannot make virtual environments."""
    for module in ("venv", "ensurepip"):
        try:
            importlib.import_module(module)
        except ImportError:
            raise StepFailed(_venv_advice(module), EXIT_MISSING) from None


def _venv_advice(module: str) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    install = f"{sudo}apt install {_debian_venv_package()}"
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        install = f"{sudo}apt update && {install}"
    return (
        f"This Python comes without its {module} module, which makes virtual environments. "
        f"On Debian and Ubuntu this line brings it:\n\n    {install}\n\n"
        "Then run deploy.py again."
    )


def _debian_venv_package() -> str:
    """The package of the venv module; only the system's own version has one without a number."""
    own = "python{}.{}".format(*sys.version_info[:2])
    system = os.path.basename(os.path.realpath("/usr/bin/python3"))
    return "python3-venv" if own == system else f"{own}-venv"
