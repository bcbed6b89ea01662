"""Params of a task as somebody types them."""

from __future__ import annotations

import sys
from typing import Any

import click

from app import json_text


def read_params(text: str, name: str) -> Any:
    """The value of JSON text, or of standard input for "-"; ``name`` is how errors call it."""
    try:
        return json_text.parse(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise click.UsageError(
            f"{name} is not JSON: {error}. Write an object in single quotes, like '{{\"n\": 1}}'"
        ) from None
