"""The version of TaskManager, and of the tables that it needs."""

VERSION = "0.1.0"

SCHEMA_VERSION = 5
"""What ``settings.schema_version`` of a database must at least be; raised by every migration."""
