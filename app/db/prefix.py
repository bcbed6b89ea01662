"""Table names in a database that other programs use too: TABLE_PREFIX is put before each.

All SQL here names the tables as schema.sql does; a connection puts the prefix in once for each
text, before values are filled in. Indexes need none: on MySQL their names belong to their table.
"""

from __future__ import annotations

import re

TABLES = (
    "api_keys",
    "audit_log",
    "error_groups",
    "idempotency_keys",
    "lanes",
    "rate_claims",
    "schedule_runs",
    "schedules",
    "sessions",
    "settings",
    "task_activity",
    "task_counts",
    "task_errors",
    "task_history",
    "task_tags",
    "task_types",
    "tasks",
    "used_dedupe_keys",
    "worker_activity",
    "workers",
)

# Not inside longer names (tasks_claim), nor the name of a parameter (:task_types).
NAME = rf"(?<![:\w])({'|'.join(TABLES)})\b"


def with_prefix(sql: str, prefix: str) -> str:
    """The statement with each table's name as it is in the database."""
    return re.sub(NAME, prefix + r"\1", sql) if prefix else sql
