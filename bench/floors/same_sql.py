"""The queue's own statements, sent by PyMySQL and nothing else: what HTTP, JSON and checks cost
comes on top of these.

One claim and one completion are recorded as they go over the wire. Each client then sends these
packets again and again, with other ids and marks.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any, NamedTuple
from unittest.mock import patch

from pymysql.connections import Connection

from app import config
from app.queue.claim import ClaimRequest, claim
from app.queue.fencing import LeaseRef
from app.queue.settle import Completion, settle
from app.site import Site
from bench.floors.raw_sql import Session
from bench.queues import Queue

WORKER = "recorded-worker"
FIRST_ID = 700_000_001
"""Ids of tasks that nothing else in a statement can be taken for."""

TASK_ID = re.compile(r"\b70\d{7}\b")
MARK = re.compile(r"\b\d{16,19}\b")
"""Change ids and claim ids: one in two thousand is shorter."""


class Packets(NamedTuple):
    """What a claim looks at, how it takes a task, and how the task is completed."""

    look: str
    take: str
    end: str


def use_long_ids(queue: Queue) -> None:
    """To be called before there are tasks."""
    queue.sql(f"ALTER TABLE tasks AUTO_INCREMENT = {FIRST_ID}")


def record(queue: Queue) -> Packets:
    """Completes some tasks: the first ones make the worker known, and take a turn of upkeep."""
    url = queue.mariadb.url(queue.database)
    site = Site(config.from_values({"DATABASE_URL": url}))
    site.contended_until = float("inf")  # the clients will be rivals
    for _ in range(3):
        _cycle(site)
    sent: list[str] = []
    driver: Any = Connection
    send = driver._execute_command

    def recording(connection: Any, command: int, packet: bytes) -> None:
        sent.append(packet.decode("utf-8"))
        send(connection, command, packet)

    with patch.object(driver, "_execute_command", recording):
        _cycle(site)
    return Packets(*sent)


def _cycle(site: Site) -> None:
    (task,) = claim(site, ClaimRequest(WORKER)).tasks
    lease_ref = LeaseRef(task["id"], WORKER, task["attempts"])
    settle(site, [Completion(lease_ref, '{"ok": true}')])


def singly(packets: Packets, url: str, worker: str, seconds: float) -> float:
    """A way of bench.clients, with ``packets`` bound and an address of raw_sql."""
    session = Session(url, worker)
    done = 0
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        task_id = _claim(session, packets, worker)
        session.transaction(_again(packets.end, worker, task_id))
        done += 1
    return done / (time.monotonic() - begun)


def _claim(session: Session, packets: Packets, worker: str) -> int:
    while True:
        head = session.packet(packets.look.replace(WORKER, worker))
        if not head:
            raise RuntimeError("there was nothing left to claim")
        task_id = int(head[int.from_bytes(os.urandom(2), "big") % len(head)][0])
        if session.transaction(_again(packets.take, worker, task_id)):
            return task_id


def _again(packet: str, worker: str, task_id: int) -> str:
    marks: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        return marks.setdefault(found[0], str(int.from_bytes(os.urandom(8), "big") >> 1))

    return MARK.sub(other, TASK_ID.sub(str(task_id), packet)).replace(WORKER, worker)
