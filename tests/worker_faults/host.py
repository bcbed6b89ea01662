"""Cheap hosting as cron sees it: a command each minute, a limit for each process, few at a time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import PROJECT
from tests.worker_faults.journal import install_handlers

LOOK_EVERY = 0.05  # seconds
FIELDS = re.compile(r"#?\S+ \S+ \S+ \S+ \S+ (?P<command>.+)")


@dataclass
class CronRun:
    """One process that cron has started. Times are those of time.monotonic()."""

    process: subprocess.Popen[bytes]
    output: Path
    started_at: float
    killed: bool = False

    def printed(self) -> str:
        return self.output.read_text("utf-8", "replace")


class Host:
    """A home with the folder queue, where worker.py, handlers.py and worker.conf lie."""

    def __init__(self, home: Path, url: str, key: str, handlers: str) -> None:
        self.home, self.folder = home, home / "queue"
        self.runs: list[CronRun] = []
        self.most_at_once = 0
        self.folder.mkdir(parents=True)
        shutil.copyfile(PROJECT / "worker.py", self.folder / "worker.py")
        install_handlers(handlers, self.folder)
        settings = f"TASKMANAGER_API_URL={url}\nTASKMANAGER_API_KEY={key}\n"
        (self.folder / "worker.conf").write_text(settings, "utf-8")
        (home / "bin").mkdir()
        for name in ("python", "python3"):
            program = home / "bin" / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', "utf-8")
            program.chmod(0o755)

    def start(self, command: str) -> CronRun:
        """Does what cron does with a command."""
        output = self.home / f"output-{len(self.runs)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                cwd=self.home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.runs.append(CronRun(process, output, time.monotonic()))
        return self.runs[-1]

    def run(self, command: str, seconds: float = 60) -> tuple[int, str]:
        """Exit code and what would be mailed."""
        run = self.start(command)
        return run.process.wait(seconds), run.printed()

    def live(
        self, command: str, minute: float, limit: float, done: Callable[[], bool], seconds: float
    ) -> None:
        """Starts the command each `minute`, unless two run already, and kills what is older than
        `limit`, both in seconds, until it is done and nothing runs. Raises TimeoutError.
        """
        began = time.monotonic()
        next_start = began
        while not done():
            now = time.monotonic()
            if now > began + seconds:
                raise TimeoutError(f"not done within {seconds:g} seconds")
            if now >= next_start:
                next_start += minute
                if len(self.running()) < 2:
                    self.start(command)
            self._look(now, limit)
            time.sleep(LOOK_EVERY)
        while self.running():
            self._look(time.monotonic(), limit)
            time.sleep(LOOK_EVERY)

    def running(self) -> list[CronRun]:
        return [run for run in self.runs if run.process.poll() is None]

    def kill(self, run: CronRun) -> None:
        """SIGKILL to it and all that it started."""
        run.killed = True
        self._signal(run, signal.SIGKILL)
        run.process.wait()

    def stop(self, run: CronRun) -> None:
        """SIGTERM to it and all that it started."""
        self._signal(run, signal.SIGTERM)

    def end(self) -> None:
        for run in self.running():
            self.kill(run)

    def _look(self, now: float, limit: float) -> None:
        running = self.running()
        self.most_at_once = max(self.most_at_once, len(running))
        for run in running:
            if now > run.started_at + limit:
                self.kill(run)

    def _signal(self, run: CronRun, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, number)

    def _environment(self) -> dict[str, str]:
        """Cron's: nothing of a shell's."""
        path = f"{self.home / 'bin'}:/usr/bin:/bin"
        own = {"HOME": str(self.home), "LOGNAME": "you", "SHELL": "/bin/sh", "PATH": path}
        return {**own, "TMPDIR": str(self.home)}


def command_of(line: str) -> str:
    """The command of a crontab's line, as cron gives it to the shell. Raises ValueError."""
    match = FIELDS.fullmatch(line)
    if not match:
        raise ValueError(f"this is no line of a crontab: {line}")
    if re.search(r"(?<!\\)%", match["command"]):
        raise ValueError(f"cron ends the command at a % without a backslash before it: {line}")
    return match["command"].replace("\\%", "%")
