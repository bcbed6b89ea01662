"""Settings: sources, precedence, and a sentence that names what is wrong."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from app import config
from app.errors import ConfigError
from tests.support.server import PROJECT

EXAMPLE = PROJECT / "config.example.py"


def load(tmp_path: Path, text: str = "", **environ: str) -> config.Settings:
    path = tmp_path / "settings.py"
    path.write_text(text, "utf-8")
    return config.load({"TASKMANAGER_CONFIG": str(path), **environ})


def test_the_example_documents_every_setting_with_its_default() -> None:
    namespace: dict[str, Any] = {}
    exec(EXAMPLE.read_text("utf-8"), namespace)
    documented = {name: value for name, value in namespace.items() if name.isupper()}
    defaults = {name: each.default for name, each in config.SETTINGS.items()}
    missing, invented = set(defaults) - set(documented), set(documented) - set(defaults)
    assert not missing, f"config.example.py: add {sorted(missing)}"
    assert not invented, f"app/config.py: add a line in Settings for {sorted(invented)}"
    assert documented == defaults


def test_each_setting_in_the_example_has_a_comment_above_it() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    groups = {
        *("DB_NAME", "DB_USER", "DB_PASS", "RETRY_MAX_DELAY", "MAX_RESULT_BYTES"),
        *("RETAIN_FAILED_DAYS", "RETAIN_CANCELLED_DAYS", "RETAIN_AUDIT_DAYS"),
        *("RUN_SECONDS", "HEALTH_MAX_SILENCE", "HEALTH_MAX_FAILURE_SHARE"),
    }
    for node in ast.parse(EXAMPLE.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            above = lines[node.lineno - 2]
            assert above.startswith("#") or node.targets[0].id in groups, node.targets[0].id


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    text = "MAX_TASK_ATTEMPTS = 5\nRETRY_DELAY = 7\n"
    settings = load(tmp_path, text, TASKMANAGER_MAX_TASK_ATTEMPTS="9")
    assert settings.max_task_attempts == 9
    assert settings.retry_delay == 7.0
    assert settings.task_claim_timeout == 300.0


def test_a_relative_sqlite_path_is_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, 'DATABASE_URL = "sqlite:///sub/q.sqlite3"\n')
    assert settings.database.path == str(tmp_path / "sub" / "q.sqlite3")


def test_without_a_database_the_queue_is_a_file_in_data(tmp_path: Path) -> None:
    assert load(tmp_path).database.path == str(tmp_path / "data" / "queue.sqlite3")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", ("localhost", 3306, "")),
        ("db.example.net:3307", ("db.example.net", 3307, "")),
        ("localhost:/run/mysqld/mysqld.sock", ("localhost", 3306, "/run/mysqld/mysqld.sock")),
    ],
)
def test_the_four_values_of_a_control_panel(
    tmp_path: Path, host: str, expected: tuple[str, int, str]
) -> None:
    text = f'DB_HOST = "{host}"\nDB_NAME = "name"\nDB_USER = "user"\nDB_PASS = "p@ss"\n'
    database = load(tmp_path, text).database
    assert (database.host, database.port, database.socket) == expected
    assert (database.database, database.user, database.password) == ("name", "user", "p@ss")


def test_a_database_url_wins_over_the_four_values(tmp_path: Path) -> None:
    text = 'DATABASE_URL = "mysql://u:p@h/one"\nDB_NAME = "other"\n'
    assert load(tmp_path, text).database.database == "one"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("TASK_CLAIM_TIMEOUT = 'soon'", "TASK_CLAIM_TIMEOUT must be a number of seconds"),
        ("TASK_CLAIM_TIMEOUT = 0", "TASK_CLAIM_TIMEOUT must be a number of seconds"),
        ("TASK_CLAIM_TIMEOUT = True", "TASK_CLAIM_TIMEOUT must be a number of seconds"),
        ("TASK_CLAIM_TIMEOUT = float('nan')", "TASK_CLAIM_TIMEOUT must be a number of seconds"),
        ("TASK_CLAIM_TIMEOUT = None", "TASK_CLAIM_TIMEOUT must be a number of seconds"),
        ("MAX_TASK_ATTEMPTS = 2.5", "MAX_TASK_ATTEMPTS must be a whole number"),
        ("MAX_TASK_ATTEMPTS = 0", "MAX_TASK_ATTEMPTS must be a whole number"),
        ("MAX_BODY_BYTES = '1 MB'", "MAX_BODY_BYTES must be a whole number"),
        ("REQUIRE_AUTH = 'maybe'", "REQUIRE_AUTH must be True or False"),
        ("API_KEY = 'short'", "API_KEY must be 24 or more"),
        ("API_KEY = 'with spaces in it'", "API_KEY must be 24 or more"),
        ("API_KEY = 12345678", "API_KEY must be a text"),
        ("CORS_ORIGINS = 7", "CORS_ORIGINS must be a list"),
        ("CORS_ORIGINS = [7]", "CORS_ORIGINS must be a list"),
        ("CORS_ORIGINS = 'example.com'", 'CORS_ORIGINS must be "*" or origins like'),
        ("CORS_ORIGINS = ['https://example.com/']", 'CORS_ORIGINS must be "*" or origins like'),
        ("CORS_ORIGINS = ['https://*.example.com']", 'CORS_ORIGINS must be "*" or origins like'),
        ("DATABASE_URL = 'postgresql://u@h/d'", "DATABASE_URL is not a database address"),
        ("DATABASE_URL = 'mysql://u:p@h'", "DATABASE_URL names no database"),
        ("DATABASE_URL = 'mysql://u:p/x@h:1/d'", "DATABASE_URL cannot be read"),
        ("DATABASE_URL = 'sqlite://'", "DATABASE_URL must name a file"),
        ("DATABASE_URL = 'sqlite:///:memory:'", "DATABASE_URL must name a file"),
        ("DATABASE_URL = 7", "DATABASE_URL must be a text"),
        ("MAX_TASK_ATEMPTS = 3", "did you mean MAX_TASK_ATTEMPTS?"),
        ("SOMETHING_ELSE = 3", "config.example.py lists them all"),
        ("this is not Python", "cannot be read as Python"),
        ("1 / 0", "cannot be read as Python"),
    ],
)
def test_a_wrong_value_is_named_in_a_sentence(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, line + "\n")
    assert sentence in str(raised.value)


def test_a_wrong_address_does_not_tell_the_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, "DATABASE_URL = 'mysql://u:hush/hush@h:1/d'\n")
    assert "hush" not in str(raised.value)


def test_a_wrong_value_in_the_environment_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ENABLE_TASK_HISTORY must be True or False"):
        load(tmp_path, "", TASKMANAGER_ENABLE_TASK_HISTORY="perhaps")


@pytest.mark.parametrize(("word", "value"), [("on", True), ("0", False), (" False ", False)])
def test_flags_in_the_environment(tmp_path: Path, word: str, value: bool) -> None:
    assert load(tmp_path, "", TASKMANAGER_ENABLE_TASK_HISTORY=word).enable_task_history is value


def test_a_config_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        config.load({"TASKMANAGER_CONFIG": "/nowhere/config.py"})


BOTH = ("https://a.example", "http://b.example:8080")


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("[]", ()),
        ("''", ()),
        ("'*'", ("*",)),
        ("['https://A.example', 'http://b.example:8080']", BOTH),
        ("'https://a.example, http://B.example:8080,'", BOTH),
    ],
)
def test_origins_are_a_list_or_a_text(tmp_path: Path, given: str, origins: tuple[str, ...]) -> None:
    assert load(tmp_path, f"CORS_ORIGINS = {given}\n").cors_origins == origins


@pytest.mark.parametrize(("length", "warns"), [(0, False), (8, True), (23, True), (24, False)])
def test_a_short_key_works_with_a_warning(tmp_path: Path, length: int, warns: bool) -> None:
    settings = load(tmp_path, f"API_KEY = {'k' * length!r}\n")
    told = config.warnings(settings)
    assert bool(told) is warns
    assert "kkkkkkkk" not in "".join(told)
    assert not warns or f"API_KEY has {length} characters" in told[0]
