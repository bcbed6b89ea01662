"""Schedules: what makes tasks at which times, and what came of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.api import serializers
from app.api.endpoints import schedules as api
from app.dashboard.display import export
from app.dashboard.display.filters import has_come
from app.dashboard.display.schedule_words import in_words
from app.dashboard.forms import confirming
from app.dashboard.forms import fields as forms
from app.dashboard.forms.fields import CHOICE, FLAG, JSON, LIST, NUMBER, FormField
from app.errors import CallError
from app.queue import task_types
from app.queue.clock import now
from app.queue.schedules import making, store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

MISSED = (
    ("once", "make one task for all of them"),
    ("skip", "leave them out"),
    ("all", "make a task for each"),
)
DEDUPE = (("", "make another one"), ("active", "leave the time out"))
SUGGESTED_TYPES = 500
SHOWN_RUNS = 50
STORED_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", re.ASCII)
CRON_HINT = "Minute, hour, day, month, day of the week: 30 4 * * 1-5"
FIELDS = (
    FormField("name", "Name", hint="Each task gets the tag schedule:NAME"),
    FormField("type", "Task type", suggestions="types"),
    FormField("cron", "Cron expression", hint=CRON_HINT),
    FormField("every", "Or every so many seconds", NUMBER, "Instead of a cron expression"),
    FormField("timezone", "Time zone", hint="As in Europe/Berlin; UTC if left empty"),
    FormField("params", "Params", JSON, "A JSON object; empty for none"),
    FormField("missed", "Times that were missed", CHOICE, choices=MISSED),
    FormField("dedupe", "While the task of the time before is unfinished", CHOICE, choices=DEDUPE),
    FormField("priority", "Priority", NUMBER, "Higher first; the type's if left empty"),
    FormField("max_attempts", "Attempts", NUMBER, "The type's if left empty"),
    FormField("timeout", "Lease, seconds", NUMBER, "The type's if left empty"),
    FormField("tags", "Tags", LIST, "With commas between them"),
    FormField("paused", "Paused", FLAG),
)


class ScheduleShown:
    """A schedule as its pages show it: as the API does, and in words."""

    def __init__(self, row: Mapping[Any, Any], now: str) -> None:
        self.row = row
        self._now = now
        self.fields = serializers.schedule(row)
        self.name: str = row["name"]
        self.words = in_words(row)
        self.next_at: str | None = row["next_at"]
        self.is_paused = bool(row["is_paused"])

    def is_due(self, at: str) -> bool:
        """Whether this time has come, and waits for the next claim."""
        return has_come(at, self._now)


def show_all(visit: Visit) -> Response:
    rows = store.list_all(visit.site)
    if export.format_of(visit):
        return export.file_of(visit, "schedules", [serializers.schedule(row) for row in rows])
    moment = now(visit.site)
    shown = [ScheduleShown(row, moment) for row in rows]
    return visit.render("schedules/list.html", schedules=shown, as_of=visit.as_of(moment))


def show(visit: Visit) -> PageResponse:
    row = store.get(visit.site, visit.name)
    before = visit.query.get("before")
    before = before if STORED_TIME.fullmatch(before) else ""
    runs = store.runs(visit.site, row["id"], SHOWN_RUNS + 1, before or None)
    moment = now(visit.site)
    return visit.render(
        "schedules/show.html",
        schedule=ScheduleShown(row, moment),
        runs=runs[:SHOWN_RUNS],
        older=runs[SHOWN_RUNS - 1]["due_at"] if len(runs) > SHOWN_RUNS else "",
        before=before,
        as_of=visit.as_of(moment),
    )


def new(visit: Visit) -> PageResponse:
    return _form(visit, "", {"missed": "once", "type": visit.query.get("type")})


def edit(visit: Visit) -> PageResponse:
    shown = serializers.schedule(store.get(visit.site, visit.name))
    return _form(visit, visit.name, forms.as_stored(shown, FIELDS))


def save(visit: Visit) -> Response:
    """Make a schedule, or change the one of this name."""
    settings, known = visit.site.settings, visit.form.get("known")
    try:
        values = forms.read(visit.form, FIELDS, api.SCHEDULE, settings)
        row, is_new, _ = api.put_from(values, visit.site, actor=visit.actor)
    except CallError as error:
        errors = forms.errors_by_field(error, FIELDS)
        return _form(visit, known, forms.as_sent(visit.form, FIELDS), errors)
    notice = f"Schedule {row['name']} " + ("was made" if is_new else "was changed")
    return visit.redirect(f"/schedules/{row['name']}", notice)


def refill(visit: Visit) -> Response:
    """The form as it was filled in."""
    return _form(visit, visit.form.get("known"), forms.as_sent(visit.form, FIELDS))


def pause(visit: Visit) -> Response:
    store.set_paused(visit.site, visit.name, True, actor=visit.actor)
    return visit.redirect(
        f"/schedules/{visit.name}", "Paused: it makes nothing until it is resumed"
    )


def resume(visit: Visit) -> Response:
    store.set_paused(visit.site, visit.name, False, actor=visit.actor)
    return visit.redirect(f"/schedules/{visit.name}", "Resumed")


def run(visit: Visit) -> Response:
    task_id = making.run_now(visit.site, store.get(visit.site, visit.name), visit.actor)
    return visit.redirect(f"/tasks/{task_id}", f"Task {task_id} was made")


def delete(visit: Visit) -> Response:
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            f"Delete schedule {visit.name}?",
            "It makes no more tasks. The tasks that it made stay.",
            "Delete it",
            visit.url(f"/schedules/{visit.name}"),
        )
    store.delete(visit.site, visit.name, actor=visit.actor)
    return visit.redirect("/schedules", f"Schedule {visit.name} was deleted")


def _form(
    visit: Visit, known: str, values: dict[str, Any], errors: dict[str, str] | None = None
) -> PageResponse:
    return visit.render(
        "schedules/form.html",
        400 if errors else 200,
        known=known,
        fields=FIELDS,
        values=values,
        errors=errors or {},
        types=task_types.names(visit.site, SUGGESTED_TYPES),
    )
