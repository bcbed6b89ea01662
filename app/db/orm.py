"""SQLAlchemy over the same sessions as all calls: for programs that use the models with Flask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.db.connection import ALIVE_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.url import DatabaseUrl

TABLE_PREFIX = "taskmanager_table_prefix"
"""The execution option by which :mod:`app.db.tables` knows the prefix of an engine's tables."""


def engine_options(url: DatabaseUrl, seconds: float) -> dict[str, Any]:
    """For ``create_engine``: one connection a process, checked before use, whose waits fit a call
    of so many seconds.
    """
    if url.engine == "sqlite":
        return {"connect_args": {"timeout": seconds}}
    return {
        "pool_size": 1,
        "max_overflow": 3,
        "pool_pre_ping": True,
        "creator": lambda: _open(url, seconds),
        "execution_options": {TABLE_PREFIX: url.table_prefix},
    }


def _open(url: DatabaseUrl, seconds: float) -> Any:
    from app.db.mysql_session import open_session
    from app.errors import DatabaseError

    try:
        raw = open_session(url, seconds).raw
    except DatabaseError as error:
        # SQLAlchemy handles the driver's own errors and wraps them.
        raise (error.__cause__ or error) from None
    raw._read_timeout = raw._write_timeout = seconds
    raw.ping = _short(raw, raw.ping, seconds)
    raw.autocommit(False)
    return raw


def _short(raw: Any, ping: Callable[[bool], None], seconds: float) -> Callable[[bool], None]:
    """A ping that does not wait for an answer as long as all the rest of a call may take."""

    def ping_and_soon_give_up(reconnect: bool = False) -> None:
        raw._read_timeout = seconds * ALIVE_SHARE
        try:
            ping(reconnect)
        finally:
            raw._read_timeout = seconds

    return ping_and_soon_give_up
