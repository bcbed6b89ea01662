"""Workers that are watched from outside, and killed in the state that a test asks for."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import wait_until
from tests.support.server import PROJECT
from tests.worker_faults.journal import Journal
from tests.worker_faults.states import RUNNING, STATES, STOPPING, StateSnapshot, under_way

SECONDS = 60
LOOK_EVERY = 0.005  # seconds
STOP_LINE = "stopping when"


@dataclass
class WorkerProcess:
    """One worker process."""

    name: str
    process: subprocess.Popen[bytes]
    in_processes: bool
    log: Path
    told_to_stop: bool = False

    @property
    def is_stopping(self) -> bool:
        return self.told_to_stop and STOP_LINE in self.log.read_text("utf-8", "replace")


@dataclass
class Kill:
    """The kill of a worker: some time between these two."""

    worker: WorkerProcess
    since: float
    until: float


class Fleet:
    """Workers in a folder with a handlers.py, every second one with processes for its handlers."""

    def __init__(self, folder: Path, proxy: HttpProxy, key: str, journal: Journal) -> None:
        self.workers: list[WorkerProcess] = []
        self.kills: list[Kill] = []
        self._folder, self._proxy, self._key, self._journal = folder, proxy, key, journal
        self._count = 0
        self._wanted = ""
        self._go_on = threading.Event()
        proxy.pace = self._pace

    def start(self, *options: str) -> WorkerProcess:
        self._count += 1
        name, in_processes = f"w{self._count}", self._count % 2 == 0
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, str(PROJECT / "worker.py"), "--worker-id", name),
                    *(["--processes"] if in_processes else []),
                    *options,
                ],
                cwd=self._folder,
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        worker = WorkerProcess(name, process, in_processes, log)
        self.workers.append(worker)
        return worker

    def forget_ended(self) -> None:
        """Those that have stopped by themselves; any exit code but 0 fails."""
        for worker in list(self.workers):
            if worker.process.poll() is not None:
                assert worker.process.returncode == 0, worker.log.read_text("utf-8")
                self.workers.remove(worker)

    def catch(self, state: str, seconds: float) -> WorkerProcess:
        """A worker that is in this state now; after so many seconds without one, any worker."""
        self._wanted = state
        self._go_on.clear()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for worker in random.sample(self.workers, len(self.workers)):
                moment = time.monotonic()
                now = self._states(worker, moment, moment)
                if state == STOPPING and now & set(RUNNING.values()) and not worker.told_to_stop:
                    worker.told_to_stop = True
                    worker.process.terminate()
                if state in now and worker.process.poll() is None:
                    return worker
            time.sleep(LOOK_EVERY)
        return random.choice(self.workers)

    def kill(self, worker: WorkerProcess) -> None:
        """SIGKILL, and a note of what it hit, if it did not come too late."""
        since = time.monotonic()
        worker.process.kill()
        code = worker.process.wait(SECONDS)
        until = time.monotonic()
        self._wanted = ""
        self._go_on.set()
        self.workers.remove(worker)
        if code != -signal.SIGKILL:
            assert code == 0, worker.log.read_text("utf-8")
            return
        self.kills.append(Kill(worker, since, until))

    def stop(self) -> None:
        """Ends all politely; any exit code but 0 fails."""
        for worker in self.workers:
            # Before its first call a signal ends it as it ends any program.
            wait_until(
                lambda worker=worker: self._proxy.calls(worker.name), SECONDS, "a first call"
            )
            worker.process.terminate()
        for worker in self.workers:
            worker.process.wait(SECONDS)
        self.forget_ended()

    def end(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()

    def hits(self) -> dict[str, int]:
        """How many kills have hit each state."""
        # Counted again each time: what was sent before a kill may arrive late.
        hit = [self._states(kill.worker, kill.since, kill.until) for kill in self.kills]
        return {state: sum(state in states for states in hit) for state in STATES}

    def unreported(self) -> set[tuple[int, int, str]]:
        """Task, attempt and worker of what had ended in a killed worker that never said so."""
        return {
            (*run, kill.worker.name)
            for kill in self.kills
            for run in self._snapshot(kill.worker, kill.since, kill.until).unreported()
        }

    def _pace(self, call: ProxiedCall, way: str) -> None:
        """Holds up a call that is in the state that is wanted, until its worker was killed."""
        if self._wanted in under_way(call, way):
            self._go_on.wait(SECONDS)
        else:
            time.sleep(random.uniform(0.0, 0.02))

    def _states(self, worker: WorkerProcess, since: float, until: float) -> set[str]:
        return self._snapshot(worker, since, until).states(worker.in_processes, worker.is_stopping)

    def _snapshot(self, worker: WorkerProcess, since: float, until: float) -> StateSnapshot:
        calls, notes = self._proxy.calls(worker.name), self._journal.notes(worker=worker.name)
        return StateSnapshot(calls, notes, since, until)

    def _environment(self, name: str) -> dict[str, str]:
        own = {"TASKMANAGER_API_URL": self._proxy.url_of(name), "TASKMANAGER_API_KEY": self._key}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TASKMANAGER_")}
        return {**inherited, **own}
