"""What the models in :mod:`app.db.tables` are made of: their base, their types of columns, and how
SQLAlchemy's connections treat their SQL.

Loads Flask and SQLAlchemy, like the models.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Dialect, Engine, Integer, String, Text, event
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db.orm import TABLE_PREFIX
from app.db.prefix import with_prefix


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


@event.listens_for(Engine, "connect")
def _compare_exactly(connection: Any, _: Any) -> None:
    """LIKE on SQLite tells upper from lower case, as everywhere else here."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA case_sensitive_like=ON")


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _put_prefix(
    connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    prefix = connection.get_execution_options().get(TABLE_PREFIX, "")
    return with_prefix(statement, prefix), parameters


class UtcTime(TypeDecorator[str]):
    """``YYYY-MM-DD HH:MM:SS.mmm`` in UTC: DATETIME(3) on MySQL, text on SQLite."""

    impl = String(23)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=3))
        return dialect.type_descriptor(String(23))

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if isinstance(value, datetime):
            return value.isoformat(" ", "milliseconds")
        return value  # type: ignore[no-any-return]


Id = BigInteger().with_variant(Integer(), "sqlite")
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")

# Everything is compared byte by byte, so that both engines agree on what is equal.
TABLE = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "sqlite_autoincrement": True,
}

# For tables whose rows have a key of their own. An INSERT into one leaves SQLite's
# last_insert_rowid() as it is.
TABLE_WITHOUT_ROWID = {**TABLE, "sqlite_autoincrement": False, "sqlite_with_rowid": False}
