"""local/config.py: written once, with a random API key, and read as the server reads it."""

from __future__ import annotations

import secrets

from app import config
from app.config import Settings
from app.errors import ConfigError
from app.install.files import write_whole
from app.local.paths import CONFIG, FOLDER, SERVER_LOG, WORKER_LOG
from app.local.steps import StepFailed

ADVICE = "Correct it, or delete it and run deploy.py again for a new one."

TEXT = '''\
"""Settings of the queue that `deploy.py --local` made. config.example.py explains them all."""

DATABASE_URL = "sqlite:///queue.sqlite3"  # beside this file
API_KEY = "{key}"
RETRY_DELAY = 2  # seconds: somebody is watching
'''


def make_settings() -> str:
    """The folder local/ with empty logs and config.py, which stays as it is once it exists."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    for log in (SERVER_LOG, WORKER_LOG):
        log.write_bytes(b"")
    if CONFIG.exists():
        return "kept local/config.py"
    write_whole(CONFIG, TEXT.format(key=secrets.token_urlsafe(24)))
    return "made local/config.py with a new API key"


def read_settings() -> Settings:
    """The settings in it, checked. Raises StepFailed."""
    try:
        settings = config.load({"TASKMANAGER_CONFIG": str(CONFIG)})
    except ConfigError as error:
        raise StepFailed(
            f"The tables could not be made, since {CONFIG} cannot be used: {error}. {ADVICE}"
        ) from None
    if not settings.api_key:
        raise StepFailed(f"{CONFIG} sets no API_KEY. {ADVICE}")
    return settings
