"""What the model knows of a queue: types, tasks with their history, workers. Plain values, no SQL.

Times and durations are whole milliseconds. What happens to them is in the other modules, which
say what docs/api.md and docs/design.md promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.model.patterns import is_like

if TYPE_CHECKING:
    from tests.model.scheduling import Schedule

HELD_BACK = ("blocked", "throttled")
READY = ("pending", *HELD_BACK)
WAITING = (*READY, "scheduled")
UNFINISHED = (*WAITING, "claimed")
ENDED = ("completed", "failed", "cancelled")

DEFAULT_LEASE = 300_000
DEFAULT_ATTEMPTS = 3
DEFAULT_RETRY_DELAY = 10_000
DEFAULT_RETRY_MAX_DELAY = 3_600_000


class Refused(Exception):
    """A call is refused with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def shown_status(status: str) -> str:
    return "pending" if status in WAITING else status


def told_status(status: str) -> str:
    """As the history has it, and the statistics."""
    return "pending" if status in HELD_BACK else status


@dataclass
class TaskType:
    name: str
    version: str = "1"
    id: int = 0
    is_active: bool = True
    is_paused: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    """What it was registered with, in seconds where a setting has seconds; None is the default."""

    def get(self, setting: str, default: Any = None) -> Any:
        value = self.settings.get(setting)
        return default if value is None else value

    def milliseconds(self, setting: str, default: int) -> int:
        value = milliseconds(self.settings.get(setting))
        return default if value is None else value


@dataclass
class Range:
    """A time that is random between two."""

    low: int
    high: int


@dataclass
class HistoryLine:
    status: str
    worker_id: str | None
    attempt: int
    message: str | None
    at: int
    ended: str | None = None
    """How a worker ended its attempt: completed, failed or released."""
    run: int | None = None
    """How long the attempt took, where it completed or failed."""
    waited: int | Range | None = None
    """How long the task had waited, where it was claimed."""
    is_hidden: bool = False
    """Whether people are not shown it: they know a scheduled task as a pending one."""


Claim = tuple[str, "str | None", "int | None"]
"""A worker, its claim_key, and the API key that came with it: what names a claim."""


@dataclass
class Task:
    type: TaskType
    params: dict[str, Any]
    priority: int
    max_attempts: int
    created_at: int
    id: int = 0
    tags: list[str] = field(default_factory=list)
    timeout: float | None = None
    parent_id: int | None = None
    traceparent: str | None = None
    concurrency_key: str | None = None
    dedupe_key: str | None = None
    former_dedupe_key: str | None = None
    """The key that it gave to a later task."""
    status: str = "pending"
    due: int | Range | None = None
    attempts: int = 0
    releases: int = 0
    ready_at: int | Range | None = None
    """Since when it waits, if that is not since it was made. The queue alone can tell since when a
    limit could have let it through.
    """
    lease: int | None = None
    claim: Claim | None = None
    """Whose last claim of it was, and which."""
    claimed_key: int | None = None
    """The API key that came with that claim, if it was not the root key."""
    claimed_by: str | None = None
    claimed_at: int | None = None
    last_outcome: str | None = None
    cancel_requested: bool = False
    progress: float | None = None
    progress_message: str | None = None
    completed_at: int | None = None
    result: Any = None
    has_result: bool = False
    error: str | None = None
    traceback: str | None = None
    history: list[HistoryLine] = field(default_factory=list)

    def note(
        self, at: int, message: str | None = None, worker: str | None = None, **more: Any
    ) -> None:
        line = HistoryLine(told_status(self.status), worker, self.attempts, message, at, **more)
        self.history.append(line)

    def end(self, status: str, at: int) -> None:
        self.status = status
        self.due = None
        self.completed_at = at
        self.cancel_requested = False


@dataclass
class Worker:
    id: str
    first_seen: int
    last_seen: int
    registered: int | None = None
    deregistered: int | None = None
    told: dict[str, Any] = field(default_factory=dict)
    repeated_claim: Claim | None = None
    """The last claim that it sent again."""


@dataclass
class Key:
    """An API key with scopes; None for ``type_patterns`` is for all types."""

    name: str
    scopes: list[str]
    type_patterns: list[str] | None = None
    id: int = 0
    text: str = ""
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None
    previous_text: str | None = None
    previous_until: int | None = None


@dataclass
class UsedKey:
    """The dedupe key of a task that was pruned."""

    task: Task
    pruned_at: int


class Queue:
    """The whole state, and the time."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.types: dict[str, TaskType] = {}
        self.tasks: dict[int, Task] = {}
        self.past: list[Task] = []
        """The tasks that were deleted or pruned."""
        self.workers: dict[str, Worker] = {}
        self.rate_claims: dict[str, list[int]] = {}
        """When tasks of each type with a rate were claimed."""
        self.used_keys: dict[tuple[str, str], UsedKey] = {}
        self.keys: list[Key] = []
        self.key: Key | None = None
        """The caller's; None is the root key."""
        self.audit: list[tuple[str, str, str | None]] = []
        """Actor, action and target."""
        self.paused_at: int | None = None
        self.schedules: dict[str, Schedule] = {}
        self.idempotency_keys: dict[tuple[int, str], tuple[str, dict[str, Any], int]] = {}
        """By API key and key: the body, what was shown, and when."""
        self.fair_turns: dict[tuple[str, int], int] = {}
        """The id of the type that was taken from last, by filter and priority."""
        self.did_upkeep = False
        """Whether the last call was one that does upkeep."""

    def sees(self, type: TaskType | str) -> bool:
        """Whether the caller's key is for this type."""
        patterns = self.key and self.key.type_patterns
        name = type if isinstance(type, str) else type.name
        return patterns is None or any(is_like(name, pattern) for pattern in patterns)

    def visible(self, task_id: int) -> Task | None:
        task = self.tasks.get(task_id)
        return task if task and self.sees(task.type) else None

    def remove(self, task: Task) -> None:
        del self.tasks[task.id]
        self.past.append(task)

    def task(self, task_id: int) -> Task:
        task = self.visible(task_id)
        if task is None:
            raise Refused("not_found")
        return task

    def type(self, name: str) -> TaskType:
        if name not in self.types or not self.sees(name):
            raise Refused("unknown_type")
        return self.types[name]

    def with_status(self, *statuses: str) -> list[Task]:
        return [task for task in self.tasks.values() if task.status in statuses]

    def held_by(self, worker_id: str) -> list[Task]:
        return [task for task in self.with_status("claimed") if task.claimed_by == worker_id]

    def holder_of_key(self, type: TaskType, key: str) -> Task | None:
        """The task that has this dedupe key now: never more than one."""
        holders = [
            task for task in self.tasks.values() if (task.type, task.dedupe_key) == (type, key)
        ]
        assert len(holders) < 2
        return holders[0] if holders else None

    def give_up_key(self, type: TaskType, key: str) -> None:
        """Free the key for another task, if one has it, or had it when it was pruned."""
        holder = self.holder_of_key(type, key)
        if holder:
            holder.dedupe_key, holder.former_dedupe_key = None, key
        self.used_keys.pop((type.name, key), None)

    def random_times(self) -> Iterator[Task]:
        """The tasks whose time only the queue can tell."""
        return (task for task in self.tasks.values() if isinstance(task.due, Range))


def ids(tasks: Iterable[Task]) -> list[int]:
    return [task.id for task in tasks]
