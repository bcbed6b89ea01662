"""What people do to many tasks: the words for it, and how far it has come."""

from __future__ import annotations

from app.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import Form
    from app.queue.bulk import BulkChange
    from app.queue.list_count import Count
    from app.queue.task_action import TaskAction

MOST_REFUSALS = 20
"""So many refusals are named at the end."""


class BulkAction:
    """``name`` is that of its button, ``done`` what becomes of tasks, ``only`` which ones it is
    for, ``warning`` what to know before. ``target`` is ``module:name`` below ``app.queue``.
    """

    def __init__(self, name: str, done: str, only: str, warning: str, target: str) -> None:
        self.name = name
        self.done = done
        self.only = only
        self.warning = warning
        self._target = target

    @property
    def is_final(self) -> bool:
        return self.name == "delete"

    def task_action(self) -> TaskAction:
        """Loaded when needed: a page that asks needs one of them."""
        from importlib import import_module

        module, _, name = self._target.partition(":")
        found: TaskAction = getattr(import_module(f"app.queue.{module}"), name)
        return found


ACTIONS = {
    "retry": BulkAction(
        "retry",
        "retried",
        "failed, cancelled and scheduled tasks",
        "They become pending, and get as many attempts again.",
        "retry:RETRY",
    ),
    "cancel": BulkAction(
        "cancel",
        "cancelled",
        "pending, scheduled and claimed tasks",
        "Waiting tasks end; workers are asked to stop those that they have claimed.",
        "cancel:CANCEL",
    ),
    "delete": BulkAction(
        "delete",
        "deleted",
        "tasks that no worker has claimed",
        "They are gone with their params, results and history. This cannot be undone.",
        "delete:DELETE",
    ),
}


def action_of(form: Form) -> BulkAction:
    """The one that is asked for. Raises Invalid."""
    name = form.get("action")
    if name not in ACTIONS:
        message = f"must be one of {', '.join(ACTIONS)}"
        raise Invalid(f"action {message}", [{"path": "action", "message": message}])
    return ACTIONS[name]


class Progress:
    """How far an action has come: as the page sends it along, and as a batch adds to it.

    ``before_id`` is from where to go on, None at the end; ``remaining`` is how many tasks are left,
    as far as they were counted.
    """

    def __init__(
        self, changed: int = 0, skipped: int = 0, refusals: list[str] | None = None
    ) -> None:
        self.changed = changed
        self.skipped = skipped
        self.refusals = refusals or []
        self.before_id: int | None = None
        self.remaining: Count | None = None

    @classmethod
    def of(cls, form: Form) -> Progress:
        refusals = form.all("refusal")[:MOST_REFUSALS]
        return cls(form.number("changed") or 0, form.number("skipped") or 0, refusals)

    def add(self, result: BulkChange) -> None:
        self.changed += result.changed
        self.skipped += result.skipped
        left = MOST_REFUSALS - len(self.refusals)
        self.refusals += [error.message for _, error in result.reasons[:left]]
        self.before_id = result.next_before_id
        self.remaining = result.remaining

    @property
    def is_over(self) -> bool:
        return self.before_id is None

    @property
    def done(self) -> int:
        return self.changed + self.skipped

    @property
    def total(self) -> int | None:
        """None while it is not known."""
        if self.remaining is None or self.remaining.is_capped:
            return None
        return self.done + self.remaining.total

    def sentence(self, action: BulkAction) -> str:
        """``12 tasks retried, 3 could not be.``"""
        said = f"{self.changed:,} {'task' if self.changed == 1 else 'tasks'} {action.done}"
        return f"{said}, {self.skipped:,} could not be" if self.skipped else said
