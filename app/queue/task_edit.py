"""What is changed about a task when it is retried: its params, priority or number of attempts."""

from __future__ import annotations

from app.errors import NotFound
from app.queue.assignments import Assignments
from app.queue.new_task import Draft, NewTask
from app.queue.task_fields import urgency_of
from app.queue.type_check import TypeCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.access import Access
    from app.site import Site


class TaskEdit:
    """What is None stays as it is. ``max_attempts`` is how many there may be from now on.

    The dedupe key stays even when the params change: it stands for what was asked for when the task
    was made, and the same request must find the task that was made for it.
    """

    def __init__(
        self,
        params: dict[str, Any] | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
    ) -> None:
        self.params = params
        self.priority = priority
        self.max_attempts = max_attempts

    def check(self, site: Site, task_id: int, access: Access | None) -> Assignments:
        """The SQL that makes the change. Raises NotFound, TooLarge; Invalid when the params do not
        match the schema of the task's type.
        """
        assigned = Assignments()
        if self.priority is not None:
            assigned.add("urgency", ":edited_urgency", edited_urgency=urgency_of(self.priority))
        if self.max_attempts is not None:
            more = "attempts + :edited_attempts"
            assigned.add("max_attempts", more, edited_attempts=self.max_attempts)
        if self.params is not None:
            params_json = _checked(site, task_id, self.params, access)
            assigned.add("params_json", ":edited_params", edited_params=params_json)
        return assigned


def _checked(site: Site, task_id: int, params: dict[str, Any], access: Access | None) -> str:
    """The params as they are stored."""
    visible, own = ("", {}) if access is None else access.tasks()
    look = (
        "SELECT task_types.* FROM tasks JOIN task_types ON task_types.id = tasks.type_id "
        f"WHERE tasks.id = :id{visible}"
    )
    found = site.db.run(lambda connection: connection.query(look, {"id": task_id, **own}))
    if not found:
        raise NotFound(f"Task {task_id} not found")
    draft = Draft(site, NewTask(found[0]["name"], params, dedupe=False))
    # Whether the type takes new tasks does not matter here.
    TypeCheck(site, [draft]).typed([{**found[0], "is_active": 1}])
    return draft.params_json
