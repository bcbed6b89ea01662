"""What handlers write down themselves about each run, beside what the server believes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

NOTE = """
import json, os, time, uuid
from worker import *
from worker import task

def note(event, job, **facts):
    facts.update(event=event, id=job.id, attempt=job.attempt, worker=job.worker_id)
    line = json.dumps({"at": time.monotonic(), "pid": os.getpid(), **facts})
    # In one call: what was written before a SIGKILL is there whole.
    file = os.open("journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line.encode() + b"\\n")
    os.close(file)
"""
"""The beginning of a handlers.py whose handlers call note("begun", job) and note("ended", job)."""


@dataclass(frozen=True)
class Note:
    event: str
    at: float
    pid: int
    id: int
    attempt: int
    worker: str
    token: str = ""

    @property
    def run(self) -> tuple[int, int, str]:
        """Task, attempt and worker, which tell each run from every other."""
        return self.id, self.attempt, self.worker


class Journal:
    """The notes of all workers of a folder, in the order in which they were written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal"
        self._notes: list[Note] = []
        self._by_worker: dict[str, list[Note]] = {}
        self._read = 0

    def notes(self, event: str = "", worker: str = "") -> list[Note]:
        """All, or those of one event or of one worker."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines():
                self._take(Note(**json.loads(line)))
        notes = self._by_worker.get(worker, []) if worker else self._notes
        return [note for note in notes if event in ("", note.event)]

    def ids(self, event: str) -> list[int]:
        """Of which tasks there are such notes, as often as there are."""
        return [note.id for note in self.notes(event)]

    def _take(self, note: Note) -> None:
        self._notes.append(note)
        self._by_worker.setdefault(note.worker, []).append(note)
