"""``flask init-db``, ``upgrade-db`` and ``write-schema``."""

from __future__ import annotations

import os

import click

from app.cli.commands import command, current_site
from app.config import PROJECT_FOLDER


@command("init-db")
def init_db() -> None:
    """Make the tables that are missing."""
    from app.db.tables import Base

    _migrate("the tables could not be made")
    click.echo(f"The database has the tables {', '.join(sorted(Base.metadata.tables))}.")


@command("upgrade-db")
def upgrade_db() -> None:
    """Upgrade the tables to this version; every row is kept."""
    before, now = _migrate("the tables could not be upgraded")
    done = f"went from version {before} to" if before != now else "are of version"
    click.echo(f"The tables {done} {now}.")


def _migrate(trouble: str) -> tuple[int, int]:
    from app.errors import DatabaseError
    from app.install.migrate import migrate

    try:
        return migrate(current_site().settings.database)
    except DatabaseError as error:
        raise click.ClickException(f"{trouble}: {error}") from error


@command("write-schema")
def write_schema() -> None:
    """Write the SQL files after a change of the tables.

    schema.sql and app/db/sqlite.sql are made from app/db/tables.py.
    """
    from app.db.ddl import mysql_script, sqlite_script

    for name, text in (("schema.sql", mysql_script()), ("app/db/sqlite.sql", sqlite_script())):
        path = os.path.join(PROJECT_FOLDER, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        click.echo(f"wrote {path}")
