"""The JSON files that commands read: an object, a list of objects, or what a command printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from app import json_text

if TYPE_CHECKING:
    from collections.abc import Collection


def objects_in(
    file: Any, printed_as: str, state: Collection[str]
) -> list[tuple[str, dict[str, Any]]]:
    """Each object with how the paths in errors about it begin.

    ``printed_as`` is the name under which ``--json`` prints a list of them, and ``state`` are the
    fields that are printed of each and not read.
    """
    content = _parse(file, printed_as)
    listed = content.get(printed_as, content) if isinstance(content, dict) else content
    if isinstance(listed, dict):
        return [("", _without(state, listed))]
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise click.ClickException("the file must hold an object, {…}, or a list of objects")
    return [(f"[{number}].", _without(state, each)) for number, each in enumerate(listed)]


def _parse(file: Any, noun: str) -> Any:
    if file is sys.stdin and file.isatty():
        raise click.UsageError(f"name a FILE with the {noun.replace('_', ' ')}, or pipe them in")
    try:
        return json_text.parse(file.read())
    except ValueError as error:  # also when it is not UTF-8
        raise click.ClickException(f"{file.name} is not JSON: {error}") from None


def _without(state: Collection[str], given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in state}
