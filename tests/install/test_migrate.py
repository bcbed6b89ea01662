"""Tables of every earlier version become those of today and of tomorrow, every row kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.db import url as database_url
from app.db.ddl import column_statements
from app.db.migrations import MIGRATIONS
from app.install.migrate import DatabaseIsNewer, migrate
from app.version import SCHEMA_VERSION
from tests.install import databases, later_release
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import MariaDB
from tests.support.programs import environment, run_cgi, run_flask
from tests.support.server import PROJECT

LATER = [sys.executable, "-m", "tests.install.later_release"]
SECONDS = 120


@pytest.fixture
def version() -> int:
    """That of the tables before the upgrade."""
    return 1


@pytest.fixture
def old_url(engine: str, version: int, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A queue as the first version left it, in tables of this version."""
    script = databases.dump(engine, version)
    if engine == "sqlite":
        return databases.make_sqlite(tmp_path / "old.sqlite3", script)
    return databases.make_mariadb(request.getfixturevalue("mariadb"), "tm_old", script)


@pytest.fixture
def new_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A queue that a new installation just made."""
    if engine == "sqlite":
        script = (PROJECT / "app" / "db" / "sqlite.sql").read_text("utf-8")
        return databases.make_sqlite(tmp_path / "new.sqlite3", script)
    return mariadb_with_tables(request.getfixturevalue("mariadb"), "tm_new")


def _migrate(url: str) -> tuple[int, int]:
    return migrate(database_url.parse(url, "/"))


def _start_later(url: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*LATER, url, *options], cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> list[int]:
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    versions: list[int] = json.loads(output)
    return versions


def _assert_kept(before: dict[str, list[databases.Row]], url: str) -> None:
    """Every row and every value of it is there still, the schema's version apart."""
    after = databases.rows(url)
    for table in set(before) - {"settings"}:
        kept = [{name: row[name] for name in before[table][0]} for row in after[table]]
        assert kept == before[table]


def _assert_later(url: str) -> None:
    found = databases.tables(url)
    assert list(found["tasks"]["indexes"]["tasks_origin"]) == [["origin", "id"], False]
    assert found["tasks"]["columns"]["origin"][1] is True
    assert set(found["notices"]["indexes"]) == {"notices_newest"}
    assert {row["cost"] for row in databases.rows(url)["tasks"]} == {1}
    assert databases.rows(url)["settings"] == [
        {"name": "schema_version", "value": str(later_release.VERSION)}
    ]


def test_every_version_has_its_steps() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_older_tables_become_those_of_a_new_installation(
    version: int, old_url: str, new_url: str
) -> None:
    before = databases.rows(old_url)
    assert {row["status"] for row in before["tasks"]} == {
        *("pending", "scheduled", "claimed", "completed", "failed", "cancelled")
    }
    assert _migrate(old_url) == (version, SCHEMA_VERSION)
    assert databases.tables(old_url) == databases.tables(new_url)
    _assert_kept(before, old_url)
    assert databases.rows(old_url)["settings"] == databases.rows(new_url)["settings"]


def _tagged(url: str) -> dict[str, list[int]]:
    """The ids of the tasks that lists show for each of these tags."""
    tags = ["Ada", "night", "late", "none"]
    found = {}
    for tag in tags:
        tasks = run_cgi(url, "GET", "/api/tasks", QUERY_STRING=f"tag={tag}").json["data"]["tasks"]
        found[tag] = [task["id"] for task in tasks]
    return found


TAG = "UPDATE tasks SET tags = '\n{}\n' WHERE id = {}"
"""As it is done before version 3, which has no other place for tags."""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_tags_of_older_tasks_are_found(version: int, old_url: str) -> None:
    for task_id, lines in {2: "Ada", 3: "Ada\nnight", 5: "nightly\nada"}.items():
        databases.execute(old_url, TAG.format(lines, task_id))
    assert _migrate(old_url) == (version, SCHEMA_VERSION)
    assert _tagged(old_url) == {"Ada": [3, 2], "night": [3], "late": [], "none": []}


def test_tags_of_tasks_that_an_older_version_made_after_the_upgrade(old_url: str) -> None:
    """It serves until the newer one takes over, and after a return to it."""
    databases.execute(old_url, TAG.format("Ada", 2))
    _migrate(old_url)
    databases.execute(old_url, TAG.format("Ada\nlate", 7))
    assert _migrate(old_url) == (SCHEMA_VERSION, SCHEMA_VERSION)
    assert _tagged(old_url) == {"Ada": [7, 2], "night": [], "late": [7], "none": []}


def test_a_tagged_task_that_an_older_version_deleted_is_not_listed(old_url: str) -> None:
    databases.execute(old_url, TAG.format("Ada", 2))
    databases.execute(old_url, TAG.format("Ada", 3))
    _migrate(old_url)
    databases.execute(old_url, "DELETE FROM tasks WHERE id = 3")
    listed = run_cgi(old_url, "GET", "/api/tasks", QUERY_STRING="tag=Ada&limit=1").json["data"]
    assert [task["id"] for task in listed["tasks"]] == [2]


def test_very_many_tagged_tasks(old_url: str) -> None:
    """More than are read at once."""
    columns = "type_id, status, urgency, attempts, max_attempts, cancel_requested, created_at"
    row = "1, 'pending', 0, 0, 1, 0, '2026-11-22 03:22:49.282', '{}'"
    rows = ", ".join(f"({row}, '\nAda\nmany {n}\n')" for n in range(1200))
    databases.execute(old_url, f"INSERT INTO tasks ({columns}, params_json, tags) VALUES {rows}")
    _migrate(old_url)
    tags = databases.rows(old_url)["task_tags"]
    many = {row["tag"] for row in tags if row["tag"].startswith("many")}
    assert many == {f"many {n}" for n in range(1200)}
    assert len([row for row in tags if row["tag"] == "Ada"]) == 1200
    assert {row["type_id"] for row in tags} == {1}


def test_tables_are_made_where_there_are_none(mariadb: MariaDB, tmp_path: Path) -> None:
    url = mariadb.create_database("tm_none")
    assert _migrate(url) == (0, SCHEMA_VERSION)
    new = mariadb_with_tables(mariadb, "tm_new")
    assert databases.tables(url) == databases.tables(new)
    assert databases.rows(url) == databases.rows(new)
    # A SQLite file has its tables as soon as it is opened.
    assert _migrate(f"sqlite:///{tmp_path}/new/q.sqlite3") == (SCHEMA_VERSION, SCHEMA_VERSION)


def test_tables_of_which_some_are_missing_are_completed(mariadb: MariaDB) -> None:
    """As an import leaves them that was cut off: the version comes last."""
    url = mariadb_with_tables(mariadb, "tm_half")
    mariadb.client("DROP TABLE tasks; DELETE FROM settings", "tm_half")
    assert _migrate(url) == (0, SCHEMA_VERSION)
    assert databases.tables(url) == databases.tables(mariadb_with_tables(mariadb, "tm_new"))


def test_the_oldest_tables_become_those_of_a_later_release(old_url: str) -> None:
    before = databases.rows(old_url)
    assert _end(_start_later(old_url)) == [1, later_release.VERSION]
    _assert_kept(before, old_url)
    _assert_later(old_url)
    assert _end(_start_later(old_url)) == [later_release.VERSION, later_release.VERSION]


@pytest.mark.parametrize("step", range(len(later_release.STEPS) + 1))
def test_an_upgrade_that_was_killed_is_finished_by_the_next(old_url: str, step: int) -> None:
    before = databases.rows(old_url)
    process = _start_later(old_url, "--halt-before", str(step))
    assert process.stdout
    assert process.stdout.readline() == "halted\n"
    process.kill()
    process.communicate()
    version = next(row["value"] for row in databases.rows(old_url)["settings"])
    assert int(version) < later_release.VERSION
    assert _end(_start_later(old_url))[1] == later_release.VERSION
    _assert_kept(before, old_url)
    _assert_later(old_url)


@pytest.mark.parametrize("options", [[], ["--without-lock"]], ids=["locked", "without lock"])
def test_upgrades_at_the_same_time_do_no_harm(old_url: str, options: list[str]) -> None:
    before = databases.rows(old_url)
    for versions in map(_end, [_start_later(old_url, *options) for _ in range(4)]):
        assert versions[1] == later_release.VERSION
    _assert_kept(before, old_url)
    _assert_later(old_url)


def test_an_upgrade_waits_for_another_and_then_says_so(mariadb: MariaDB, tmp_path: Path) -> None:
    url = databases.make_mariadb(mariadb, "tm_old", databases.dump("mariadb"))
    other = _start_later(url, "--halt-before", "0")
    assert other.stdout
    assert other.stdout.readline() == "halted\n"
    done = run_flask("upgrade-db", env=environment(url))
    other.kill()
    other.communicate()
    assert done.returncode == 1
    assert "another upgrade of this database is under way" in done.stderr


def test_this_release_works_on_the_tables_of_a_later_one(old_url: str) -> None:
    """While an upgrade is under way, and after a return from it."""
    _end(_start_later(old_url))
    assert run_cgi(old_url, "GET", "/api/health").json["status"] == "healthy"
    claimed = run_cgi(old_url, "POST", "/api/tasks/claim", {"worker_id": "w"}).json["data"]
    assert claimed["params"] == {"to": "first@example.org"}
    end = {"worker_id": "w", "attempt": 1}
    assert run_cgi(old_url, "POST", f"/api/tasks/{claimed['id']}/complete", end).status == 200
    task = {"type": "mail.send", "params": {"to": "new@example.org"}}
    created = run_cgi(old_url, "POST", "/api/tasks", task)
    assert created.status == 201
    listed = run_cgi(old_url, "GET", "/api/tasks").json["data"]["tasks"]
    assert listed[0]["id"] == created.json["data"]["id"]


def test_tables_of_a_later_release_are_not_touched(old_url: str) -> None:
    _end(_start_later(old_url))
    before = databases.rows(old_url), databases.tables(old_url)
    known = f"of version {later_release.VERSION}, .* knows versions up to {SCHEMA_VERSION} only"
    with pytest.raises(DatabaseIsNewer, match=known):
        _migrate(old_url)
    done = run_flask("upgrade-db", env=environment(old_url))
    assert done.returncode == 1
    assert "use the one that made them, or a later one" in done.stderr
    assert "Traceback" not in done.stderr
    assert (databases.rows(old_url), databases.tables(old_url)) == before


def test_the_command_says_what_it_did(old_url: str) -> None:
    databases.execute(old_url, "UPDATE settings SET value = '0'")
    done = run_flask("upgrade-db", env=environment(old_url))
    assert done.stdout == f"The tables went from version 0 to {SCHEMA_VERSION}.\n"
    done = run_flask("upgrade-db", env=environment(old_url))
    assert (done.returncode, done.stdout) == (0, f"The tables are of version {SCHEMA_VERSION}.\n")


def test_health_asks_for_the_upgrade_of_tables_that_are_too_old(old_url: str) -> None:
    databases.execute(old_url, "UPDATE settings SET value = '0'")
    response = run_cgi(old_url, "GET", "/api/health")
    assert (response.status, response.json["code"]) == (503, "database_unavailable")
    assert f"are of version 0 and this release needs {SCHEMA_VERSION}: run the upg" in response.log
    assert "retry-after" in response.headers
    assert "upgrade" not in response.raw.decode()


CALLS = {
    "create": ("POST", "/api/tasks", {"type": "mail.send", "params": {"n": 1}}),
    "claim": ("POST", "/api/tasks/claim", {"worker_id": "w"}),
    "claim with a key": ("POST", "/api/tasks/claim", {"worker_id": "w", "claim_key": "k"}),
    "complete": ("POST", "/api/tasks/1/complete", {"worker_id": "w"}),
    "heartbeat": ("POST", "/api/tasks/1/heartbeat", {"worker_id": "w"}),
    "retry": ("POST", "/api/tasks/1/retry", {}),
    "list": ("GET", "/api/tasks", None),
    "register": ("POST", "/api/workers/register", {"worker_id": "w"}),
    "health": ("GET", "/api/health", None),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_on_the_oldest_tables(old_url: str, name: str) -> None:
    """Files of a new version on tables of an old one: what needs a new column says so."""
    databases.execute(old_url, "UPDATE task_types SET name = 'mail.send' WHERE id = 1")
    response = run_cgi(old_url, *CALLS[name])
    assert response.status != 500, response.log
    if response.status == 503:
        assert response.json["code"] == "database_unavailable"
        assert "upgrade" in response.log


def test_a_call_that_misses_a_column_asks_for_the_upgrade(old_url: str) -> None:
    databases.execute(old_url, "ALTER TABLE tasks DROP COLUMN lease")
    response = run_cgi(old_url, "POST", "/api/tasks/claim", {"worker_id": "w"})
    assert (response.status, response.json["code"]) == (503, "database_unavailable")
    assert "upgrade-db" in response.log
    assert "retry-after" in response.headers


def test_a_column_that_older_releases_would_not_fill_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tasks\.status needs a server_default"):
        column_statements("tasks", ["status"], "sqlite")


def test_calls_never_load_the_migrations(new_url: str) -> None:
    script = (
        "import io, sys, passenger_wsgi\n"
        "for path in ('/api/tasks/claim', '/api/tasks'):\n"
        "    environ = {'REQUEST_METHOD': 'POST', 'PATH_INFO': path, 'wsgi.input': io.BytesIO()}\n"
        "    passenger_wsgi.application(environ, lambda status, headers: None)\n"
        "print([name for name in sys.modules if name.startswith(('app.db.mig', 'app.inst'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment(new_url),
        cwd=PROJECT,
    )
    assert done.stdout == "[]\n"
