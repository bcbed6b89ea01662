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
from tests.worker_faults.states import RUNNING, STATES, STOPPING, Sight, under_way

SECONDS = 60
LOOK_EVERY = 0.005  # seconds
STOP_LINE = "stopping when"


@dataclass
class Hand:
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
class Death:
    """The kill of a worker: some time between these two."""

    hand: Hand
    since: float
    until: float


class Camp:
    """Workers in a folder with a handlers.py, every second one with processes for its handlers."""

    def __init__(self, folder: Path, wire: HttpProxy, key: str, journal: Journal) -> None:
        self.hands: list[Hand] = []
        self.deaths: list[Death] = []
        self._folder, self._wire, self._key, self._journal = folder, wire, key, journal
        self._count = 0
        self._wanted = ""
        self._go_on = threading.Event()
        wire.pace = self._pace

    def start(self, *options: str) -> Hand:
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
        hand = Hand(name, process, in_processes, log)
        self.hands.append(hand)
        return hand

    def forget_ended(self) -> None:
        """Those that have stopped by themselves; any exit code but 0 fails."""
        for hand in list(self.hands):
            if hand.process.poll() is not None:
                assert hand.process.returncode == 0, hand.log.read_text("utf-8")
                self.hands.remove(hand)

    def catch(self, state: str, seconds: float) -> Hand:
        """A worker that is in this state now; after so many seconds in vain, any worker."""
        self._wanted = state
        self._go_on.clear()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for hand in random.sample(self.hands, len(self.hands)):
                moment = time.monotonic()
                now = self._states(hand, moment, moment)
                if state == STOPPING and now & set(RUNNING.values()) and not hand.told_to_stop:
                    hand.told_to_stop = True
                    hand.process.terminate()
                if state in now and hand.process.poll() is None:
                    return hand
            time.sleep(LOOK_EVERY)
        return random.choice(self.hands)

    def kill(self, hand: Hand) -> None:
        """SIGKILL, and a note of what it hit, if it did not come too late."""
        since = time.monotonic()
        hand.process.kill()
        code = hand.process.wait(SECONDS)
        until = time.monotonic()
        self._wanted = ""
        self._go_on.set()
        self.hands.remove(hand)
        if code != -signal.SIGKILL:
            assert code == 0, hand.log.read_text("utf-8")
            return
        self.deaths.append(Death(hand, since, until))

    def stop(self) -> None:
        """Ends all politely; any exit code but 0 fails."""
        for hand in self.hands:
            # Before its first call a signal ends it as it ends any program.
            wait_until(lambda hand=hand: self._wire.calls(hand.name), SECONDS, "a first call")
            hand.process.terminate()
        for hand in self.hands:
            hand.process.wait(SECONDS)
        self.forget_ended()

    def end(self) -> None:
        for hand in self.hands:
            hand.process.kill()
            hand.process.wait()

    def hits(self) -> dict[str, int]:
        """How many kills have hit each state."""
        # Anew each time: what was sent before a kill may arrive late.
        hit = [self._states(death.hand, death.since, death.until) for death in self.deaths]
        return {state: sum(state in states for states in hit) for state in STATES}

    def unreported(self) -> set[tuple[int, int, str]]:
        """Task, attempt and worker of what had ended in a killed worker that never said so."""
        return {
            (*run, death.hand.name)
            for death in self.deaths
            for run in self._sight(death.hand, death.since, death.until).unreported()
        }

    def _pace(self, call: ProxiedCall, way: str) -> None:
        """Holds up a call that is in the state that is wanted, until its worker was killed."""
        if self._wanted in under_way(call, way):
            self._go_on.wait(SECONDS)
        else:
            time.sleep(random.uniform(0.0, 0.02))

    def _states(self, hand: Hand, since: float, until: float) -> set[str]:
        return self._sight(hand, since, until).states(hand.in_processes, hand.is_stopping)

    def _sight(self, hand: Hand, since: float, until: float) -> Sight:
        calls, notes = self._wire.calls(hand.name), self._journal.notes(worker=hand.name)
        return Sight(calls, notes, since, until)

    def _environment(self, name: str) -> dict[str, str]:
        own = {"TASKMANAGER_API_URL": self._wire.url_of(name), "TASKMANAGER_API_KEY": self._key}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TASKMANAGER_")}
        return {**inherited, **own}
