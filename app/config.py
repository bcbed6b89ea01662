"""Settings: their defaults, where they come from, and which values they take.

Precedence, highest first: environment ``TASKMANAGER_<NAME>``, the config file (the one named by
``TASKMANAGER_CONFIG``, else ``config.py`` in the project's folder), the default.
"""

from __future__ import annotations

import os
import re

from app.db import url as database_url
from app.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from app.db.url import DatabaseUrl

    T = TypeVar("T")

PROJECT_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENT_PREFIX = "TASKMANAGER_"
DEFAULT_DATABASE_URL = "sqlite:///data/queue.sqlite3"

TRUE_WORDS = {"true", "yes", "on", "1"}
FALSE_WORDS = {"false", "no", "off", "0"}


GOOD_KEY_LENGTH = 24
MIN_KEY_LENGTH = 8
"""Keys this short were accepted once, and still work."""

MAX_DAYS = 36500

MAKE_A_KEY = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes one'


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'must be a text in quotes, like "abc", and is {value!r}')
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(https?://[^/\s]+\S*)?", value):
        raise ValueError(f'must be an address like "https://hc-ping.com/uuid", and is {value!r}')
    return value


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    is_plain = value.isascii() and value.isprintable() and " " not in value
    if value and (len(value) < MIN_KEY_LENGTH or not is_plain):
        raise ValueError(
            f"must be {GOOD_KEY_LENGTH} or more printable ASCII characters without spaces; "
            f"{MAKE_A_KEY}"
        )
    return value


def _claim_order(value: Any) -> str:
    if value not in ("priority", "fair"):
        raise ValueError(f'must be "priority" or "fair", and is {value!r}')
    return str(value)


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_]{0,16}", value):
        raise ValueError(f'must be up to 16 letters, digits and _, like "tm_", and is {value!r}')
    return value


def _origins(value: Any) -> tuple[str, ...]:
    """A list of origins, or a text with commas between them."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, str) for each in given):
        raise ValueError(f'must be a list like ["https://www.example.com"], and is {value!r}')
    origins = tuple(each.strip().lower() for each in given if each.strip())
    for each in origins:
        scheme, separator, host = each.partition("://")
        if each != "*" and not (scheme and separator and host and not set(host) & set("/?#@ *")):
            raise ValueError(
                'must be "*" or origins like "https://www.example.com" (no path, no slash at the '
                f"end), and one is {each!r}"
            )
    return origins


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    raise ValueError(f"must be True or False, and is {value!r}")


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, (int, str)) else None
        except ValueError:
            number = None
        if number is None or isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, and is {value!r}")
        return number

    return read


def _number(value: Any, low: float, high: float, expected: str) -> float:
    """Raises ValueError with what was ``expected``."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool) or not low <= number <= high:
        raise ValueError(f"must be {expected}, and is {value!r}")
    return number


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    expected = f"a number of seconds from {low:g} to {high:g}"
    return lambda value: _number(value, low, high, expected)


def _share(value: Any) -> float:
    return _number(value, 0, 1, "a share from 0 to 1, like 0.5")


def _days(value: Any) -> float | None:
    """None means for ever."""
    if value is None or str(value).strip().lower() == "none":
        return None
    expected = f"a number of days from 0 to {MAX_DAYS}, or None for ever"
    return _number(value, 0, MAX_DAYS, expected)


class SettingDefinition:
    """One setting: its default, and the reader that checks what it is set to."""

    def __init__(self, default: Any, read: Callable[[Any], Any]) -> None:
        self.default = default
        self.read = read


def setting(default: Any, read: Callable[[Any], T]) -> T:
    """Declares an attribute of Settings. What is read takes its place in each instance."""
    return SettingDefinition(default, read)  # type: ignore[return-value]


class Settings:
    """Every setting by its name in lower case, checked. Times are seconds, sizes bytes."""

    database: DatabaseUrl
    """Where the queue is, made of DATABASE_URL or of the DB_* settings."""

    handlers_path: str
    """Where the handlers of web runs are, made of RUN_HANDLERS."""

    database_url = setting("", _text)
    db_host = setting("localhost", _text)
    db_name = setting("", _text)
    db_user = setting("", _text)
    db_pass = setting("", _text)
    api_key = setting("", _key)
    require_auth = setting(True, _flag)
    cors_origins = setting([], _origins)
    session_max_idle = setting(604800.0, _seconds(60, 31536000))
    session_max_age = setting(2592000.0, _seconds(60, 31536000))
    task_claim_timeout = setting(300.0, _seconds(1, 604800))
    max_task_attempts = setting(3, _whole(1, 1000))
    claim_order = setting("priority", _claim_order)
    retry_delay = setting(10.0, _seconds(0, 2592000))
    retry_max_delay = setting(3600.0, _seconds(0, 2592000))
    enable_task_history = setting(True, _flag)
    retain_completed_days = setting(30.0, _days)
    retain_failed_days = setting(90.0, _days)
    retain_cancelled_days = setting(30.0, _days)
    retain_result_days = setting(None, _days)
    retain_dedupe_days = setting(None, _days)
    retain_worker_days = setting(30.0, _days)
    retain_audit_days = setting(365.0, _days)
    retain_schedule_runs = setting(100, _whole(20, 1_000_000))
    run_token = setting("", _key)
    run_seconds = setting(20.0, _seconds(1, 3600))
    run_handlers = setting("handlers.py", _text)
    ping_url = setting("", _address)
    health_max_age = setting(900.0, _seconds(1, 31536000))
    health_max_silence = setting(900.0, _seconds(1, 31536000))
    health_max_failure_share = setting(0.5, _share)
    enable_schema_validation = setting(True, _flag)
    max_body_bytes = setting(1024 * 1024, _whole(1024, 64 * 1024 * 1024))
    max_params_bytes = setting(256 * 1024, _whole(64, 16 * 1024 * 1024))
    max_result_bytes = setting(512 * 1024, _whole(64, 16 * 1024 * 1024))
    call_deadline = setting(20.0, _seconds(1, 600))
    table_prefix = setting("", _prefix)


SETTINGS = {
    name.upper(): each
    for name, each in vars(Settings).items()
    if isinstance(each, SettingDefinition)
}
"""Every setting by the name that people write."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    path = config_path(environ)
    values = _file_values(path) if path else {}
    return from_values({**values, **_environment_values(environ)}, _base_folder(path))


def from_values(values: Mapping[str, Any], base_folder: str = PROJECT_FOLDER) -> Settings:
    """Settings from ``{NAME: value}``; a relative SQLite path is taken from ``base_folder``."""
    settings = Settings()
    for name, each in SETTINGS.items():
        try:
            setattr(settings, name.lower(), each.read(values.get(name, each.default)))
        except ValueError as error:
            raise ConfigError(f"{name} {error}") from None
    settings.database = _database(settings, base_folder)
    settings.handlers_path = os.path.join(base_folder, settings.run_handlers)
    settings.database.table_prefix = settings.table_prefix
    if settings.table_prefix and settings.database.engine == "sqlite":
        raise ConfigError("TABLE_PREFIX is for MySQL and MariaDB: a SQLite queue has its own file")
    return settings


def warnings(settings: Settings) -> list[str]:
    """What works but should be changed, one sentence each."""
    length = len(settings.api_key)
    if not 0 < length < GOOD_KEY_LENGTH:
        return []
    return [
        f"API_KEY has {length} characters, and {GOOD_KEY_LENGTH} or more are safe; {MAKE_A_KEY}. "
        "Change it on the server, then wherever it is sent"
    ]


def _database(settings: Settings, base_folder: str) -> DatabaseUrl:
    if not settings.database_url and settings.db_name:
        return database_url.from_parts(
            settings.db_host, settings.db_name, settings.db_user, settings.db_pass
        )
    try:
        return database_url.parse(settings.database_url or DEFAULT_DATABASE_URL, base_folder)
    except ValueError as error:
        raise ConfigError(f"DATABASE_URL {error}") from None


def config_path(environ: Mapping[str, str]) -> str:
    """The config file; empty where there is none. Raises ConfigError."""
    named = environ.get(ENVIRONMENT_PREFIX + "CONFIG", "")
    if named and not os.path.isfile(named):
        raise ConfigError(f"TASKMANAGER_CONFIG names {named}, but there is no such file")
    beside = os.path.join(PROJECT_FOLDER, "config.py")
    return named or (beside if os.path.isfile(beside) else "")


def _base_folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path)) if path else PROJECT_FOLDER


def _file_values(path: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__file__": path}
    try:
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec"), namespace)
    except Exception as error:
        raise ConfigError(f"{path} cannot be read as Python: {error}") from error
    values = {name: value for name, value in namespace.items() if name.isupper()}
    for name in values:
        if name not in SETTINGS:
            raise ConfigError(f"{path} sets {name}, which is not a setting{_suggestion(name)}")
    return values


def _environment_values(environ: Mapping[str, str]) -> dict[str, str]:
    names = {name: ENVIRONMENT_PREFIX + name for name in SETTINGS}
    return {name: environ[variable] for name, variable in names.items() if variable in environ}


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, SETTINGS, 1)
    return f"; did you mean {close[0]}?" if close else "; config.example.py lists them all"
