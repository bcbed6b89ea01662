"""Backups: dumps as JSON lines, copies of SQLite files, and how each is restored."""
