"""One installation of TaskManager: its settings and its database, made once a process."""

from __future__ import annotations

from app import config
from app.db import Database


class Site:
    """What every call needs: ``settings`` and ``db``."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.db = Database(settings.database, settings.call_deadline)
        self.contended_until = 0.0
        """Until when (``time.monotonic``) claims of this process expect rivals."""


def load() -> Site:
    """The site that the config file and the environment describe. Raises ConfigError."""
    return Site(config.load())
