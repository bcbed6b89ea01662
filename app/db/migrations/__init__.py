"""How the tables of a site that runs become those of a newer release, every row kept.

``settings.schema_version`` says of which version a database is; 0 stands for no tables. Each
version lists the steps that lead to it from the one before. A step only names what is to be
added: its SQL comes from :mod:`app.db.tables`, for either engine, so that an upgraded database and
a new one cannot differ.

Two rules make an upgrade safe while the site is in use:

- Migrations only add: tables, indexes, and columns that may be NULL or have a default. The
  release before goes on working on the new tables, until the new one has taken over and after
  a return to the old. What was NULL before the upgrade means what it meant without the column.
- Every step looks first whether it is done. MySQL has no transactions around changes of tables,
  so an upgrade that was killed is simply run again, and two at a time do no harm.

Alembic was weighed. Its marks live in a table of its own, which the databases made from
schema.sql or by an earlier release do not have. On MySQL, a migration of it that was cut off
stops at "duplicate column" when run again. And what it offers beyond, branches and downgrades,
is what the first rule makes needless.
"""

from __future__ import annotations

from app.db.migrations.steps import AddColumn, AddColumns, AddIndex, AddTable, Step

MIGRATIONS: dict[int, list[Step]] = {
    1: [
        AddTable("settings"),
        AddTable("task_history"),
        AddTable("task_types"),
        AddTable("tasks"),
        AddTable("workers"),
    ],
    2: [
        AddColumn("task_types", "claim_mark"),
        AddColumns("tasks", "releases", "last_outcome", "claim_id", "former_dedupe_key"),
        AddColumns("workers", "claim_mark", "repeated_claim"),
    ],
    3: [
        # Claims that cost the same however many types there are.
        AddIndex("task_types", "task_types_paused"),
        AddIndex("tasks", "tasks_created"),
        # Lists by worker and by tag.
        AddIndex("tasks", "tasks_worker"),
        AddTable("task_tags"),
    ],
    4: [
        # Retention.
        AddColumns("task_types", "retention_json", "archived_at"),
        AddTable("used_dedupe_keys"),
        # Statistics, and failures in groups.
        AddColumns("tasks", "ready_at", "claimed_key"),
        AddColumns("task_history", "waited", "error_group"),
        AddTable("task_counts"),
        AddTable("task_activity"),
        AddTable("worker_activity"),
        AddTable("error_groups"),
        AddTable("task_errors"),
        # Keys with scopes, and who did what.
        AddTable("api_keys"),
        AddTable("audit_log"),
        # Tasks that are made at their times.
        AddTable("schedules"),
        AddTable("schedule_runs"),
        # Creates that may be sent again, and where tasks come from.
        AddTable("idempotency_keys"),
        AddColumns("tasks", "traceparent", "parent_id"),
    ],
    5: [
        # Who is signed in to the dashboard.
        AddTable("sessions"),
        # What a task enqueued, and what was done to it.
        AddIndex("tasks", "tasks_parent"),
        AddIndex("audit_log", "audit_log_target"),
        # Leases of the tasks of schedules.
        AddColumn("schedules", "timeout"),
        # Limits: a rate of a type, and so many tasks of one concurrency key at once.
        AddColumns(
            "task_types",
            *("rate_tasks", "rate_seconds", "max_per_key", "limits_mark", "is_paused_after"),
        ),
        AddIndex("task_types", "task_types_open"),
        AddColumns("tasks", "concurrency_key", "key_slot"),
        AddIndex("tasks", "tasks_key"),
        AddColumn("schedules", "concurrency_key"),
        AddTable("lanes"),
        AddTable("rate_claims"),
        # The traceback of every attempt.
        AddColumn("task_history", "traceback"),
    ],
}
"""The steps to each version, which is one more than the one before. The last one is
:data:`app.version.SCHEMA_VERSION`."""
