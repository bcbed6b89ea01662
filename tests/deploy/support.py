"""Running deploy.py as a person does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.net import free_port

SECONDS = 300


@dataclass
class Run:
    """How a run of deploy.py ended and what it printed."""

    code: int
    out: str
    err: str

    @classmethod
    def of(cls, process: subprocess.Popen[bytes]) -> Run:
        """Wait for the process's end."""
        out, err = process.communicate(timeout=SECONDS)
        return cls(process.returncode, out.decode(), err.decode())


def deploy(
    project: Path,
    *arguments: str | bytes,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Run:
    """Run the project's deploy.py to its end; see start_deploy."""
    return Run.of(start_deploy(project, *arguments, env=env, prefix=prefix))


def start_deploy(
    project: Path,
    *arguments: str | bytes,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Start the project's deploy.py from another folder, on a free port unless one is named."""
    port = [] if b"--port" in map(os.fsencode, arguments) else ["--port", str(free_port())]
    return subprocess.Popen(
        [*prefix, sys.executable, str(project / "deploy.py"), *arguments, *port],
        cwd="/",
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def without_root_powers() -> list[str]:
    """A command prefix under which file permissions count, for root too."""
    if os.geteuid():
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def programs_in(folder: Path) -> dict[int, str]:
    """The processes that work in the folder: their command lines by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and os.readlink(entry / "cwd") == str(folder.resolve()):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = command.decode()
        except OSError:
            continue  # it ended just now
    return found
