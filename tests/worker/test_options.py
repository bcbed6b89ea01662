"""Each option: by command line, by each of its environment names, by a file, and their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from worker import main


class Option(NamedTuple):
    variables: str  # environment names, which a file may hold too
    default: Any
    text: str
    value: Any
    other_text: str
    other_value: Any


MIB = 1 << 20
OPTIONS = {
    "api_url": Option(
        *("TASKMANAGER_API_URL API_URL", "http://127.0.0.1:8000/api"),
        *("http://a/api", "http://a/api", "https://b/api", "https://b/api"),
    ),
    "api_key": Option("TASKMANAGER_API_KEY API_KEY", "", "one", "one", "two", "two"),
    "worker_id": Option("WORKER_ID", "", "w1", "w1", "w2", "w2"),
    "type_pattern": Option("TASK_TYPE_PATTERN", None, "a.%", "a.%", "b.%", "b.%"),
    "task_types": Option("TASK_TYPES", [], " a, b ,", ["a", "b"], "c", ["c"]),
    "handlers": Option("HANDLERS", None, "my.py", "my.py", "mine", "mine"),
    "register": Option("", False, "true", True, "false", False),
    "concurrency": Option("CONCURRENCY CONCURRENT_TASKS", 1, "4", 4, "5", 5),
    "processes": Option("PROCESSES", False, "1", True, "0", False),
    "batch": Option("BATCH", 0, "100", 100, "7", 7),
    "poll_interval": Option("POLL_INTERVAL POLLING_INTERVAL", 10, "0.1", 0.1, "5", 5),
    "max_poll_interval": Option("MAX_POLL_INTERVAL", 60, "300", 300, "0", 0),
    "until_empty": Option("UNTIL_EMPTY", False, "yes", True, "no", False),
    "max_runs": Option("MAX_RUNS", 0, "50", 50, "3", 3),
    "max_time": Option("MAX_TIME", 0, "55", 55, "2.5", 2.5),
    "max_memory": Option(
        *("MAX_MEMORY MEMORY_LIMIT", 0), *("512M", 512 * MIB, "1 GiB", 1024 * MIB)
    ),
    "lock": Option("LOCK", None, "auto", "auto", "my.lock", "my.lock"),
    "lock_max_age": Option("LOCK_MAX_AGE", 0, "600", 600, "1.5", 1.5),
    "lease": Option("LEASE", 0, "900", 900, "1.5", 1.5),
    "heartbeat_interval": Option("HEARTBEAT_INTERVAL", 0, "20", 20, "0.5", 0.5),
    "task_timeout": Option("TASK_TIMEOUT", 0, "600", 600, "0.5", 0.5),
    "fail_on_false": Option("FAIL_ON_FALSE", False, "true", True, "false", False),
    "shutdown_timeout": Option("SHUTDOWN_TIMEOUT", 30, "8", 8, "0", 0),
    "max_errors": Option("MAX_ERRORS", 5, "1", 1, "99", 99),
    "api_timeout": Option("API_TIMEOUT TIMEOUT", 30, "10", 10, "0.5", 0.5),
    "status_file": Option("STATUS_FILE", None, "s.json", "s.json", "t.json", "t.json"),
    "ping_url": Option(
        *("PING_URL", ""), *("http://h/a", "http://h/a", "https://h/b?c=d", "https://h/b?c=d")
    ),
    "metadata": Option(*("METADATA", {}), *("a=b, c=d=e", {"a": "b", "c": "d=e"}, "x=", {"x": ""})),
    "log_level": Option("LOG_LEVEL LOGGING_LEVEL", "info", "debug", "debug", "ERROR", "error"),
    "log_file": Option("LOG_FILE LOGGING_FILE", None, "w.log", "w.log", "v.log", "v.log"),
    "log_json": Option("LOG_JSON", False, "true", True, "false", False),
    "debug": Option("DEBUG", False, "true", True, "false", False),
}
VARIABLES = [(name, each) for name, option in OPTIONS.items() for each in option.variables.split()]
FLAGS = {name for name, option in OPTIONS.items() if option.default is False}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder without files, with an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for _, variable in [*VARIABLES, ("config", "WORKER_CONFIG")]:
        monkeypatch.delenv(variable, raising=False)


def settings(*arguments: str) -> dict[str, Any]:
    """What the command understands."""
    return main.make_context("worker.py", list(arguments)).params


def given(name: str, text: str) -> list[str]:
    """An option as it is written on the command line."""
    option = "--" + name.replace("_", "-")
    return [option] if name in FLAGS else [option, text]


def test_the_table_has_every_option_and_its_names() -> None:
    options = [each for each in main.params if isinstance(each, click.Option)]
    has = {each.name: each.envvar or [] for each in options if each.name != "config"}
    names = {k: [v] if isinstance(v, str) else list(v) for k, v in has.items()}
    assert names == {name: option.variables.split() for name, option in OPTIONS.items()}


def test_defaults() -> None:
    assert settings() == {name: option.default for name, option in OPTIONS.items()}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_command_line_sets_it(name: str) -> None:
    option = OPTIONS[name]
    assert settings(*given(name, option.text)) == {**settings(), name: option.value}


@pytest.mark.parametrize(("name", "variable"), VARIABLES)
def test_environment_and_file_set_it_in_their_order(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    option, before = OPTIONS[name], settings()
    (tmp_path / "worker.conf").write_text(f"{variable}={option.text}\n", "utf-8")
    assert settings() == {**before, name: option.value}
    monkeypatch.setenv(variable, option.other_text)
    assert settings() == {**before, name: option.other_value}
    assert settings(*given(name, option.text)) == {**before, name: option.value}


@pytest.mark.parametrize("name", sorted(FLAGS - {"register"}))
def test_a_switch_can_be_off_everywhere(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (variable,) = OPTIONS[name].variables.split()
    for text in ("false", "0", "no", "off"):
        (tmp_path / "worker.conf").write_text(f"{variable}={text}\n", "utf-8")
        assert settings()[name] is False
        assert settings(*given(name, ""))[name] is True
    (tmp_path / "worker.conf").write_text(f"{variable}=on\n", "utf-8")
    for text in ("false", "0", "no", "off"):
        monkeypatch.setenv(variable, text)
        assert settings()[name] is False
        assert settings(*given(name, ""))[name] is True


@pytest.mark.parametrize("text", ["false", "No", "0", "off", "OFF"])
def test_no_lock_is_no_file_of_that_name(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings(f"--lock={text}")["lock"] is None
    (tmp_path / "worker.conf").write_text("LOCK=auto\n", "utf-8")
    assert settings()["lock"] == "auto"
    monkeypatch.setenv("LOCK", text)
    assert settings()["lock"] is None


@pytest.mark.parametrize("text", ["true", "Yes", "1", "on"])
def test_a_lock_that_is_only_wanted_is_the_automatic_one(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCK", text)
    assert settings()["lock"] == "auto"
    assert settings("--lock", f"./{text}")["lock"] == f"./{text}"


def test_lock_takes_a_path_or_none() -> None:
    assert settings("--lock")["lock"] == "auto"
    assert settings("--lock", "--until-empty")["lock"] == "auto"
    assert settings("--lock=my.lock")["lock"] == "my.lock"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("concurrency", "0"), ("batch", "-1"), ("batch", "101"), ("max_errors", "0")],
        *[("poll_interval", "0"), ("api_timeout", "0"), ("max_runs", "many")],
        *[
            (name, "-1")
            for name in OPTIONS
            if name in ("max_time", "lease", "task_timeout", "lock_max_age")
        ],
        *[("shutdown_timeout", "-1"), ("heartbeat_interval", "-1"), ("max_poll_interval", "-1")],
        *[("max_memory", text) for text in ("lots", "-5M", "5X", "")],
        *[("metadata", "region"), ("log_level", "loud")],
    ],
)
def test_what_cannot_be_is_refused_wherever_it_comes_from(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = f"Invalid value for '--{name.replace('_', '-')}'"
    with pytest.raises(click.BadParameter) as caught:
        settings(*given(name, text))
    assert sentence in caught.value.format_message()
    if text:  # An empty variable counts as none.
        monkeypatch.setenv(OPTIONS[name].variables.split()[-1], text)
        with pytest.raises(click.BadParameter) as caught:
            settings()
        assert sentence in caught.value.format_message()
