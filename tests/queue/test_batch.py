"""Batches of settles and of heartbeats: few statements, and each task as if it were alone."""

from __future__ import annotations

import random
from typing import Any

import pytest

from app.db import mysql
from app.queue import leases
from app.queue.cancel import cancel
from app.queue.fencing import LeaseRef
from app.queue.leases import Heartbeat
from app.queue.release import Release
from app.queue.settle import Completion, Failure, Outcome, settle
from app.site import Site
from tests.queue.batches import Packets, RivalNode, at_once, rows, run_sql, take
from tests.support.queue import site_at

MEBIBYTE = 1024 * 1024

TASK = (
    "SELECT id, status, due_at, attempts, max_attempts, lease, releases, last_outcome, claimed_by, "
    "cancel_requested, progress, completed_at, result_json, error_message, error_traceback "
    "FROM tasks ORDER BY id"
)
HISTORY = "SELECT task_id, status, worker_id, attempt, message FROM task_history ORDER BY id"


def lease_ref_of(claim: LeaseRef, how: int) -> LeaseRef:
    """The right one, most of the time."""
    return (
        LeaseRef(claim.task_id, "another", claim.attempt),
        LeaseRef(claim.task_id, claim.worker_id, 7),
        LeaseRef(claim.task_id + 1_000_000, claim.worker_id, claim.attempt),
        LeaseRef(claim.task_id, None, claim.attempt),
        LeaseRef(claim.task_id, claim.worker_id, None),
        claim,
        claim,
        claim,
    )[how]


def outcome_of(lease_ref: LeaseRef, how: int) -> Outcome:
    text = f"{how} of task, 'quoted' \\ \"twice\" :id_1 %s ä\U0001f600"
    return (
        Completion(lease_ref, None),
        Completion(lease_ref, f'{{"n": "{how}"}}'),
        Failure(lease_ref, text * 50, f"line {how}", True, 60.0),
        Failure(lease_ref, "same", None, False),
        Failure(lease_ref, "", text, False, 5.0),
        Release(lease_ref),
        Release(lease_ref, 90.0),
    )[how]


@pytest.mark.parametrize("seed", range(8))
def test_a_batch_does_what_its_outcomes_do_alone(site: Site, seed: int) -> None:
    """A second queue's worth of the same tasks gets the same outcomes one by one."""
    choice = random.Random(seed)
    count = choice.choice([2, 10, 100])
    batch, alone = take(site, count, "w"), take(site, count, "w")
    cancelled = [n for n in range(count) if choice.random() < 0.2]
    for n in cancelled:
        cancel(site, batch[n].task_id)
        cancel(site, alone[n].task_id)
    plan = [(n, choice.randrange(8), choice.randrange(7)) for n in range(count)]
    choice.shuffle(plan)
    as_batch = settle(site, [outcome_of(lease_ref_of(batch[n], r), o) for n, r, o in plan])
    one_by_one = {
        n: settle(site, [outcome_of(lease_ref_of(alone[n], r), o)])[0] for n, r, o in sorted(plan)
    }
    for (n, _, _), result in zip(plan, as_batch):
        assert getattr(result.refusal, "code", None) == getattr(one_by_one[n].refusal, "code", None)
    tasks, shift = rows(site, TASK), alone[0].task_id - batch[0].task_id
    for left, right in zip(tasks[:count], tasks[count:]):
        for moment in ("due_at", "completed_at"):
            assert (left.pop(moment) is None) == (right.pop(moment) is None)
        assert {**left, "id": left["id"] + shift} == right
    lines = [each for each in rows(site, HISTORY) if each["status"] != "claimed"]
    of_batch = [each for each in lines if each["task_id"] <= batch[-1].task_id]
    of_alone = [each for each in lines if each["task_id"] > batch[-1].task_id]
    assert sorted(({**each, "task_id": each["task_id"] + shift} for each in of_batch), key=str) == (
        sorted(of_alone, key=str)
    )


def test_lines_are_in_the_order_of_the_tasks(site: Site) -> None:
    claims = take(site, 30)
    run_sql(
        site,
        f"UPDATE tasks SET claimed_at = {site.db.dialect.after('-100')} WHERE id % 2 = 0",
    )
    mixed = claims[:]
    random.Random(1).shuffle(mixed)
    settle(site, [Completion(each, str(each.task_id)) for each in mixed])
    lines = rows(
        site,
        "SELECT task_id, seconds, created_at FROM task_history WHERE status = 'completed' "
        "ORDER BY id",
    )
    assert [each["task_id"] for each in lines] == [each.task_id for each in claims]
    assert len({each["created_at"] for each in lines}) == 1
    for each in lines:
        assert (each["seconds"] >= 100) == (each["task_id"] % 2 == 0)


def test_each_failure_has_its_own_backoff(site: Site) -> None:
    """Tasks that failed together do not come back together."""
    claims = take(site, 20)
    settle(site, [Failure(each, "e") for each in claims])
    assert len({row["due_at"] for row in rows(site, "SELECT due_at FROM tasks")}) > 10


def test_one_task_again_and_again_in_one_batch(site: Site) -> None:
    first, second = take(site, 2)
    stranger = LeaseRef(first.task_id, "another", 1)
    outcomes = [
        Completion(stranger, "1"),
        Completion(second, "2"),
        Completion(first, "3"),
        Failure(first, "e"),
        Completion(first, "4"),
    ]
    settled = settle(site, outcomes)
    refusals = [each.refusal and each.refusal.code for each in settled]
    assert refusals == ["not_claimed", None, None, "not_claimed", None]
    results = [
        row["result_json"] for row in rows(site, "SELECT result_json FROM tasks ORDER BY id")
    ]
    assert results == ["3", "2"]
    told = [row["task_id"] for row in rows(site, f"{HISTORY}") if row["status"] == "completed"]
    assert sorted(told) == [first.task_id, second.task_id]


def test_heartbeats_of_one_task_in_one_batch(site: Site) -> None:
    """The last one counts, and the refusal of one is not that of the others."""
    first, second = take(site, 2)
    stranger = LeaseRef(first.task_id, "another", 1)
    heartbeats = [
        Heartbeat(first, 100.0, 10.0, "begun"),
        Heartbeat(stranger, 5.0),
        Heartbeat(second, 300.0),
        Heartbeat(first, 200.0, 20.0),
    ]
    kept = leases.heartbeat_many(site, heartbeats)
    assert [each.refusal and each.refusal.code for each in kept] == [None, "not_owner", None, None]
    found = rows(site, "SELECT lease, progress, progress_message FROM tasks ORDER BY id")
    assert [tuple(row.values()) for row in found] == [(200.0, 20.0, None), (300.0, None, None)]


def test_heartbeats_each_with_its_own_lease_and_progress(site: Site) -> None:
    claims = take(site, 6)
    heartbeats = [
        Heartbeat(each, 100.0 + n if n % 2 else None, n * 10.0 if n % 3 else None, f"at {n}")
        for n, each in enumerate(claims)
    ]
    kept = leases.heartbeat_many(site, heartbeats)
    assert [each.refusal for each in kept] == [None] * 6
    found = rows(site, "SELECT lease, progress, progress_message FROM tasks ORDER BY id")
    assert [tuple(row.values()) for row in found] == [
        (100.0 + n if n % 2 else 3600.0,) + ((n * 10.0, f"at {n}") if n % 3 else (None, None))
        for n in range(6)
    ]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("undo_after", range(1, 9))
@pytest.mark.parametrize("how", ["all equal", "mixed", "one refused", "one twice"])
def test_a_rival_node_is_noticed(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str, undo_after: int
) -> None:
    """Whichever statement of the packet it undoes: no task is acknowledged that was not settled."""
    claims = take(site, 4)
    outcomes: list[Outcome] = [Completion(each, "1") for each in claims]
    if how == "mixed":
        outcomes[1:3] = [Failure(claims[1], "e", retry=False), Release(claims[2], 60.0)]
    elif how == "one refused":
        outcomes[1] = Completion(LeaseRef(claims[1].task_id, "another", 1), "1")
    elif how == "one twice":
        outcomes.append(Completion(claims[0], "1"))
    rival = RivalNode(monkeypatch, undo_after)
    settled = settle(site, outcomes)
    assert rival.wins <= 1
    refused = [each.refusal is not None for each in settled]
    assert refused == [how == "one refused" and n == 1 for n in range(len(outcomes))]
    for task in rows(site, "SELECT id, status, last_outcome FROM tasks"):
        is_refused = how == "one refused" and task["id"] == claims[1].task_id
        assert (task["last_outcome"] is None) == is_refused, task
    told = "SELECT task_id FROM task_history WHERE seconds IS NOT NULL OR message = 'released'"
    ended = sorted(row["task_id"] for row in rows(site, told))
    assert ended == [each.task_id for n, each in enumerate(claims) if not refused[n]]


@pytest.mark.parametrize("kind", ["results", "errors", "messages"])
def test_long_values_travel_in_packets_that_every_host_takes(
    mariadb_site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Quoting makes each of these characters two."""
    claims = take(mariadb_site, 100)
    packets = Packets(monkeypatch)
    long = '"' * 40_000
    if kind == "messages":
        kept = leases.heartbeat_many(
            mariadb_site, [Heartbeat(each, None, n, long + str(n)) for n, each in enumerate(claims)]
        )
        assert [each.refusal for each in kept] == [None] * 100
    else:
        outcomes: list[Outcome] = [
            Completion(each, f'"{n}{long}') if kind == "results" else Failure(each, long, long)
            for n, each in enumerate(claims)
        ]
        assert [each.refusal for each in settle(mariadb_site, outcomes)] == [None] * 100
    assert max(packets.sizes) < MEBIBYTE
    assert len(packets.sizes) > 5
    column = {"results": "result_json", "errors": "error_message", "messages": "progress_message"}
    found = rows(mariadb_site, f"SELECT MIN(LENGTH({column[kind]})) AS n FROM tasks")
    assert found[0]["n"] >= 40_000


def test_a_statement_has_no_more_values_than_sqlite_may_take(
    mariadb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred tasks in which everything differs that can."""
    claims = take(mariadb_site, 100)
    packets = Packets(monkeypatch)
    outcomes = [
        Failure(
            LeaseRef(each.task_id, each.worker_id if n % 2 else None, each.attempt if n else None),
            f"e{n}",
            f"t{n}",
            n % 2 == 0,
            float(n),
        )
        for n, each in enumerate(claims)
    ]
    assert [each.refusal for each in settle(mariadb_site, outcomes)] == [None] * 100
    assert 500 < max(packets.values) <= 999


def test_batches_with_tasks_in_common_wait_for_each_other(
    queue_url: str, mariadb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker renews its leases while it settles: neither call deadlocks with the other."""
    errors: list[str] = []
    classify = mysql.classify

    def noted(error: Any) -> Any:
        errors.append(str(error))
        return classify(error)

    monkeypatch.setattr(mysql, "classify", noted)
    renewing, settling = site_at(queue_url), site_at(queue_url)
    for _ in range(20):
        claims = take(mariadb_site, 100)
        heartbeats = [Heartbeat(each) for each in claims[1:]]
        outcomes: list[Outcome] = [
            Completion(each, "1") if n == 0 or n > 50 else Release(each, 600.0)
            for n, each in enumerate(claims)
        ]
        at_once(
            lambda renewed=heartbeats: leases.heartbeat_many(renewing, renewed),
            lambda settled=outcomes: settle(settling, settled),
        )
    renewing.db.close()
    settling.db.close()
    assert errors == []
    ended = "SELECT COUNT(*) AS n FROM tasks WHERE last_outcome IS NULL"
    assert rows(mariadb_site, ended) == [{"n": 0}]
