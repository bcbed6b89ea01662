"""``max_running`` under a race: what a claim looked at may be over when it takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.config import from_values
from app.db import Database
from app.db.connection import Connection
from app.queue import claim as claiming
from app.queue import compare_and_swap
from app.queue import create as creating
from app.queue.claim import ClaimRequest
from app.queue.new_task import NewTask
from app.site import Site
from tests.support.net import wait_until
from tests.support.queue import register

LIMIT = 3
LOOKS = 1
"""A claim looks once before it takes: for due tasks, types and the head of the queue."""

WAIT_SECONDS = 60
SECOND = "the second claim"


@pytest.fixture
def rival(site: Site) -> Iterator[Database]:
    """The same queue as another process has it."""
    other = Database(from_values({"DATABASE_URL": site.settings.database_url}).database)
    yield other
    other.close()


@pytest.mark.parametrize("taken", range(LIMIT + 1))
def test_a_claim_counts_again_when_its_turn_has_come(
    site: Site, rival: Database, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two claims see an idle type. While the first holds the type, the second has to wait; then
    it gets what the first has left of the limit, and not what it saw.
    """
    type_id = register(site, "limited", max_running=LIMIT)
    tasks = [NewTask("limited", {"n": n}) for n in range(10)]
    ids = [each.id for each in creating.create(site, tasks)]
    last = ",".join(map(str, ids[10 - taken :])) or "NULL"
    got: list[int] = []
    second = threading.Thread(
        name=SECOND,
        target=lambda: got.extend(
            task["id"] for task in claiming.claim(site, ClaimRequest("w", LIMIT)).tasks
        ),
    )

    def first(connection: Connection) -> None:
        looks = looks_of_second(monkeypatch, type(connection))
        hold = f"SELECT id FROM task_types WHERE id = {type_id} {connection.dialect.lock}"
        connection.begin([(hold, {})])
        second.start()
        wait_until(lambda: len(looks) >= LOOKS, WAIT_SECONDS, "the second claim's looks")
        take = f"UPDATE tasks SET status = 'claimed' WHERE id IN ({last})"
        connection.commit([(take, {})])

    rival.run(first)
    second.join()
    assert got == ids[: LIMIT - taken]


@pytest.mark.parametrize("key", [None, "k"])
def test_a_beaten_claim_writes_another_mark(
    site: Site, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark that is there already changes no row: rivals on other nodes would not hear of it, and
    run too many tasks of the type.
    """
    register(site, "limited", max_running=LIMIT)
    creating.create(site, [NewTask("limited", {"n": n}) for n in range(10)])
    written: list[str] = []
    send_all = site.db.run(type).begin
    take = compare_and_swap.take

    def noted(connection: Any, statements: Any) -> Any:
        written.extend(sql for sql, _ in statements if "SET claim_mark" in sql)
        return send_all(connection, statements)

    def beaten_once(*arguments: Any) -> Any:
        update, values = take(*arguments)
        return (update if len(written) > 1 else f"{update} AND 1 = 0"), values

    monkeypatch.setattr(site.db.run(type), "begin", noted)
    monkeypatch.setattr(compare_and_swap, "take", beaten_once)
    monkeypatch.setattr(site, "contended_until", 0.0)  # for later tests: it meets a rival
    assert len(claiming.claim(site, ClaimRequest("w", 1, key=key)).tasks) == 1
    assert len(written) == len(set(written)) == 2


def looks_of_second(patch: pytest.MonkeyPatch, kind: type[Connection]) -> list[int]:
    """Grows with each response that the second claim's thread gets from the database."""
    looks: list[int] = []
    send = kind.send

    def noted(connection: Any, statements: Any) -> Any:
        results = send(connection, statements)
        if threading.current_thread().name == SECOND:
            looks.append(len(results))
        return results

    patch.setattr(kind, "send", noted)
    return looks
