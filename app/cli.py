"""``flask`` commands for those who have a shell."""

from __future__ import annotations

import os

import click
from flask import current_app
from flask.cli import with_appcontext

from app.config import PROJECT_FOLDER


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Make the tables that are missing in the configured database."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.db.errors import DatabaseError
    from app.models import db
    from app.schema import create_tables

    site = current_app.extensions["taskmanager"]
    try:
        # A SQLite file gets its tables when it is opened.
        site.db.run(lambda connection: connection.is_alive())
        tables = create_tables(db.engine)
    except (DatabaseError, SQLAlchemyError) as error:
        raise click.ClickException(f"the tables could not be made: {error}") from error
    click.echo(f"The database has the tables {', '.join(tables)}.")


@click.command("write-schema")
def write_schema() -> None:
    """Write schema.sql and app/sqlite.sql anew, after a change of app/models.py."""
    from app.schema import mysql_script, sqlite_script

    for name, text in (("schema.sql", mysql_script()), ("app/sqlite.sql", sqlite_script())):
        path = os.path.join(PROJECT_FOLDER, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        click.echo(f"wrote {path}")
