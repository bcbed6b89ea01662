"""``flask doctor``: each thing that may be wrong is found, and told with what to do."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from app.doctor import clock, config, database, disk, files, stuck, tables, workers
from app.doctor.finding import Finding
from app.install.migrate import migrate
from app.queue import task_types
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
from app.version import SCHEMA_VERSION
from tests.cli.runner import Commands
from tests.queue.batches import run_sql
from tests.support.mariadb import DatabaseServer
from tests.support.programs import environment, run_flask
from tests.support.queue import register, site_at

KEY = "k" * 32


def told(found: list[Finding], level: str) -> list[str]:
    return [each.message for each in found if each.level == level]


def is_well(found: list[Finding]) -> bool:
    return bool(found) and {each.level for each in found} == {"ok"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed site's folder, with its config."""
    folder = tmp_path / "home"
    (folder / "logs").mkdir(parents=True)
    path = folder / "config.py"
    path.write_text(f"API_KEY = {KEY!r}\n", "utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("TASKMANAGER_CONFIG", str(path))
    return folder


def site_with(**settings: Any) -> Site:
    """One whose database nobody asks for."""
    return site_at("sqlite:////nowhere/queue.sqlite3", **settings)


def test_a_well_site_has_no_problem(database_url: str, engine: str, home: Path) -> None:
    site = site_at(database_url)
    register(site, "mail")
    create(site, [NewTask("mail", {})])
    claim(site, ClaimRequest("w"))
    site.db.close()
    env = environment(database_url, TASKMANAGER_PING_URL="https://ping.example.com/x")
    done = run_flask("doctor", env={**env, "TASKMANAGER_CONFIG": str(home / "config.py")})
    assert (done.returncode, done.stderr) == (0, "")
    levels = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(levels) <= {"ok", "note"}
    subjects = {line.split()[1] for line in done.stdout.splitlines()}
    assert subjects == {
        *("config", "files", "disk", "database", "tables", "clock", "workers", "tasks")
    }
    name = "SQLite" if engine == "sqlite" else "(MariaDB|MySQL)"
    assert re.search(rf"^ok       database  {name} \d", done.stdout, re.MULTILINE)


def test_a_problem_is_exit_code_1(site: Site, commands: Commands) -> None:
    result = commands.run("doctor", "--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert shown["ok"] is False
    assert {
        "check": "workers",
        "level": "problem",
        "message": "no worker was ever seen: start worker.py, or add the cron line "
        "(docs/workers.md)",
    } in shown["findings"]
    assert "problem  workers   no worker was ever seen" in commands.run("doctor").stdout


def test_a_database_that_is_away_is_one_problem(tmp_path: Path) -> None:
    env = environment("mysql+pymysql://u:secret@127.0.0.1:1/q", TASKMANAGER_CALL_DEADLINE="2")
    done = run_flask("doctor", env=env)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "secret" not in done.stderr + done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("problem  database  the database cannot be reached")
    assert last.endswith("what needs the database was not checked")


@pytest.mark.parametrize(
    ("settings", "level", "message"),
    [
        ({"REQUIRE_AUTH": False}, "problem", "REQUIRE_AUTH is off: everybody who reaches"),
        ({"API_KEY": ""}, "problem", "API_KEY is not set"),
        ({"API_KEY": "k" * 9}, "problem", "API_KEY has 9 characters"),
        ({"CORS_ORIGINS": "*"}, "note", "CORS_ORIGINS allows the scripts of every web page"),
        ({"ENABLE_TASK_HISTORY": False}, "note", "ENABLE_TASK_HISTORY is off"),
        ({"ENABLE_SCHEMA_VALIDATION": False}, "note", "ENABLE_SCHEMA_VALIDATION is off"),
        ({"RETAIN_FAILED_DAYS": None}, "note", "RETAIN_FAILED_DAYS is None"),
        ({}, "note", "PING_URL is not set"),
    ],
)
def test_settings(settings: dict[str, Any], level: str, message: str) -> None:
    found = config.check(site_with(**{"API_KEY": KEY, **settings}))
    assert [each for each in told(found, level) if each.startswith(message)]
    well = config.check(site_with(API_KEY=KEY, PING_URL="https://ping.example.com/x"))
    assert is_well(well)


def test_a_site_without_a_config_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKMANAGER_CONFIG")
    found = config.check(site_with(API_KEY=KEY))
    assert "there is no config.py: settings come from the environment alone" in told(found, "note")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_that_others_may_read(site: Site, home: Path) -> None:
    register(site, "mail")
    assert is_well(files.check(site))
    path = home / "config.py"
    path.chmod(0o644)
    (found,) = files.check(site)
    assert (found.level, found.message) == (
        "problem",
        f"all users of the host may read {path}, the keys and passwords in it: chmod 600 {path}",
    )
    path.chmod(0o640)
    (found,) = files.check(site)
    assert found.level == "note"
    path.chmod(0o600)
    os.chmod(site.settings.database.path, 0o604)
    assert told(files.check(site), "problem")[0].endswith(f"600 {site.settings.database.path}")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_that_cannot_be_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.db.prepare()
    path = site.settings.database.path
    monkeypatch.setattr(os, "access", lambda name, mode: name != path)
    assert told(files.check(site), "problem") == [
        f"{path} cannot be written by this user: change its owner or its permissions"
    ]


def test_a_disk_that_is_nearly_full(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_well(disk.check(site))
    monkeypatch.setattr(disk, "LEAST_BYTES", 10**18)
    (found,) = disk.check(site)
    assert found.level == "problem"
    assert found.message.startswith("only ")


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_session_that_is_too_small(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_well(database.check(site))
    monkeypatch.setattr(database, "OVERHEAD_BYTES", 2**31)
    (found,) = told(database.check(site), "problem")
    assert re.match(r"max_allowed_packet is \d+ bytes, less than one task may have", found)


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_user_without_a_privilege(site: Site, mariadb: DatabaseServer) -> None:
    mariadb.client(
        "CREATE USER 'tm_poor'@'%' IDENTIFIED BY 'pw';"
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON tm_test.* TO 'tm_poor'@'%';"
    )
    try:
        poor = site_at(f"mysql+pymysql://tm_poor:pw@{mariadb.host}:{mariadb.port}/tm_test")
        (found,) = told(database.check(poor), "problem")
        assert found.startswith("The user tm_poor lacks the privilege ALTER, INDEX on the database")
        poor.db.close()
    finally:
        mariadb.client("DROP USER 'tm_poor'@'%'")


@pytest.fixture
def own(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site whose tables may be spoiled, with a prefix where there may be one."""
    if engine == "sqlite":
        made = site_at(f"sqlite:///{tmp_path}/own.sqlite3")
    else:
        server: DatabaseServer = request.getfixturevalue("mariadb")
        made = site_at(server.create_database("tm_own"), TABLE_PREFIX="tm_")
        assert told(tables.check(made), "problem")[0].startswith(
            "the database lacks the tables tm_"
        )
    migrate(made.settings.database)
    yield made
    made.db.close()


def test_a_missing_index_is_told_with_the_sql_that_makes_it(own: Site, engine: str) -> None:
    assert is_well(tables.check(own))
    prefix = "" if engine == "sqlite" else "tm_"
    on = "" if engine == "sqlite" else " ON tasks"
    run_sql(own, f"DROP INDEX tasks_claim{on}")
    (found,) = told(tables.check(own), "problem")
    sql = f"CREATE INDEX tasks_claim ON {prefix}tasks (status, urgency, id)"
    assert found == (
        f"the index tasks_claim of {prefix}tasks is missing, so calls are slow: run the SQL {sql}"
    )
    run_sql(own, "CREATE INDEX tasks_claim ON tasks (status, id)")
    (found,) = told(tables.check(own), "problem")
    drop = "DROP INDEX tasks_claim" + ("" if engine == "sqlite" else f" ON {prefix}tasks")
    assert found.endswith(f"has other columns, so calls are slow: run the SQL {drop}; {sql}")
    run_sql(own, f"DROP INDEX tasks_claim{on}")
    run_sql(own, "CREATE INDEX tasks_claim ON tasks (status, urgency, id)")
    assert is_well(tables.check(own))


def test_tables_of_another_version(own: Site) -> None:
    run_sql(own, "UPDATE settings SET value = '3' WHERE name = 'schema_version'")
    assert told(tables.check(own), "problem") == [
        f"the tables are of version 3, not {SCHEMA_VERSION}: run upgrade-db, or press "
        "“Reinstall” in deploy.py"
    ]
    run_sql(own, "UPDATE settings SET value = '99' WHERE name = 'schema_version'")
    assert told(tables.check(own), "problem") == []
    assert "made by a newer TaskManager" in told(tables.check(own), "note")[0]
    run_sql(own, "INSERT INTO settings (name, value) VALUES ('restore', 'begun')")
    assert told(tables.check(own), "problem") == ["a restore was interrupted: run it again"]


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_tables_that_were_changed_by_hand(own: Site) -> None:
    run_sql(own, "ALTER TABLE settings ENGINE=MyISAM")
    run_sql(
        own, "ALTER TABLE task_tags CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    )
    run_sql(own, "ALTER TABLE tasks DROP COLUMN progress_message")
    found = told(tables.check(own), "problem")
    assert sorted(each.partition(":")[0] for each in found) == [
        "the table tm_settings is kept by MyISAM, which has no transactions",
        "the table tm_task_tags compares texts by utf8mb4_general_ci",
        "the table tm_tasks lacks progress_message",
    ]


class LateClock(datetime):
    """A host's clock that is behind by so many seconds."""

    seconds: float = 3600

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) - timedelta(seconds=cls.seconds)


@pytest.mark.parametrize(("seconds", "which"), [(3600, "ahead of"), (-3600, "behind")])
def test_clocks_that_differ(
    site: Site, monkeypatch: pytest.MonkeyPatch, seconds: float, which: str
) -> None:
    assert is_well(clock.check(site))
    monkeypatch.setattr(LateClock, "seconds", seconds)
    monkeypatch.setattr(clock, "datetime", LateClock)
    (found,) = told(clock.check(site), "problem")
    assert found.startswith(f"the database's clock is 3600 s {which} this host's")
    monkeypatch.setattr(LateClock, "seconds", 20)
    assert is_well(clock.check(site))


def test_workers_that_were_not_seen_for_long(site: Site, home: Path) -> None:
    assert told(workers.check(site), "problem")[0].startswith("no worker was ever seen")
    register(site, "mail")
    claim(site, ClaimRequest("w"))
    assert is_well(workers.check(site))
    sql = site.db.dialect
    run_sql(site, f"UPDATE workers SET last_seen_at = {sql.after('-10000')}")
    assert told(workers.check(site), "problem")[0].startswith("no worker was seen for 2 h 46 min")


def test_cron_that_does_not_run(site: Site, home: Path) -> None:
    register(site, "mail")
    (home / "cron.py").write_text("", "utf-8")
    assert len(told(workers.check(site), "problem")) == 2
    claim(site, ClaimRequest("w"))
    assert told(workers.check(site), "note")[0].startswith("cron has never run here")
    log = home / "logs" / "cron.log"
    log.write_text("", "utf-8")
    assert is_well(workers.check(site))
    os.utime(log, (time.time() - 3 * 3600,) * 2)
    assert told(workers.check(site), "note")[0].startswith(
        f"cron has left nothing in {log} for 3 h"
    )
    trouble = {"code": 3, "since": time.time() - 600, "reported": 0}
    (home / "logs" / "cron-trouble.json").write_text(json.dumps(trouble), "utf-8")
    assert told(workers.check(site), "problem") == [
        f"the cron line's worker ends with exit code 3 for 10 min now: the end of {log} says why"
    ]


def test_tasks_that_nobody_takes_up(site: Site) -> None:
    register(site, "mail")
    create(site, [NewTask("mail", {"n": 1})])
    claim(site, ClaimRequest("w"))
    create(site, [NewTask("mail", {"n": 2}, delay=60), NewTask("mail", {"n": 3}, delay=60)])
    assert is_well(stuck.check(site))
    run_sql(
        site,
        f"UPDATE tasks SET due_at = {site.db.dialect.after('-700')} WHERE due_at IS NOT NULL",
    )
    assert [each.partition(":")[0] for each in told(stuck.check(site), "problem")] == [
        "1 task whose lease ended more than 10 minutes ago",
        "2 tasks whose time came more than 10 minutes ago",
    ]


def test_types_that_are_off_while_tasks_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register(site, "mail")
    register(site, "sms")
    task_types.set_paused(site, "mail", True)
    task_types.set_active(site, "sms", False)
    assert is_well(stuck.check(site))
    task_types.set_active(site, "sms", True)
    create(site, [NewTask("mail", {"n": 1}), NewTask("mail", {"n": 2}, delay=60)])
    create(site, [NewTask("sms", {})])
    task_types.set_active(site, "sms", False)
    found = stuck.check(site)
    assert told(found, "problem") == [
        "the task type mail is paused with 2 tasks waiting: resume it (types resume mail) or "
        "cancel them"
    ]
    assert told(found, "note") == [
        "the task type sms is not active, and 1 task made before will still run: cancel them if "
        "they should not"
    ]
    monkeypatch.setattr(stuck, "MOST", 1)
    assert "with 1 or more tasks waiting" in told(stuck.check(site), "problem")[0]
