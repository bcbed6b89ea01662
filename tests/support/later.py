"""A later release than this one, as code for the end of modules: its tables have a column more."""

from __future__ import annotations

from pathlib import Path

from app.version import SCHEMA_VERSION

VERSION_OF_TABLES = SCHEMA_VERSION + 1
COLUMN = "cost"  # of the table tasks

CODE = {
    "version": f"\nSCHEMA_VERSION = {VERSION_OF_TABLES}\n",
    "db/tables": f"""
from sqlalchemy import Column
Task.__table__.append_column(Column("{COLUMN}", Integer, nullable=False, server_default="1"))
Index("tasks_{COLUMN}", Task.__table__.c.{COLUMN})
""",
    "db/migrations/__init__": f"""
from app.db.migrations.steps import AddColumn, AddIndex
MIGRATIONS[{VERSION_OF_TABLES}] = [
    AddColumn("tasks", "{COLUMN}"), AddIndex("tasks", "tasks_{COLUMN}")
]
""",
}
"""By the module in app/: ``queue/settle`` is ``app/queue/settle.py``."""


def edited(project: Path) -> dict[str, str]:
    """The files of the project that are other ones in the later release: whole, by their paths."""
    names = {name: f"app/{name}.py" for name in CODE}
    return {path: (project / path).read_text("utf-8") + CODE[name] for name, path in names.items()}
