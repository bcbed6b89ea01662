"""What the entry files of installed sites import, whichever version wrote them: this name stays."""

from __future__ import annotations

from app.server.entry import application, check_settings, create_app, keep_log, run_cgi

__all__ = ["application", "check_settings", "create_app", "keep_log", "run_cgi"]
