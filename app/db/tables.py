"""The tables: the one definition from which ``schema.sql`` and ``app/db/sqlite.sql`` are made.

Importing this loads Flask and SQLAlchemy, so no request does, only commands and upgrades.
"""

from __future__ import annotations

from typing import Optional

from sqlalchemy import BigInteger, Boolean, Double, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.model_base import (
    TABLE,
    TABLE_WITHOUT_ROWID,
    Base,
    Id,
    LongText,
    Model,
    UtcTime,
    db,
)

# Whoever takes these from here has the models loaded, too.
__all__ = ["Base", "db"]


class TaskType(Model):
    __tablename__ = "task_types"
    __table_args__ = (
        Index("task_types_name", "name", unique=True),
        # Claims: the types that are not paused, by a pattern too, without their long rows.
        Index("task_types_paused", "is_paused", "name", "max_running"),
        # The same since there are rates: the index above stays for older versions.
        Index("task_types_open", "is_paused", "name", "max_running", "rate_tasks"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(50))
    param_schema_json: Mapped[str] = mapped_column(LongText)
    description: Mapped[Optional[str]] = mapped_column(LongText)
    # NULL in any of these: the server's setting decides.
    max_attempts: Mapped[Optional[int]] = mapped_column(Integer)
    timeout: Mapped[Optional[float]] = mapped_column(Double)
    retry_delay: Mapped[Optional[float]] = mapped_column(Double)
    retry_max_delay: Mapped[Optional[float]] = mapped_column(Double)
    priority: Mapped[Optional[int]] = mapped_column(Integer)
    max_running: Mapped[Optional[int]] = mapped_column(Integer)
    # At most so many claims in each period of so many seconds.
    rate_tasks: Mapped[Optional[int]] = mapped_column(Integer)
    rate_seconds: Mapped[Optional[float]] = mapped_column(Double)
    # How many tasks of one concurrency key may run at once.
    max_per_key: Mapped[Optional[int]] = mapped_column(Integer)
    # Which change of its limits its waiting tasks are being put in order for. The
    # type is paused meanwhile, and stays so where is_paused_after says so. NULL otherwise.
    limits_mark: Mapped[Optional[int]] = mapped_column(BigInteger)
    is_paused_after: Mapped[Optional[bool]] = mapped_column(Boolean)
    # Written by each claim of a limited type: that two cannot count at once holds on a cluster.
    claim_mark: Mapped[Optional[int]] = mapped_column(BigInteger)
    dedupe_json: Mapped[Optional[str]] = mapped_column(String(32))
    retention_days: Mapped[Optional[float]] = mapped_column(Double)
    # {"completed": days, "failed": days, "cancelled": days, "result": days}, each left out or null.
    retention_json: Mapped[Optional[str]] = mapped_column(String(255))
    # Set when it was deleted while it had ended tasks: it takes no new ones.
    archived_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    is_active: Mapped[bool] = mapped_column(Boolean)
    is_paused: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[str] = mapped_column(UtcTime)
    updated_at: Mapped[str] = mapped_column(UtcTime)


class Task(Model):
    __tablename__ = "tasks"
    __table_args__ = (
        # The order in which tasks are claimed: of all types, and of one.
        Index("tasks_claim", "status", "urgency", "id"),
        Index("tasks_claim_type", "status", "type_id", "urgency", "id"),
        # Expired leases and tasks whose time has come. NULL for all others.
        Index("tasks_due", "due_at"),
        # Claiming in the order of creation, and lists of one status: of all types, and of one.
        Index("tasks_created", "status", "id"),
        Index("tasks_status", "status", "type_id", "id"),
        Index("tasks_type", "type_id", "id"),
        Index("tasks_dedupe", "dedupe_key", "type_id", unique=True),
        # Lists of one worker, of all types or of some.
        Index("tasks_worker", "claimed_by", "id", "type_id"),
        # The tasks of a concurrency key: those that have a slot, and those that wait for one. A
        # claim changes none of its columns, nor does the end of a task without a key.
        Index("tasks_key", "concurrency_key", "type_id", "key_slot", "urgency", "id"),
        # What a task's handler enqueued. For most tasks it is NULL, and written once.
        Index("tasks_parent", "parent_id", "id"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    type_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(String(10))
    # The priority with its sign turned, so that every order is ascending.
    urgency: Mapped[int] = mapped_column(Integer)
    # When a scheduled task becomes pending, when a claimed one's lease ends. NULL otherwise.
    due_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    # Since when, or from when on, it waits to be claimed: the wait of a claim is counted from here.
    ready_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    attempts: Mapped[int] = mapped_column(Integer)
    max_attempts: Mapped[int] = mapped_column(Integer)
    # The lease a claim of this task gets; NULL leaves it to the type, then to the setting.
    timeout: Mapped[Optional[float]] = mapped_column(Double)
    # The lease of the claim that is on now: what a heartbeat extends it by.
    lease: Mapped[Optional[float]] = mapped_column(Double)
    # How many of the attempts were released: they count in attempts and not against the limit.
    releases: Mapped[int] = mapped_column(Integer, server_default="0")
    # How its worker ended the last attempt: completed, failed or released. NULL while it runs.
    last_outcome: Mapped[Optional[str]] = mapped_column(String(10))
    # A random number of the last change of status: how a call finds the rows that it changed.
    change_id: Mapped[Optional[int]] = mapped_column(BigInteger)
    # Which claim took it last: made of the claim's key, so that a repeated claim finds it.
    claim_id: Mapped[Optional[int]] = mapped_column(BigInteger)
    claimed_by: Mapped[Optional[str]] = mapped_column(String(255))
    claimed_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    # The key in ``api_keys`` that its claimer sent; NULL for the root key.
    claimed_key: Mapped[Optional[int]] = mapped_column(BigInteger)
    cancel_requested: Mapped[bool] = mapped_column(Boolean)
    progress: Mapped[Optional[float]] = mapped_column(Double)
    progress_message: Mapped[Optional[str]] = mapped_column(LongText)
    dedupe_key: Mapped[Optional[str]] = mapped_column(String(191))
    # The key that a later task took over: a retry must not run beside that task.
    former_dedupe_key: Mapped[Optional[str]] = mapped_column(String(191))
    # A tag a line, with a line break on either side of each. Lists find tags by TaskTag.
    tags: Mapped[Optional[str]] = mapped_column(LongText)
    # Of the tasks of its type with this key, max_per_key may run at once.
    concurrency_key: Mapped[Optional[str]] = mapped_column(String(191))
    # 0 while it waits for its key, 1 from then until it ends. NULL without a key, and while it
    # waits for its time.
    key_slot: Mapped[Optional[int]] = mapped_column(Integer)
    # The trace that it is part of, as W3C writes it, and the task whose handler enqueued it.
    traceparent: Mapped[Optional[str]] = mapped_column(String(55))
    parent_id: Mapped[Optional[int]] = mapped_column(BigInteger)
    created_at: Mapped[str] = mapped_column(UtcTime)
    completed_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    params_json: Mapped[str] = mapped_column(LongText)
    result_json: Mapped[Optional[str]] = mapped_column(LongText)
    error_message: Mapped[Optional[str]] = mapped_column(LongText)
    error_traceback: Mapped[Optional[str]] = mapped_column(LongText)


class Lane(Model):
    """What holds tasks back: a concurrency key of a type with ``max_per_key``, or the rate of a
    type (with an empty key).
    """

    __tablename__ = "lanes"
    __table_args__ = (
        Index("lanes_due", "due_at"),
        TABLE_WITHOUT_ROWID,
    )

    type_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    concurrency_key: Mapped[str] = mapped_column(String(191), primary_key=True)
    # From when on claims see whether tasks may be let through: NULL until something changes.
    due_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    # Written by whoever lets tasks through: that two cannot count at once holds on a cluster.
    claim_mark: Mapped[Optional[int]] = mapped_column(BigInteger)


class RateClaim(Model):
    """How many tasks of a type with a rate a claim took, for as long as that counts."""

    __tablename__ = "rate_claims"
    __table_args__ = (TABLE_WITHOUT_ROWID,)

    type_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    claimed_at: Mapped[str] = mapped_column(UtcTime, primary_key=True)
    # The claim's.
    change_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    total: Mapped[int] = mapped_column(Integer)


class TaskTag(Model):
    """The tags of ``Task.tags`` again, a row each, so that an index finds the tasks of a tag."""

    __tablename__ = "task_tags"
    __table_args__ = (
        Index("task_tags_task", "task_id"),
        TABLE_WITHOUT_ROWID,
    )

    tag: Mapped[str] = mapped_column(String(50), primary_key=True)
    task_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    # The task's: lists of one tag and some types read nothing else.
    type_id: Mapped[int] = mapped_column(Id)


class TaskHistory(Model):
    __tablename__ = "task_history"
    __table_args__ = (Index("task_history_task", "task_id", "id"), TABLE)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    task_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(String(10))
    worker_id: Mapped[Optional[str]] = mapped_column(String(255))
    attempt: Mapped[int] = mapped_column(Integer)
    message: Mapped[Optional[str]] = mapped_column(LongText)
    # How long the attempt took, where a worker said how it ended. NULL otherwise.
    seconds: Mapped[Optional[float]] = mapped_column(Double)
    # How long the task had waited, in the row of a claim. NULL otherwise.
    waited: Mapped[Optional[float]] = mapped_column(Double)
    # Which kind of error ended the task, in the row of its failure. NULL otherwise.
    error_group: Mapped[Optional[int]] = mapped_column(BigInteger)
    # The end of the traceback of an attempt that failed: the task itself holds only its last one.
    traceback: Mapped[Optional[str]] = mapped_column(LongText)
    created_at: Mapped[str] = mapped_column(UtcTime)


class UsedDedupeKey(Model):
    """The dedupe key of a task that was pruned: "forever" outlives the task."""

    __tablename__ = "used_dedupe_keys"
    __table_args__ = (
        Index("used_dedupe_keys_pruned", "pruned_at"),
        TABLE_WITHOUT_ROWID,
    )

    dedupe_key: Mapped[str] = mapped_column(String(191), primary_key=True)
    type_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[str] = mapped_column(UtcTime)
    pruned_at: Mapped[str] = mapped_column(UtcTime)


class UsedIdempotencyKey(Model):
    """What a create with an Idempotency-Key made: the same call sent again gets this."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("idempotency_keys_created", "created_at"),
        TABLE_WITHOUT_ROWID,
    )

    # The id of the caller's API key; 0 for the root key.
    api_key_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    # SHA-256 of the body, as hexadecimal digits.
    body_hash: Mapped[str] = mapped_column(String(64))
    created_json: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[str] = mapped_column(UtcTime)


class TaskCount(Model):
    """How many tasks there are of each type and status, as far as the history was rolled up."""

    __tablename__ = "task_counts"
    __table_args__ = (TABLE_WITHOUT_ROWID,)

    type_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(10), primary_key=True)
    # 0 except for failed tasks.
    error_group: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    total: Mapped[int] = mapped_column(BigInteger)


class TaskActivity(Model):
    """What happened in each minute, quarter of an hour and hour, as far as the history was rolled
    up: how many tasks of each type, and how long they waited or ran, as a histogram.
    """

    __tablename__ = "task_activity"
    __table_args__ = (TABLE_WITHOUT_ROWID,)

    step_seconds: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at: Mapped[str] = mapped_column(UtcTime, primary_key=True)
    # 0 for all types together.
    type_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    event: Mapped[str] = mapped_column(String(10), primary_key=True)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    total: Mapped[int] = mapped_column(BigInteger)
    total_seconds: Mapped[float] = mapped_column(Double)


class WorkerActivity(Model):
    """The same of each worker, of all types together."""

    __tablename__ = "worker_activity"
    __table_args__ = (TABLE_WITHOUT_ROWID,)

    step_seconds: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at: Mapped[str] = mapped_column(UtcTime, primary_key=True)
    worker_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    event: Mapped[str] = mapped_column(String(10), primary_key=True)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    total: Mapped[int] = mapped_column(BigInteger)
    total_seconds: Mapped[float] = mapped_column(Double)


class ErrorGroup(Model):
    """Errors of one type that differ only in their numbers, ids and paths."""

    __tablename__ = "error_groups"
    __table_args__ = (TABLE_WITHOUT_ROWID,)

    type_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    error_group: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    error: Mapped[str] = mapped_column(String(500))
    sample_id: Mapped[int] = mapped_column(Id)
    first_at: Mapped[str] = mapped_column(UtcTime)
    last_at: Mapped[str] = mapped_column(UtcTime)


class TaskError(Model):
    """The failed tasks of each error group. A row stays when its task is retried: the task's status
    says whether it is failed now.
    """

    __tablename__ = "task_errors"
    __table_args__ = (
        Index("task_errors_task", "task_id"),
        TABLE_WITHOUT_ROWID,
    )

    error_group: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    type_id: Mapped[int] = mapped_column(Id)


class ApiKey(Model):
    """A key with scopes. Only its hash is kept; the root key stands in the settings instead."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("api_keys_hash", "key_hash", unique=True),
        Index("api_keys_previous", "previous_hash"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    # SHA-256 of the key, as hexadecimal digits: 256 random bits need no slow hash.
    key_hash: Mapped[str] = mapped_column(String(64))
    # The key before the last rotation, and until when it is still taken.
    previous_hash: Mapped[Optional[str]] = mapped_column(String(64))
    previous_until: Mapped[Optional[str]] = mapped_column(UtcTime)
    # The first characters of the key, for people to tell it by.
    hint: Mapped[str] = mapped_column(String(16))
    # read, produce, work, admin: with commas between them.
    scopes: Mapped[str] = mapped_column(String(64))
    # A list of LIKE patterns of type names. NULL: every type.
    type_patterns_json: Mapped[Optional[str]] = mapped_column(LongText)
    created_at: Mapped[str] = mapped_column(UtcTime)
    expires_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    # Written once a minute at most.
    last_used_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    revoked_at: Mapped[Optional[str]] = mapped_column(UtcTime)


class Schedule(Model):
    """What makes a task at each of its times. The times are those of ``cron`` in ``timezone``, or
    ``every_seconds`` from each other.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        Index("schedules_name", "name", unique=True),
        Index("schedules_next", "next_at"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    type_name: Mapped[str] = mapped_column(String(255))
    params_json: Mapped[str] = mapped_column(LongText)
    cron: Mapped[Optional[str]] = mapped_column(String(255))
    every_seconds: Mapped[Optional[float]] = mapped_column(Double)
    timezone: Mapped[str] = mapped_column(String(64))
    # What becomes of times that went by unnoticed: skip, once or all.
    missed: Mapped[str] = mapped_column(String(10))
    # Whether a time is left out while the task of the time before is unfinished.
    skips_unfinished: Mapped[bool] = mapped_column(Boolean)
    priority: Mapped[Optional[int]] = mapped_column(Integer)
    max_attempts: Mapped[Optional[int]] = mapped_column(Integer)
    # The lease of its tasks; NULL leaves it to the type.
    timeout: Mapped[Optional[float]] = mapped_column(Double)
    tags: Mapped[Optional[str]] = mapped_column(LongText)
    concurrency_key: Mapped[Optional[str]] = mapped_column(String(191))
    is_paused: Mapped[bool] = mapped_column(Boolean)
    # The first time that has not been seen to. NULL while it is paused, and where none follows.
    next_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    created_at: Mapped[str] = mapped_column(UtcTime)
    updated_at: Mapped[str] = mapped_column(UtcTime)


class ScheduleRun(Model):
    """What became of one time of a schedule."""

    __tablename__ = "schedule_runs"
    __table_args__ = (TABLE_WITHOUT_ROWID,)

    schedule_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    due_at: Mapped[str] = mapped_column(UtcTime, primary_key=True)
    made_at: Mapped[str] = mapped_column(UtcTime)
    # NULL where none was made; then the message says why.
    task_id: Mapped[Optional[int]] = mapped_column(Id)
    message: Mapped[Optional[str]] = mapped_column(String(500))


class AuditEntry(Model):
    """An operating action: who did what, and on how many."""

    __tablename__ = "audit_log"
    # What was done to one task, type or schedule.
    __table_args__ = (Index("audit_log_target", "target", "id"), TABLE)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    created_at: Mapped[str] = mapped_column(UtcTime)
    actor: Mapped[str] = mapped_column(String(150))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[Optional[str]] = mapped_column(String(255))
    detail_json: Mapped[Optional[str]] = mapped_column(LongText)


class Worker(Model):
    """Whoever registered, or just claimed. Its tasks are found by ``tasks.claimed_by``."""

    __tablename__ = "workers"
    __table_args__ = (Index("workers_seen", "last_seen_at"), TABLE)

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    host: Mapped[Optional[str]] = mapped_column(String(255))
    version: Mapped[Optional[str]] = mapped_column(String(50))
    task_types_json: Mapped[Optional[str]] = mapped_column(LongText)
    concurrency: Mapped[Optional[int]] = mapped_column(Integer)
    metadata_json: Mapped[Optional[str]] = mapped_column(LongText)
    # NULL for a worker that claims without having registered.
    registered_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    # NULL again when it is seen next.
    deregistered_at: Mapped[Optional[str]] = mapped_column(UtcTime)
    first_seen_at: Mapped[str] = mapped_column(UtcTime)
    last_seen_at: Mapped[str] = mapped_column(UtcTime)
    # Written by each claim with a key, so that a claim and its repeat come one after the other.
    claim_mark: Mapped[Optional[int]] = mapped_column(BigInteger)
    # The claim that was last asked for again: its first sending may still be on its way.
    repeated_claim: Mapped[Optional[int]] = mapped_column(BigInteger)


class DashboardSession(Model):
    """Somebody who signed in to the dashboard, until they sign out."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_token", "token_hash", unique=True),
        Index("sessions_expiry", "expires_at"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    # HMAC-SHA-256 of the cookie's token with API_KEY, as hexadecimal digits.
    token_hash: Mapped[str] = mapped_column(String(64))
    # admin or read.
    role: Mapped[str] = mapped_column(String(16))
    # The key that was used to sign in. NULL: the admin password or the root key.
    key_id: Mapped[Optional[int]] = mapped_column(Id)
    # Who that is, for people and for the audit log.
    name: Mapped[str] = mapped_column(String(150))
    created_at: Mapped[str] = mapped_column(UtcTime)
    # Written once a minute at most.
    last_used_at: Mapped[str] = mapped_column(UtcTime)
    expires_at: Mapped[str] = mapped_column(UtcTime)


class StoredSetting(Model):
    """What the site remembers of itself; not what people configure."""

    __tablename__ = "settings"
    __table_args__ = (TABLE,)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(255))
