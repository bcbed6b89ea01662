"""The lines of a file of tasks: what each asks for, or what is wrong with it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from app import json_text
from app.api.endpoints.tasks import MAX_TASKS, TASK, new_task
from app.errors import CallError, QueueError
from app.hashes import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.queue.new_task import NewTask
    from app.site import Site

MAX_LINE_BYTES = 64 * 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024
"""Of lines that become tasks at once, besides MAX_TASKS."""

FINISHED = ("completed", "failed", "cancelled")

# The id of a parent is of the queue that the file was written by.
IMPORTED = TASK.readers.keys() - {"parent_id"}


class LineError:
    """What is wrong with a line."""

    def __init__(self, number: int, message: str) -> None:
        self.number = number
        self.message = message

    def __str__(self) -> str:
        return f"line {self.number}: {self.message}"

    @classmethod
    def of(cls, task: NewTask, error: CallError) -> LineError:
        """A refusal of one task, whose ``where`` is the line's number."""
        number = int(task.where.removeprefix("line ").rstrip(". "))
        return cls(number, _told(error, task.where))


class ImportedLines:
    """Reads tasks from lines. ``skipped`` counts the finished ones that were left out."""

    def __init__(self, site: Site, file: IO[bytes], finished: bool) -> None:
        self._site = site
        self._file = file
        self._finished = finished
        self._makes_equal_tasks: dict[str, bool] = {}
        self.skipped = 0

    def batches(self) -> Iterator[tuple[list[NewTask], list[LineError]]]:
        """Some tasks at a time, and what is wrong with the lines among them."""
        tasks: list[NewTask] = []
        errors: list[LineError] = []
        size = number = 0
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            number += 1
            size += len(line)
            try:
                task = self._task(number, line)
            except LineRefused as error:
                errors.append(LineError(number, str(error)))
            else:
                tasks += [task] if task else []
            if len(tasks) >= MAX_TASKS or len(errors) >= MAX_TASKS or size >= BATCH_BYTES:
                yield tasks, errors
                tasks, errors, size = [], [], 0
        yield tasks, errors

    def _task(self, number: int, line: bytes) -> NewTask | None:
        """None for a line that is empty or left out. Raises LineRefused."""
        if not line.strip():
            return None
        given = self._object(line)
        if given.get("status") in FINISHED and not self._finished:
            self.skipped += 1
            return None
        known = {name: value for name, value in given.items() if name in IMPORTED}
        where = f"line {number}. "
        try:
            task, _ = new_task(known, self._site.settings, where)
        except CallError as error:
            raise LineRefused(_told(error, where)) from None
        self._make_once(task, given, number, line)
        return task

    def _object(self, line: bytes) -> dict[str, Any]:
        if len(line) > MAX_LINE_BYTES:
            self._skip_rest_of_line()
            raise LineRefused(f"is longer than {MAX_LINE_BYTES // 1024 // 1024} MiB: split it")
        try:
            given = json_text.parse(line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise LineRefused(
                f"is not UTF-8 (byte {error.start + 1}): save the file as UTF-8"
            ) from None
        except ValueError as error:
            raise LineRefused(f"is not JSON: {error}; each line is one object, {{…}}") from None
        if not isinstance(given, dict):
            raise LineRefused("is not an object: write {…} with a type and params")
        return given

    def _skip_rest_of_line(self) -> None:
        while (piece := self._file.readline(1024 * 1024)) and not piece.endswith(b"\n"):
            pass

    def _make_once(self, task: NewTask, given: dict[str, Any], number: int, line: bytes) -> None:
        """Give the task a key that counts forever and is the same when the line is read again."""
        if task.dedupe_key is None and "id" in given and "created_at" in given:
            task.dedupe_key = f"import:{given['id']}:{given['created_at']}"[:191]
        elif task.dedupe_key is None and self._may_equal_others(task):
            numbered = b"%d %s" % (number, line.strip())
            task.dedupe_key = f"import:{sha256(numbered).hexdigest()}"
        task.dedupe = "forever"

    def _may_equal_others(self, task: NewTask) -> bool:
        """Whether the line, or else its type, says that equal tasks are different ones."""
        if task.dedupe is not None:
            return task.dedupe is False
        if task.type not in self._makes_equal_tasks:
            self._makes_equal_tasks[task.type] = self._type_says_so(task.type)
        return self._makes_equal_tasks[task.type]

    def _type_says_so(self, name: str) -> bool:
        from app.queue import task_types

        try:
            stored = task_types.get(self._site, name)["dedupe_json"]
        except QueueError:  # creating the task will say what is wrong
            return False
        return json_text.loads(stored) is False


class LineRefused(QueueError):
    """A line is no task."""

    code = "validation_failed"


def _told(error: CallError, where: str) -> str:
    """Every validation error; the line's number is told once for all of them."""
    if not error.details:
        return error.message.removeprefix(where)
    told = "; ".join(
        f"{each['path'].removeprefix(where)} {each['message']}" for each in error.details
    )
    return f"{told}: register it first (types register)" if error.code == "unknown_type" else told
