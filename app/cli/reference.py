"""``flask write-reference``."""

from __future__ import annotations

import os

import click

from app.cli.commands import command
from app.config import PROJECT_FOLDER


@command("write-reference")
def write_reference() -> None:
    """Write docs/api.md after a change of the API.

    It is made from app/api/reference/ and from the fields of each call.
    """
    from app.api.reference.page_text import page

    path = os.path.join(PROJECT_FOLDER, "docs", "api.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page())
    click.echo(f"wrote {path}")
