"""deploy.py in a terminal, and lines pasted into a shell."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.support.net import free_port

COLUMNS = 60  # of a terminal under test: less than the table of results is wide


def start_in_terminal(project: Path, *arguments: str) -> tuple[int, int]:
    """Run the project's deploy.py in a terminal of its own: its process id, the terminal."""
    if "--port" not in arguments:
        arguments = (*arguments, "--port", str(free_port()))
    process, terminal = pty.fork()
    if process == 0:
        size = struct.pack("HHHH", 24, COLUMNS, 0, 0)
        fcntl.ioctl(pty.STDOUT_FILENO, termios.TIOCSWINSZ, size)
        # Of Python's own view of the environment: readline puts COLUMNS into the C library's.
        env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        command = [sys.executable, str(project / "deploy.py"), *arguments]
        os.execve(sys.executable, command, env)
    return process, terminal


def read_terminal(terminal: int, until: str) -> str:
    """What the terminal shows up to the end of the line that holds a text."""
    output = b""
    while not re.search(re.escape(until.encode()) + rb".*\n", output):
        try:
            output += os.read(terminal, 4096)
        except OSError:
            raise AssertionError(f"the program ended after {output.decode()}") from None
    return output.decode()


def ended_with(process: int) -> int:
    """Wait for the end of a process: its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def shell(command: str, folder: Path = Path("/")) -> str:
    """Run a line as somebody does who pastes it: what it printed. Raises CalledProcessError."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )
    return done.stdout
