"""What handlers write down themselves about each run, beside what the server believes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

HANDLERS = Path(__file__).parent / "handlers"


def install_handlers(name: str, folder: Path) -> None:
    """Makes a module of `handlers/` the handlers.py of a folder, with what it notes its runs by."""
    shutil.copyfile(HANDLERS / f"{name}.py", folder / "handlers.py")
    shutil.copyfile(HANDLERS / "notes.py", folder / "notes.py")


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
    def lease_ref(self) -> tuple[int, int, str]:
        """Which claim it ran for: task, attempt and worker."""
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
