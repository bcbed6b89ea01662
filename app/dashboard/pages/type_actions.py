"""What is done to a type: pausing, activating, deleting it, changing its settings.

All of it comes to one address, with the type's name as a field: a name may be any text, and the
steps of a path may not.
"""

from __future__ import annotations

from app.dashboard.forms import confirming
from app.dashboard.type_address import type_path, type_url
from app.errors import Invalid
from app.queue import task_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit


def act(visit: Visit) -> Response:
    action = ACTIONS.get(visit.form.get("do"))
    if action is None:
        raise Invalid("This form is not complete: go back and use the button again")
    return action(visit, visit.form.get("name"))


def refill(visit: Visit) -> Response:
    """The page of the type, with the settings as they were filled in, if it is about those."""
    name = visit.form.get("name")
    if visit.form.get("do") != "save":
        return _back(visit, name, "")
    from app.dashboard.forms.type_settings import TypeSettingsForm
    from app.dashboard.pages import type as one_type

    row = task_types.get(visit.site, name)
    settings = TypeSettingsForm(row, visit.site.settings).take(visit.form)
    return one_type.page(visit, name, settings)


def _pause(visit: Visit, name: str) -> Response:
    task_types.set_paused(visit.site, name, True, actor=visit.actor)
    return _back(visit, name, "The type is paused: none of its tasks is handed out.")


def _resume(visit: Visit, name: str) -> Response:
    task_types.set_paused(visit.site, name, False, actor=visit.actor)
    return _back(visit, name, "The type is resumed: its tasks are handed out again.")


def _activate(visit: Visit, name: str) -> Response:
    task_types.set_active(visit.site, name, True, actor=visit.actor)
    return _back(visit, name, "The type is active: it takes new tasks.")


def _deactivate(visit: Visit, name: str) -> Response:
    task_types.set_active(visit.site, name, False, actor=visit.actor)
    return _back(visit, name, "The type is inactive: it takes no new tasks.")


def _delete(visit: Visit, name: str) -> Response:
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            f"Delete the type {name}?",
            "Creates of its tasks are refused from then on. While it has ended tasks it is "
            "archived, so that these keep their type, and goes with the last of them. It cannot be "
            "deleted while tasks of it are unfinished.",
            "Delete the type",
            type_url(visit, name),
        )
    from app.queue.delete_type import delete_type

    is_archived = delete_type(visit.site, name, actor=visit.actor)
    why = " It is archived, since it has ended tasks." if is_archived else ""
    return visit.redirect("/types", f"The type is deleted.{why}")


def _save(visit: Visit, name: str) -> Response:
    from app.dashboard.forms.type_settings import TypeSettingsForm
    from app.dashboard.pages import type as one_type
    from app.queue.type_settings import change_settings

    row = task_types.get(visit.site, name)
    settings = TypeSettingsForm(row, visit.site.settings).take(visit.form)
    try:
        change_settings(visit.site, name, settings.read(), visit.actor)
    except Invalid as error:
        settings.tell(error.details)
        return one_type.page(visit, name, settings, 400)
    return _back(visit, name, "The settings are saved.")


ACTIONS = {
    "pause": _pause,
    "resume": _resume,
    "activate": _activate,
    "deactivate": _deactivate,
    "delete": _delete,
    "save": _save,
}


def _back(visit: Visit, name: str, notice: str) -> Response:
    path, fields = type_path(name)
    return visit.redirect(path, notice, **fields)
