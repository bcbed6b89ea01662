"""A database in which another program has tables of our names: refused, and nothing touched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from app.db.prefix import TABLES
from tests.support.mariadb import MariaDB
from tests.support.programs import environment, run_cgi, run_flask
from tests.support.server import PROJECT

OTHERS = {
    "tasks": "CREATE TABLE tasks (id INT PRIMARY KEY, title VARCHAR(50), status VARCHAR(10))",
    "workers": "CREATE TABLE workers (id INT PRIMARY KEY, name VARCHAR(50))",
    "settings": "CREATE TABLE settings (id INT PRIMARY KEY, name VARCHAR(50), value TEXT)",
    "task_types": "CREATE TABLE task_types (id INT PRIMARY KEY, name VARCHAR(50))",
    "task_history": "CREATE TABLE task_history (id INT PRIMARY KEY, task_id INT, note TEXT)",
    "task_tags": "CREATE TABLE task_tags (id INT PRIMARY KEY, task_id INT, tag_id INT)",
}
ROWS = "INSERT INTO {0} (id) VALUES (1), (2)"


@pytest.fixture(params=OTHERS)
def table(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def snapshot(mariadb: MariaDB, name: str) -> str:
    tables = mariadb.client("SHOW TABLES", name).split()
    return "".join(
        mariadb.client(f"SHOW CREATE TABLE {each}; SELECT * FROM {each}", name) for each in tables
    )


def fill(mariadb: MariaDB, name: str, table: str) -> str:
    url = mariadb.create_database(name)
    mariadb.client(f"{OTHERS[table]}; {ROWS.format(table)}", name)
    return url


@pytest.mark.parametrize("command", ["init-db", "upgrade-db"])
def test_commands_refuse(mariadb: MariaDB, table: str, command: str) -> None:
    url = fill(mariadb, "tm_foreign", table)
    before = snapshot(mariadb, "tm_foreign")
    done = run_flask(command, env=environment(url))
    assert done.returncode == 1
    assert f"tables of another program: {table}. Nothing was changed" in done.stderr
    assert "TABLE_PREFIX" in done.stderr
    assert snapshot(mariadb, "tm_foreign") == before


def test_schema_sql_stops(mariadb: MariaDB, table: str) -> None:
    fill(mariadb, "tm_foreign", table)
    before = snapshot(mariadb, "tm_foreign")
    with pytest.raises(RuntimeError, match="another program has tables of these names"):
        mariadb.client((PROJECT / "schema.sql").read_text("utf-8"), "tm_foreign")
    assert snapshot(mariadb, "tm_foreign") == before


def test_a_prefix_is_the_way_out(mariadb: MariaDB, table: str) -> None:
    url = fill(mariadb, "tm_foreign", table)
    before = snapshot(mariadb, "tm_foreign")
    env = {**environment(url), "TASKMANAGER_TABLE_PREFIX": "tm_"}
    assert run_flask("init-db", env=env).returncode == 0
    assert mariadb.client(f"SELECT COUNT(*) FROM {table}", "tm_foreign") == "2\n"
    assert before in snapshot(mariadb, "tm_foreign")
    tables = {f"tm_{each}" for each in TABLES} | {table}
    assert set(mariadb.client("SHOW TABLES", "tm_foreign").split()) == tables


def test_health_and_calls_say_so(mariadb: MariaDB) -> None:
    """All our tables are there, but one is another program's."""
    url = fill(mariadb, "tm_foreign", "tasks")
    script = (PROJECT / "schema.sql").read_text("utf-8")
    tables = script[script.index("CREATE TABLE") :]
    mariadb.client(tables, "tm_foreign")
    for method, path, body in (
        ("GET", "/api/health", None),
        ("POST", "/api/tasks/claim", {"worker_id": "w"}),
    ):
        response = run_cgi(url, method, path, body)
        assert (response.status, response.json["code"]) == (503, "database_unavailable")
        assert "another program's" in response.log


@pytest.mark.parametrize("name", OTHERS)
def test_a_sqlite_file_of_another_program(tmp_path: Path, name: str) -> None:
    path = tmp_path / "theirs.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(OTHERS[name])
        connection.execute(ROWS.format(name))
    connection.close()
    before = path.read_bytes()
    url = f"sqlite:///{path}"
    done = run_flask("upgrade-db", env=environment(url))
    assert done.returncode == 1
    assert f"tables of another program: {name}" in done.stderr
    assert "use another file" in done.stderr
    response = run_cgi(url, "POST", "/api/tasks/claim", {"worker_id": "w"})
    assert (response.status, response.json["code"]) == (503, "database_unavailable")
    assert "use another file" in response.log
    with sqlite3.connect(path) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    assert [each for each in names if not each.startswith("sqlite_")] == [name]
    assert len(before) == path.stat().st_size
