"""Fields of the API as options of commands: named alike, checked by the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.errors import Invalid

NO_ARGUMENTS: Mapping[str, str] = {}


def option_of(name: str) -> str:
    """``created_after`` is ``--created-after``."""
    return f"--{name.replace('_', '-')}"


def wrong_options(error: Invalid, arguments: Mapping[str, str] = NO_ARGUMENTS) -> click.UsageError:
    """The error for values that the API's fields refuse, naming options as they are typed.
    ``arguments`` are the names of the fields that are not options.
    """
    told = [
        f"{arguments.get(each['path']) or option_of(each['path'])} {each['message']}"
        for each in error.details
    ]
    return click.UsageError("; ".join(told))
