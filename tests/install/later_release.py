"""A later release, which only the tests know: run as a program, it upgrades a database to its own.

Prints the versions before and after as JSON. ``--halt-before N`` prints "halted" and waits to be
killed when it comes to its Nth step; ``--without-lock`` is the database that knows no GET_LOCK.
"""

from __future__ import annotations

import argparse
import json
import signal

from sqlalchemy import Column, Index, Integer, String, Table

from app.db import url
from app.db.connection import Connection
from app.db.migrations import MIGRATIONS
from app.db.migrations.steps import AddColumn, AddIndex, AddTable, Step
from app.db.model_base import TABLE, Base, Id, LongText
from app.install import migrate

STEPS = [
    AddTable("notices"),
    AddColumn("tasks", "origin"),
    AddColumn("tasks", "cost"),
    AddIndex("tasks", "tasks_origin"),
]
VERSION = len(MIGRATIONS) + 1


class Halt(Step):
    """Never done, and never ends."""

    def __init__(self) -> None:
        super().__init__("tasks")

    def is_done(self, connection: Connection, engine: str) -> bool:
        return False

    def statements(self, engine: str) -> list[str]:
        print("halted", flush=True)
        signal.pause()
        raise AssertionError("a signal came that was not to kill")


def extend_models() -> None:
    tasks = Base.metadata.tables["tasks"]
    tasks.append_column(Column("origin", String(64)))
    tasks.append_column(Column("cost", Integer, nullable=False, server_default="1"))
    Index("tasks_origin", tasks.c.origin, tasks.c.id)
    notices = Table("notices", Base.metadata, Column("id", Id, primary_key=True), **TABLE)
    notices.append_column(Column("text", LongText))
    Index("notices_newest", notices.c.id)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--halt-before", type=int)
    parser.add_argument("--without-lock", action="store_true")
    options = parser.parse_args()
    extend_models()
    steps = list(STEPS)
    if options.halt_before is not None:
        steps.insert(options.halt_before, Halt())
    if options.without_lock:
        migrate._take_lock = lambda connection: True
    migrations = {**MIGRATIONS, VERSION: steps}
    print(json.dumps(migrate.migrate(url.parse(options.url, "/"), migrations)))


if __name__ == "__main__":
    main()
