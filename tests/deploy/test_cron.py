"""The printed cron line: one worker, its output in a log, mail only for what needs a person."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.install.finish import starter_types
from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount, lines
from tests.support.monitor import Monitor


@pytest.fixture(scope="module")
def account() -> Iterator[HostingAccount]:
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        done = account.install(None, "--json")
        assert done.returncode == 0, done
        (account.root / "cron-line").write_text(lines(done.stdout)[-1]["cron"], "utf-8")
        yield account


def run_cron(account: HostingAccount, extra: str = "") -> str:
    """What one run of the printed line prints, and cron would mail."""
    line = (account.root / "cron-line").read_text("utf-8")
    done = account.run(line.split(maxsplit=5)[5] + extra)
    return done.stdout + done.stderr


def add_task(account: HostingAccount) -> int:
    status, response = account.call(
        "POST", "/tasks", {"type": "example.echo", "params": {"message": "hi"}, "dedupe": False}
    )
    assert status == 201, response
    return int(response["data"]["id"])


def log_of(account: HostingAccount) -> Path:
    return account.home / "logs" / "cron.log"


def workers(account: HostingAccount) -> list[str]:
    return [each["id"] for each in account.call("GET", "/workers")[1]["data"]["workers"]]


def test_the_self_test_leaves_no_worker_and_no_type(account: HostingAccount) -> None:
    assert workers(account) == []
    types = account.call("GET", "/task-types")[1]["data"]["task_types"]
    assert [each["name"] for each in types] == ["example.echo"]


def test_runs_are_one_worker_and_their_output_is_in_the_log(account: HostingAccount) -> None:
    for number in (1, 2, 3):
        task = add_task(account)
        assert run_cron(account) == ""
        assert account.call("GET", f"/tasks/{task}")[1]["data"]["status"] == "completed"
        assert log_of(account).read_text("utf-8").count("completed 1") == number
    (worker,) = workers(account)
    assert re.fullmatch(r"[\w.-]+-taskmanager-queue-[0-9a-f]{6}", worker)
    assert stat.S_IMODE(log_of(account).stat().st_mode) == 0o600
    assert run_cron(account, " --max-runs 5") == ""
    add_task(account)
    assert run_cron(account, " --worker-id mine") == ""
    assert "mine" in workers(account)


def test_a_large_log_is_put_aside(account: HostingAccount) -> None:
    log_of(account).write_bytes(b"x" * 1_000_001)
    add_task(account)
    assert run_cron(account) == ""
    assert log_of(account).stat().st_size < 10_000
    assert log_of(account).with_name("cron.log.1").stat().st_size == 1_000_001


def test_a_monitor_is_told_of_each_run(account: HostingAccount) -> None:
    monitor = Monitor()
    config = account.home / "config.py"
    before = config.read_text("utf-8")
    config.write_text(f'{before}\nPING_URL = "{monitor.url}"\n', "utf-8")
    try:
        assert run_cron(account) == ""
    finally:
        config.write_text(before, "utf-8")
        monitor.close()
    assert monitor.paths == ["/check-1/start", "/check-1"]


def test_handlers_need_no_list_of_types(account: HostingAccount) -> None:
    """Types may be registered in the dashboard or by another program, as the README begins."""
    handlers = account.home / "handlers.py"
    before = handlers.read_text("utf-8")
    handlers.write_text(
        'from worker import task\n\n\n@task("example.echo")\ndef echo(params):\n    return 7\n',
        "utf-8",
    )
    try:
        task = add_task(account)
        assert run_cron(account) == ""
    finally:
        handlers.write_text(before, "utf-8")
    assert account.call("GET", f"/tasks/{task}")[1]["data"]["result"] == 7


def test_handlers_that_cannot_be_loaded_are_told_once_a_day(account: HostingAccount) -> None:
    handlers = account.home / "handlers.py"
    before = handlers.read_text("utf-8")
    handlers.write_text("raise RuntimeError('broken on purpose')", "utf-8")
    try:
        add_task(account)
        told = run_cron(account)
        assert "Check handlers.py" in told
        assert "broken on purpose" in told
        assert str(account.home) in told
        assert run_cron(account) == ""
        age(account, reported=24 * 3600 + 1)
        assert "broken on purpose" in run_cron(account)
    finally:
        handlers.write_text(before, "utf-8")
    assert run_cron(account) == ""
    assert not trouble(account).exists()


def test_a_server_that_is_away_is_told_when_it_stays_away(account: HostingAccount) -> None:
    account.apache.stop()
    try:
        assert run_cron(account) == ""
        age(account, since=15 * 60 + 1)
        told = run_cron(account)
        assert "cannot reach its server" in told
        assert run_cron(account) == ""
    finally:
        account.apache.start()
    assert run_cron(account) == ""


def test_a_key_that_is_refused_is_told_at_once(account: HostingAccount) -> None:
    site = json.loads((account.home / "site.json").read_bytes())
    assert site["url"] == account.url
    told = run_cron(account, " --api-key wrong-wrong-wrong-wrong-wrong")
    assert "The server refuses the worker" in told
    assert run_cron(account) == ""


def test_settings_that_cannot_be_read_are_told(account: HostingAccount) -> None:
    config = account.home / "config.py"
    before = config.read_text("utf-8")
    config.write_text("API_KEY = \n", "utf-8")
    try:
        told = run_cron(account)
        assert "The worker cannot be started: SyntaxError" in told
        assert "Traceback" not in told
    finally:
        config.write_text(before, "utf-8")
    assert run_cron(account) == ""


def trouble(account: HostingAccount) -> Path:
    return account.home / "logs" / "cron-trouble.json"


def age(account: HostingAccount, **seconds: float) -> None:
    """Make what was noted so much older."""
    known = json.loads(trouble(account).read_bytes())
    for name, more in seconds.items():
        known[name] -= more
    trouble(account).write_text(json.dumps(known), "utf-8")


def test_handlers_that_read_files_are_not_installed(account: HostingAccount) -> None:
    text = (account.home / "handlers.py").read_text("utf-8")
    assert "example.echo" in text
    assert "digest" not in text
    assert "http.check" not in text


def test_unless_somebody_asks_for_them() -> None:
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        done = account.install({"examples": True}, "--json")
        assert done.returncode == 0, done
        assert "files.digest" in (account.home / "handlers.py").read_text("utf-8")


def test_the_registered_types_are_those_of_the_handlers(account: HostingAccount) -> None:
    """Registered before cron's first run, so that the line to paste works at once."""
    (of_handlers,) = starter_types()
    registered = account.call("GET", "/task-types/example.echo")[1]["data"]
    assert {name: registered[name] for name in of_handlers} == of_handlers
