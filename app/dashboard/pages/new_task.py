"""Creating a task: choose a type, then fill in a form that is made from its schema."""

from __future__ import annotations

from app import json_text
from app.api import fields, serializers
from app.api.endpoints.tasks import new_task
from app.dashboard.forms.params_check import all_errors
from app.dashboard.forms.schema_form import SchemaForm
from app.dashboard.forms.task_options import CREATED, UNITS, TaskOptions
from app.dashboard.type_address import type_url
from app.errors import Invalid, NotFound, TooLarge, UnknownType
from app.queue import task_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

    Row = Mapping[str, Any]

MOST_TYPES = 100
"""So many are offered at once."""


def show(visit: Visit) -> PageResponse:
    name = visit.query.get("type")
    if not name or "find" in visit.query:
        return _choose_type(visit, name)
    try:
        type_row = task_types.get(visit.site, name)
    except UnknownType:
        return _choose_type(visit, name)
    page = NewTaskPage(visit, type_row, visit.query.get("as") == "json")
    original = visit.query.get("copy_of")
    if original:
        page.copy(original)
    else:
        page.params.fill_in_defaults()
    return page.render()


def create(visit: Visit) -> Response:
    page = _sent_page(visit)
    return page.create() if page else _choose_type(visit, visit.form.get("type"))


def refill(visit: Visit) -> Response:
    """The form as it was filled in."""
    page = _sent_page(visit)
    return page.refill() if page else _choose_type(visit, visit.form.get("type"))


def _sent_page(visit: Visit) -> NewTaskPage | None:
    """None if the type is gone."""
    try:
        type_row = task_types.get(visit.site, visit.form.get("type"))
    except UnknownType:
        return None
    return NewTaskPage(visit, type_row, visit.form.get("as") == "json")


class NewTaskPage:
    """The form for a task of one type. ``existing`` is the equal task because of which no other was
    created.
    """

    def __init__(self, visit: Visit, type_row: Row, as_json: bool) -> None:
        self._visit = visit
        self._type = type_row
        self._as_json = as_json
        self.params = SchemaForm(json_text.loads(type_row["param_schema_json"]), as_json)
        self._options = TaskOptions(CREATED)
        self._options.values["unit"] = "minutes"
        self._errors: list[str] = []
        self._existing: dict[str, Any] | None = None

    def copy(self, task_id: str) -> None:
        """Fill in what a task was asked for, if it is there still."""
        from app.queue.find_task import find_task

        if not (task_id.isascii() and task_id.isdigit() and len(task_id) < 19):
            return
        try:
            task = serializers.task(find_task(self._visit.site, int(task_id)))
        except NotFound:
            self._errors.append(f"Task {task_id} is deleted: nothing of it could be filled in")
            return
        self.params.fill_in(task["params"])
        values = self._options.values
        values["priority"] = str(task["priority"])
        values["tags"] = "\n".join(task["tags"])
        values["timeout"] = "" if task["timeout"] is None else f"{task['timeout']:g}"
        # By the type's rule the copy would count as the same task.
        values["dedupe"] = "never"

    def refill(self) -> Response:
        self.params.read(self._visit.form)
        self._options.take(self._visit.form)
        return self.render()

    def create(self) -> Response:
        site = self._visit.site
        given_params, unread = self.params.read(self._visit.form)
        given = {**self._options.take(self._visit.form).given(), "type": self._type["name"]}
        errors = all_errors(site, self._type["param_schema_json"], given_params, unread)
        try:
            task, _ = new_task({**given, "params": given_params}, site.settings)
        except Invalid as error:
            errors += error.details
        if errors:
            return self._refused(errors)
        from app.queue.create import create

        try:
            created = create(site, [task])[0]
        except Invalid as error:
            return self._refused(error.details)
        except TooLarge as error:
            return self._refused([{"path": "", "message": error.message}])
        if created.deduplicated:
            self._existing = serializers.task(created.row, serializers.EXISTING)
            return self.render(409)
        return self._visit.redirect(f"/tasks/{created.id}", "The task is created.")

    def render(self, status: int = 200) -> PageResponse:
        description = self._type["description"]
        return self._visit.render(
            "new_task/form.html",
            status,
            type=self._type,
            description=fields.shorten(description, 2000) if description else "",
            as_json=self._as_json,
            params=self.params,
            options=self._options,
            units=list(UNITS),
            errors=self._errors,
            existing=self._existing,
            type_url=type_url,
        )

    def _refused(self, errors: list[dict[str, str]]) -> PageResponse:
        left = self._options.tell(self.params.tell(errors))
        self._errors += [f"{error['path']} {error['message']}".strip() for error in left]
        return self.render(400)


def _choose_type(visit: Visit, search: str) -> PageResponse:
    from app.queue.type_page import type_page

    page = type_page(visit.site, MOST_TYPES, text=search)
    return visit.render("new_task/choose_type.html", page=page, search=search)
