"""The floor below every queue in a database: a cycle's statements by PyMySQL, and nothing else.

No HTTP, no JSON, no check of anything, no repeat after a deadlock: one process a client.
"""

from __future__ import annotations

import os
import time
from typing import Any

import pymysql
from pymysql.constants import CLIENT

from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST

AHEAD = 16
LEASE = "UTC_TIMESTAMP(3) + INTERVAL 300 SECOND"
HEAD = (
    "SELECT id FROM tasks FORCE INDEX (tasks_claim) WHERE status = 'pending' "
    "ORDER BY urgency, id LIMIT {count}"
)
TAKE = (
    "UPDATE tasks SET status = 'claimed', attempts = attempts + 1, lease = 300, "
    f"due_at = {LEASE}, change_id = {{change}}, claimed_by = '{{worker}}', "
    "claimed_at = UTC_TIMESTAMP(3) WHERE id IN ({ids}) AND status = 'pending'"
)
TAKEN = (
    "INSERT INTO task_history (task_id, status, worker_id, attempt, created_at) "
    "SELECT id, 'claimed', claimed_by, attempts, UTC_TIMESTAMP(3) FROM tasks "
    "WHERE id IN ({ids}) AND change_id = {change}"
)
SHOW = "SELECT * FROM tasks WHERE id IN ({ids}) AND change_id = {change}"
END = (
    "UPDATE tasks SET status = 'completed', due_at = NULL, result_json = '{{\"ok\": true}}', "
    "completed_at = UTC_TIMESTAMP(3), change_id = {change} WHERE id IN ({ids}) "
    "AND status = 'claimed' AND claimed_by = '{worker}'"
)
ENDED = TAKEN.replace("'claimed'", "'completed'")


def address(mariadb: MariaDB, database: str) -> str:
    """What the functions below take as an address."""
    return "\t".join((HOST, str(mariadb.port), USER, PASSWORD, database))


class Session:
    def __init__(self, url: str, worker: str) -> None:
        host, port, user, password, name = url.split("\t")
        self._raw = pymysql.connect(
            host=host,
            port=int(port),
            user=user,
            password=password,
            database=name,
            ssl_disabled=True,
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
        self._worker = worker
        self.packet("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def packet(self, *statements: str) -> Any:
        """The rows of the last statement that has any."""
        rows: Any = ()
        with self._raw.cursor() as cursor:
            cursor.execute(";".join(statements))
            while True:
                rows = cursor.fetchall() or rows
                if not cursor.nextset():
                    return rows

    def claim(self, count: int) -> list[int]:
        """Look ahead, take some, and read what was taken."""
        while True:
            head = [row[0] for row in self.packet(HEAD.format(count=count + AHEAD))]
            if len(head) < count:
                raise RuntimeError("there was nothing left to claim")
            start = int.from_bytes(os.urandom(1), "big") % (len(head) - count + 1)
            values = self._values(head[start : start + count])
            statements = ["START TRANSACTION", TAKE, TAKEN, SHOW, "COMMIT"]
            rows = self.transaction(*(each.format(**values) for each in statements))
            if rows:
                return [row[0] for row in rows]

    def complete_each(self, ids: list[int]) -> None:
        """A pair of statements a task, all in one packet."""
        pairs = [
            each.format(**values)
            for values in (self._values([task_id]) for task_id in ids)
            for each in (END, ENDED)
        ]
        self.transaction("START TRANSACTION", *pairs, "COMMIT")

    def complete_grouped(self, ids: list[int]) -> None:
        """One pair of statements for all."""
        values = self._values(ids)
        self.transaction(
            "START TRANSACTION", END.format(**values), ENDED.format(**values), "COMMIT"
        )

    def transaction(self, *statements: str) -> Any:
        """The rows as for ``packet``; none where a rival came first."""
        try:
            return self.packet(*statements)
        except pymysql.OperationalError:  # a deadlock or a rival: nothing was done
            self._raw.rollback()
            return ()

    def _values(self, ids: list[int]) -> dict[str, object]:
        change = int.from_bytes(os.urandom(7), "big")
        texts = ",".join(map(str, ids))
        return {"ids": texts, "change": change, "worker": self._worker}


def singly(url: str, worker: str, seconds: float) -> float:
    return _cycles(url, worker, seconds, 1, grouped=False)


def in_fifties(url: str, worker: str, seconds: float) -> float:
    return _cycles(url, worker, seconds, 50, grouped=False)


def in_fifties_grouped(url: str, worker: str, seconds: float) -> float:
    return _cycles(url, worker, seconds, 50, grouped=True)


def _cycles(url: str, worker: str, seconds: float, size: int, grouped: bool) -> float:
    session = Session(url, worker)
    done = 0
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        ids = session.claim(size)
        if grouped:
            session.complete_grouped(ids)
        else:
            session.complete_each(ids)
        done += len(ids)
    return done / (time.monotonic() - begun)
