"""Filling tables with a million rows in seconds: by SQL, from MariaDB's table of numbers.

Only columns are named that every version of the tables has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bench.queues import Queue

MANY = 100_000
"""From so many rows on, indexes are taken off and built again afterwards: half the time."""

KINDS = 20
WORKERS = 50
DAYS = 30

ALL_STEPS = 744
"""Hours of activity that are kept, the most steps of any length."""

TASK = "type_id, status, urgency, attempts, max_attempts, cancel_requested, created_at, params_json"


def types(queue: Queue, first: int, last: int) -> None:
    """Types named ``bench.N``."""
    queue.sql(
        "INSERT INTO task_types (name, version, param_schema_json, is_active, is_paused, "
        "created_at, updated_at) SELECT CONCAT('bench.', seq), '1', '{}', 1, 0, UTC_TIMESTAMP(3), "
        f"UTC_TIMESTAMP(3) FROM seq_{first}_to_{last}"
    )


def pending(queue: Queue, count: int, kinds: int = 1) -> None:
    """Tasks that can be claimed now, spread over the first ``kinds`` types."""
    _insert_tasks(
        queue, count, f"{_type(kinds)}, 'pending', 0, 0, 3, 0, UTC_TIMESTAMP(3), {_params()}"
    )


def scheduled(queue: Queue, count: int, seconds: int, kinds: int = 1) -> None:
    """Tasks that become due all at once, in so many seconds."""
    due = f"UTC_TIMESTAMP(3) + INTERVAL {seconds} SECOND"
    row = f"{_type(kinds)}, 'scheduled', 0, 0, 3, 0, UTC_TIMESTAMP(3), {_params()}"
    _insert_tasks(queue, count, f"{row}, {due}", f"{TASK}, due_at")


def finished(queue: Queue, count: int, kinds: int = KINDS) -> None:
    """Tasks of the last month, one in twenty a failed one, each with its claim and its end in the
    history; tags on one in ten.
    """
    first = int(queue.sql("SELECT COALESCE(MAX(id), 0) FROM tasks")) + 1
    created = f"UTC_TIMESTAMP(3) - INTERVAL {DAYS * 86400} SECOND + INTERVAL seq * "
    created += f"{DAYS * 86400} / {count} SECOND"
    status = "IF(seq % 20 = 0, 'failed', 'completed')"
    tags = "IF(seq % 10 = 0, CONCAT('\\nbench-', seq % 70, '\\n'), NULL)"
    _insert_tasks(
        queue,
        count,
        f"{_type(kinds)}, {status}, 0, 1, 3, 0, {created}, {_params()}, "
        f"CONCAT('worker-', seq % {WORKERS}), {created}, {created}, {tags}",
        f"{TASK}, claimed_by, claimed_at, completed_at, tags",
    )
    if queue.sql("SHOW TABLES LIKE 'task_tags'"):
        queue.sql(
            "INSERT INTO task_tags (tag, task_id, type_id) SELECT TRIM(BOTH '\\n' FROM tags), id, "
            f"type_id FROM tasks WHERE id >= {first} AND tags IS NOT NULL"
        )
    with _without_indexes(queue, "task_history", count):
        for state in ("'claimed'", "status"):
            queue.sql(
                "INSERT INTO task_history (task_id, status, worker_id, attempt, seconds, "
                f"created_at) SELECT id, {state}, claimed_by, 1, 0.1, completed_at FROM tasks "
                f"WHERE id >= {first}"
            )


def history(queue: Queue, count: int) -> None:
    """So many rows of history more, of the tasks that are there: released and claimed again."""
    tasks = int(queue.sql("SELECT COUNT(*) FROM tasks"))
    times = max(1, count // (2 * tasks))
    with _without_indexes(queue, "task_history", count):
        for status, message in (("claimed", "NULL"), ("pending", "'released'")):
            queue.sql(
                "INSERT INTO task_history (task_id, status, worker_id, attempt, message, "
                f"created_at) SELECT id, '{status}', claimed_by, 1, {message}, completed_at "
                f"FROM tasks JOIN seq_1_to_{times}"
            )


def statistics(queue: Queue, most_steps: int = ALL_STEPS) -> None:
    """Activity of each step that is kept, of every type and with many different times; and failed
    tasks in 500 error groups. With ``most_steps`` only the latest steps of each length.
    What the queue has counted by itself already stays as it is.
    """
    timed = ("claimed", "completed", "failed")
    for seconds, most in ((60, 180), (900, 288), (3600, ALL_STEPS)):
        kept = min(most, most_steps)
        start = (
            f"UTC_TIMESTAMP(3) - INTERVAL (UNIX_TIMESTAMP() % {seconds}) SECOND "
            f"- INTERVAL (seq_0_to_{kept}.seq * {seconds}) SECOND"
        )
        for event, buckets in {
            **dict.fromkeys(timed, "seq_10_to_25"),
            "created": "seq_1_to_1",
        }.items():
            queue.sql(
                "INSERT IGNORE INTO task_activity (step_seconds, started_at, type_id, event, "
                f"bucket, total, total_seconds) SELECT {seconds}, DATE_FORMAT({start}, "
                f"'%Y-%m-%d %H:%i:00'), types.id, '{event}', {buckets}.seq, 7, 7 "
                f"FROM seq_0_to_{kept} JOIN {buckets} "
                "JOIN (SELECT 0 AS id UNION ALL SELECT id FROM task_types) AS types"
            )
    group = "MOD(id, 500) + 1"
    queue.sql(
        f"INSERT INTO task_errors (error_group, task_id, type_id) SELECT {group}, id, type_id "
        "FROM tasks WHERE status = 'failed'"
    )
    queue.sql(
        "INSERT INTO error_groups (type_id, error_group, error, sample_id, first_at, last_at) "
        "SELECT type_id, error_group, 'some error', MAX(task_id), UTC_TIMESTAMP(3), "
        "UTC_TIMESTAMP(3) FROM task_errors GROUP BY type_id, error_group"
    )


def take_for_rolled_up(queue: Queue) -> None:
    """Have the tasks counted by the next call, and their history taken for added up, as it is where
    it came bit by bit.
    """
    queue.sql("DELETE FROM settings WHERE name LIKE '%rolled_up_to'")


def workers(queue: Queue, first: int, last: int) -> None:
    """Rows of workers that were seen lately."""
    queue.sql(
        "INSERT INTO workers (id, first_seen_at, last_seen_at) SELECT CONCAT('seen-', seq), "
        f"UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM seq_{first}_to_{last}"
    )


def pending_count(queue: Queue) -> int:
    return int(queue.sql("SELECT COUNT(*) FROM tasks WHERE status = 'pending'"))


def settle_down(queue: Queue) -> None:
    """Have the server's view of the tables brought up to date, as it is on one that runs long."""
    queue.sql("ANALYZE TABLE tasks, task_history, task_types, workers")
    if queue.sql("SHOW TABLES LIKE 'task_tags'"):
        queue.sql("ANALYZE TABLE task_tags")


def _type(kinds: int) -> str:
    return f"(SELECT MIN(id) FROM task_types) + seq % {kinds}"


def _params() -> str:
    return "CONCAT('{\"n\":', seq, '}')"


def _insert_tasks(queue: Queue, count: int, row: str, columns: str = TASK) -> None:
    with _without_indexes(queue, "tasks", count):
        queue.sql(f"INSERT INTO tasks ({columns}) SELECT {row} FROM seq_1_to_{count}")


@contextmanager
def _without_indexes(queue: Queue, table: str, count: int) -> Iterator[None]:
    if count < MANY:
        yield
        return
    shown = queue.sql(f"SHOW CREATE TABLE {table}").replace("\\n", "\n")
    indexes = dict(re.findall(r"^ +((?:UNIQUE )?KEY `\w+` \(.*\)),?$()", shown, re.M))
    names = [re.findall(r"`(\w+)`", each)[0] for each in indexes]
    if names:
        queue.sql(f"ALTER TABLE {table} " + ", ".join(f"DROP INDEX {name}" for name in names))
    yield
    if indexes:
        queue.sql(f"ALTER TABLE {table} " + ", ".join(f"ADD {each}" for each in indexes))
