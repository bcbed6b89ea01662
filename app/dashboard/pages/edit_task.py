"""Editing a task's params, priority and number of attempts, and retrying it with them."""

from __future__ import annotations

from app import json_text
from app.api import serializers
from app.api.endpoints.task_actions import EDIT
from app.dashboard.forms.params_check import all_errors
from app.dashboard.forms.schema_form import SchemaForm
from app.dashboard.forms.task_options import EDITED, TaskOptions
from app.errors import Conflict, Invalid, TooLarge
from app.queue import task_types
from app.queue.find_task import find_task
from app.queue.lanes import told_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

BUTTONS = {
    "pending": "Save",
    "scheduled": "Save and run now",
    "failed": "Save and retry",
    "cancelled": "Save and retry",
}


def show(visit: Visit) -> PageResponse:
    page = EditTaskPage(visit, visit.query.get("as") == "json")
    page.fill_in()
    return page.render()


def save(visit: Visit) -> Response:
    return EditTaskPage(visit, visit.form.get("as") == "json").save()


def refill(visit: Visit) -> Response:
    """The form as it was filled in."""
    return EditTaskPage(visit, visit.form.get("as") == "json").refill()


class EditTaskPage:
    """The form for one task. Raises NotFound; Conflict for a task that cannot be retried."""

    def __init__(self, visit: Visit, as_json: bool) -> None:
        self._visit = visit
        self._as_json = as_json
        row = find_task(visit.site, visit.id)
        self._stored_status = told_status(row["status"])
        if self._stored_status not in BUTTONS:
            raise Conflict(
                f"Task {visit.id} is {row['status']}: only failed, cancelled and waiting tasks "
                "can be edited. Clone it instead"
            )
        self._task = serializers.task(row)
        self._schema_json: str = task_types.get(visit.site, row["type"])["param_schema_json"]
        self.params = SchemaForm(json_text.loads(self._schema_json), as_json)
        self._options = TaskOptions(EDITED)
        self._errors: list[str] = []

    def fill_in(self) -> None:
        """What the task has now."""
        self.params.fill_in(self._task["params"])
        self._options.values["priority"] = str(self._task["priority"])
        schema_errors = all_errors(self._visit.site, self._schema_json, self._task["params"], [])
        self._tell(schema_errors)

    def refill(self) -> Response:
        self.params.read(self._visit.form)
        self._options.take(self._visit.form)
        return self.render()

    def save(self) -> Response:
        site = self._visit.site
        params, unread = self.params.read(self._visit.form)
        errors = all_errors(site, self._schema_json, params, unread)
        given = {**self._options.take(self._visit.form).given(), "params": params}
        try:
            values, _ = EDIT.read(given, site.settings)
        except Invalid as error:
            errors += error.details
        if errors:
            return self._refused(errors)
        from app.queue.retry import retry
        from app.queue.task_edit import TaskEdit

        try:
            retry(site, self._visit.id, actor=self._visit.actor, edit=TaskEdit(**values))
        except Invalid as error:
            return self._refused(error.details)
        except TooLarge as error:
            return self._refused([{"path": "", "message": error.message}])
        return self._visit.redirect(f"/tasks/{self._visit.id}", "The task is saved and pending.")

    def render(self, status: int = 200) -> PageResponse:
        return self._visit.render(
            "task/edit.html",
            status,
            task=self._task,
            button=BUTTONS[self._stored_status],
            is_over=self._stored_status in ("failed", "cancelled"),
            as_json=self._as_json,
            params=self.params,
            options=self._options,
            errors=self._errors,
        )

    def _refused(self, errors: list[dict[str, str]]) -> PageResponse:
        self._tell(errors)
        return self.render(400)

    def _tell(self, errors: list[dict[str, str]]) -> None:
        left = self._options.tell(self.params.tell(errors))
        self._errors += [f"{error['path']} {error['message']}".strip() for error in left]
