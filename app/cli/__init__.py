"""``flask`` commands for those who have a shell: one file a group."""

from __future__ import annotations

from app.cli.database import init_db, upgrade_db, write_schema

COMMANDS = (init_db, upgrade_db, write_schema)
