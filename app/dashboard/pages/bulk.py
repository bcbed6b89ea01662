"""What is done to many tasks at once: to those that were selected, or to all that match."""

from __future__ import annotations

from app.api.routes import is_id
from app.dashboard.bulk_actions import Progress, action_of
from app.dashboard.forms import confirming
from app.dashboard.task_filters import TaskFilters
from app.errors import Invalid
from app.queue.bulk import BulkRequest, change_many
from app.queue.task_page import list_context
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.bulk_actions import BulkAction
    from app.dashboard.page_request import Form
    from app.dashboard.visit import Visit

MOST_SELECTED = 100
"""As many as are changed in one transaction."""

STEP = 1000
"""So many tasks at most are changed by one request, and fewer when its time is over."""


def begin(visit: Visit) -> Response:
    """The form below the list of tasks: the selected tasks are changed now, for all that match a
    page asks first.
    """
    action = action_of(visit.form)
    filters = _filters(visit, visit.form)
    if visit.form.get("all") == "yes":
        return visit.redirect("/tasks/bulk", action=action.name, **filters.given)
    ids = _ids(visit.form)
    back = {**filters.given, **_cursor(visit.form)}
    if not ids:
        return visit.redirect("/tasks", "Nothing was changed: select some tasks first.", **back)
    if action.is_final and not confirming.is_confirmed(visit):
        return _ask_about_selected(visit, action, ids, visit.url("/tasks", **back))
    request = BulkRequest(ids, {}, MOST_SELECTED, actor=visit.actor)
    progress = Progress()
    progress.add(change_many(visit.site, action.task_action(), request))
    said = ". ".join([progress.sentence(action), *progress.refusals[:3]])
    return visit.redirect("/tasks", f"{said}.", **back)


def ask(visit: Visit) -> Response:
    """How many tasks it is about, and whether to do it."""
    if "action" not in visit.query:
        return visit.redirect("/tasks")
    action = action_of(visit.query)
    context = list_context(visit.site)
    filters = TaskFilters(visit.query, visit.site.settings, context.now)
    if filters.errors:  # the list shows them at their fields
        return visit.redirect("/tasks", **filters.given)
    before_id = context.newest_id + 1
    request = BulkRequest(None, filters.values, STEP, before_id)
    found = change_many(visit.site, action.task_action(), request, is_dry_run=True)
    return visit.render(
        "tasks/bulk.html",
        action=action,
        filters=filters,
        matched=found.matched,
        before_id=before_id,
    )


def run(visit: Visit) -> Response:
    """One step of it. The page that comes back has a form for the next one."""
    action = action_of(visit.form)
    filters = _filters(visit, visit.form)
    progress = Progress.of(visit.form)
    request = BulkRequest(None, filters.values, STEP, _before_id(visit.form), actor=visit.actor)
    progress.add(change_many(visit.site, action.task_action(), request))
    return visit.render("tasks/running.html", action=action, filters=filters, progress=progress)


def _filters(visit: Visit, form: Form) -> TaskFilters:
    """Those of a form of ours. Raises Invalid."""
    # Loaded when needed: a form has no age but where the list has it.
    now = list_context(visit.site).now if form.get("age") else ""
    filters = TaskFilters(form, visit.site.settings, now)
    for name, message in filters.errors.items():
        raise Invalid(f"{name} {message}", [{"path": name, "message": message}])
    return filters


def _ask_about_selected(visit: Visit, action: BulkAction, ids: list[int], back: str) -> Response:
    question = f"{action.name.capitalize()} {counted(len(ids), 'task')}?"
    return confirming.ask(visit, question, action.warning, action.name.capitalize(), back)


def _ids(form: Form) -> list[int]:
    found = [int(each) for each in form.all("ids") if is_id(each)]
    return sorted(set(found), reverse=True)[:MOST_SELECTED]


def _before_id(form: Form) -> int:
    """The page that asked has fixed it, so that tasks which are made later are left out. Raises
    Invalid: without it nothing is changed.
    """
    before_id = form.number("before_id")
    if before_id is None:
        message = "is missing: begin with the list of tasks again"
        raise Invalid(f"before_id {message}", [{"path": "before_id", "message": message}])
    return before_id


def _cursor(form: Form) -> dict[str, str]:
    """Which page of the list was looked at."""
    return {name: form.get(f"back_{name}") for name in ("before_id", "after_id")}
