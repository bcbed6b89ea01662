"""Tables of other programs under our names: an installation must not begin beside them."""

from __future__ import annotations

from app.errors import DatabaseUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.db.connection import Connection

COLUMNS: Mapping[str, frozenset[str]] = {
    "api_keys": frozenset({"id", "name", "key_hash", "scopes", "type_patterns_json"}),
    "audit_log": frozenset({"id", "created_at", "actor", "action", "target", "detail_json"}),
    "error_groups": frozenset({"type_id", "error_group", "error", "sample_id"}),
    "idempotency_keys": frozenset({"api_key_id", "idempotency_key", "body_hash", "created_json"}),
    "lanes": frozenset({"type_id", "concurrency_key", "due_at"}),
    "rate_claims": frozenset({"type_id", "claimed_at", "change_id", "total"}),
    "schedule_runs": frozenset({"schedule_id", "due_at", "made_at", "task_id"}),
    "schedules": frozenset({"id", "name", "type_name", "cron", "every_seconds", "next_at"}),
    "settings": frozenset({"name", "value"}),
    "task_activity": frozenset({"step_seconds", "started_at", "type_id", "event", "bucket"}),
    "task_counts": frozenset({"type_id", "status", "error_group", "total"}),
    "task_errors": frozenset({"error_group", "task_id", "type_id"}),
    "task_history": frozenset({"id", "task_id", "status", "worker_id", "attempt", "message"}),
    "task_tags": frozenset({"tag", "task_id", "type_id"}),
    "task_types": frozenset({"id", "name", "version", "param_schema_json", "is_active"}),
    "tasks": frozenset({"id", "type_id", "status", "urgency", "due_at", "attempts", "params_json"}),
    "used_dedupe_keys": frozenset({"dedupe_key", "type_id", "task_id", "status"}),
    "worker_activity": frozenset({"step_seconds", "started_at", "worker_id", "event", "bucket"}),
    "workers": frozenset({"id", "first_seen_at", "last_seen_at"}),
}
"""Columns that each table has had since its first version: enough to recognize it."""

LOOK = {
    "mysql": "SELECT table_name AS place, column_name AS name FROM information_schema.columns "
    "WHERE table_schema = DATABASE()",
    "sqlite": "SELECT m.name AS place, c.name AS name FROM sqlite_master AS m, "
    "pragma_table_info(m.name) AS c WHERE m.type = 'table'",
}


class ForeignTables(DatabaseUnavailable):
    """The database has tables of another program under our names; nothing was touched."""


def refuse_foreign_tables(connection: Connection, engine: str) -> None:
    """Raises ForeignTables, naming them and what to do."""
    found = foreign_tables(connection, engine)
    if found:
        way_out = 'use another database, or set TABLE_PREFIX (like "tm_")'
        if engine == "sqlite":
            way_out = "use another file"
        names = ", ".join(found)
        raise ForeignTables(
            f"this database has tables of another program: {names}. Nothing was changed; {way_out}"
        )


def foreign_tables(connection: Connection, engine: str) -> list[str]:
    """Tables that have our names and are not ours."""
    columns: dict[str, set[str]] = {}
    for row in connection.query(LOOK[engine], {}):
        columns.setdefault(row["place"], set()).add(row["name"].lower())
    prefix = connection.prefix
    found = [
        prefix + name
        for name, expected in COLUMNS.items()
        if prefix + name in columns and not expected <= columns[prefix + name]
    ]
    if f"{prefix}settings" in columns and not found and not _is_our_settings(connection):
        found.append(f"{prefix}settings")
    return found


def _is_our_settings(connection: Connection) -> bool:
    """Other programs' tables of this name may have the same columns. Ours is empty only when it
    was just made.
    """
    look = "SELECT COUNT(*) AS total, SUM(name = 'schema_version') AS ours FROM settings"
    row = connection.query(look, {})[0]
    return not row["total"] or bool(row["ours"])
