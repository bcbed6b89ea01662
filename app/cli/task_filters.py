"""Options that choose tasks: the filters of GET /api/tasks, by the same names and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.api.endpoints.tasks import LIST
from app.cli.options import option_of, wrong_options
from app.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.site import Site

HELP = {
    "status": "pending, claimed, completed, failed or cancelled.",
    "type": "A task type; % stands for any characters, as in mail.%.",
    "tag": "Tasks that have this tag.",
    "worker_id": "Tasks that this worker holds or ended.",
    "error_group": 'Tasks that are failed now with an error of this group; "failures" lists them.',
    "created_after": "Created later than this time, like 2026-01-31T12:00:00Z.",
    "created_before": "Created earlier than this time.",
    "q": "Tasks that hold this text: in the id, dedupe key, tags, params, result or error.",
    "before_id": "Tasks with lower ids.",
}
"""Each filter, and what --help says of it."""

SEARCH = ("q",)
"""Filters for which tasks are read one after another: not for exports, which read windows."""


def filter_options(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a command with an option for each filter, those of SEARCH only if they are named.
    Each becomes an argument of its name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, told in reversed(HELP.items()):
            metavar = "N" if LIST.is_integer(name) else "TEXT"
            if name not in SEARCH or name in more:
                function = click.option(option_of(name), name, metavar=metavar, help=told)(function)
        return function

    return decorate


def read_filters(site: Site, given: Mapping[str, str | None]) -> dict[str, Any]:
    """The filters that were given, checked, as ``listing.find`` takes them."""
    texts = {name: text for name, text in given.items() if text is not None}
    try:
        return LIST.read(LIST.of_texts(texts), site.settings)[0]
    except Invalid as error:
        raise wrong_options(error) from None
