"""``flask doctor``: what is wrong with the site, and what to do about it."""

from __future__ import annotations

import click

from app.cli.commands import command, current_site
from app.cli.output import json_option, print_json
from app.wording import counted


@command("doctor")
@json_option
def doctor(as_json: bool) -> None:
    """Check settings, files, database and workers.

    Each line says "ok", "note" or "problem"; a problem comes with what to do. The exit code is 1 if
    there is a problem.
    """
    from app.doctor.checks import findings

    problems = 0
    shown = []
    for subject, finding in findings(current_site()):
        problems += finding.level == "problem"
        shown.append({"check": subject, "level": finding.level, "message": finding.message})
        if not as_json:
            click.echo(f"{finding.level:<8} {subject:<9} {finding.message}")
    if as_json:
        print_json({"ok": not problems, "findings": shown})
    if problems:
        click.echo(f"{counted(problems, 'problem')} found", err=True)
        raise SystemExit(1)
