"""What the tests of batches share: queues with tasks, what was sent, and a rival node."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from app.db.connection import Result
from app.db.sqlite import SQLiteConnection
from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.claim import ClaimRequest
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.site import Site
from tests.support.queue import register

if TYPE_CHECKING:
    from app.db.connection import Statement


def rows(site: Site, sql: str) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, {}))


def run_sql(site: Site, sql: str) -> None:
    site.db.run(lambda connection: connection.send([(sql, {})]))


def take(site: Site, count: int, worker_id: str = "w") -> list[LeaseRef]:
    """New tasks, claimed."""
    register(site, "job", max_attempts=3)
    creating.create(site, [NewTask("job", {"n": n}, dedupe=False) for n in range(count)])
    tasks = claiming.claim(site, ClaimRequest(worker_id, count, 3600)).tasks
    assert len(tasks) == count
    return [LeaseRef(task["id"], worker_id, task["attempts"]) for task in tasks]


def at_once(*calls: Callable[[], Any]) -> None:
    """Make these calls, all begun together."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> None:
        barrier.wait()
        call()

    threads = [threading.Thread(target=run, args=(each,)) for each in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class RivalNode:
    """Makes a SQLite queue behave as a node of a Galera cluster whose rival wins once: after so
    many statements of a packet its transaction is undone, those that follow are done one by one,
    and the COMMIT answers as if nothing had happened.
    """

    def __init__(self, patch: pytest.MonkeyPatch, undo_after: int) -> None:
        self.wins = 0
        self._undo_after = undo_after
        self._send = SQLiteConnection.send

        def send(connection: SQLiteConnection, statements: list[Statement]) -> list[Result]:
            return self._sent(connection, statements)

        patch.setattr(SQLiteConnection, "is_cluster", True)
        patch.setattr(SQLiteConnection, "send", send)

    def _sent(self, connection: SQLiteConnection, statements: list[Statement]) -> list[Result]:
        texts = [sql for sql, _ in statements]
        if self.wins or "COMMIT" not in texts or self._undo_after >= texts.index("COMMIT"):
            return self._send(connection, statements)
        self.wins += 1
        results = self._send(connection, statements[: self._undo_after + 1])
        self._send(connection, [("ROLLBACK", {})])
        for statement in statements[self._undo_after + 1 :]:
            is_commit = statement[0] == "COMMIT"
            results += [Result([], 0, 0)] if is_commit else self._send(connection, [statement])
        return results


class Packets:
    """How long the packets are that go to MariaDB, and how many values statements have."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        import pymysql.connections
        import pymysql.cursors

        self.sizes: list[int] = []
        self.values: list[int] = []
        sender: Any = pymysql.connections.Connection
        kind: Any = pymysql.cursors.Cursor
        execute, mogrify = sender._execute_command, kind.mogrify

        def executed(connection: Any, command: int, sql: bytes) -> None:
            self.sizes.append(len(sql))
            execute(connection, command, sql)

        def filled_in(cursor: Any, query: str, values: Any = None) -> Any:
            self.values.append(len(values or ()))
            return mogrify(cursor, query, values)

        patch.setattr(sender, "_execute_command", executed)
        patch.setattr(kind, "mogrify", filled_in)
