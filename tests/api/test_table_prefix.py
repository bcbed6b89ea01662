"""TABLE_PREFIX: two queues and another program in one database, each with tables of its own."""

from __future__ import annotations

import pytest

from app.config import from_values
from app.db.ddl import mysql_script
from app.db.prefix import with_prefix
from app.db.tables import Base
from app.errors import ConfigError
from app.install.migrate import migrate
from app.server.flask_app import create_app
from app.site import Site
from app.version import SCHEMA_VERSION
from tests.api.caller import API_KEY, Api, way_of
from tests.support.mariadb import MariaDB


def site_with(url: str, prefix: str) -> Site:
    values = {"DATABASE_URL": url, "API_KEY": API_KEY, "TABLE_PREFIX": prefix}
    return Site(from_values(values))


def api_with(url: str, prefix: str) -> Api:
    site = site_with(url, prefix)
    return Api(site, way_of("flask", site, create_app(site)))


def life(api: Api) -> None:
    """Every table is written and read."""
    api.register("job", max_running=5)
    task = api.create("job", {"n": 1})
    assert api.create("job", {"n": 1})["deduplicated"] is True
    assert api.claim("w1", claim_key="k")["id"] == task["id"]
    holder = {"worker_id": "w1", "attempt": 1}
    assert api.post(f"/tasks/{task['id']}/release", holder).status == 200
    assert api.claim("w1", claim_key="k2", again=True)["attempts"] == 2
    assert api.post("/workers/register", {"worker_id": "w1"}).status == 200
    api.make_due(task["id"])
    assert api.claim("w1")["attempts"] == 3
    assert api.post(f"/tasks/{task['id']}/fail", {"worker_id": "w1"}).status == 200
    assert len(api.history(task["id"])) == 7
    assert [each["id"] for each in api.get("/tasks", type="job").data["tasks"]] == [task["id"]]
    assert api.get("/workers").data["workers"][0]["id"] == "w1"
    assert api.get("/health").status == 200
    assert api.post(f"/tasks/{task['id']}/cancel").status == 200
    assert api.post(f"/tasks/{task['id']}/delete").status == 200


def test_two_queues_in_one_database(mariadb: MariaDB) -> None:
    url = mariadb.create_database("tm_prefix")
    mariadb.client("CREATE TABLE tasks (id INT)", "tm_prefix")
    for prefix in ("a_", "b_"):
        assert migrate(site_with(url, prefix).settings.database) == (0, SCHEMA_VERSION)
        assert migrate(site_with(url, prefix).settings.database) == (SCHEMA_VERSION,) * 2
    first, second = api_with(url, "a_"), api_with(url, "b_")
    second.register("kept")
    kept = second.create("kept")
    life(first)
    assert second.task(kept["id"])["status"] == "pending"
    assert mariadb.client("SELECT COUNT(*) FROM b_tasks", "tm_prefix") == "1\n"
    assert mariadb.client("SELECT COUNT(*) FROM a_tasks", "tm_prefix") == "0\n"
    assert second.claim("w1")["id"] == kept["id"]


def test_the_script_with_a_prefix_makes_the_same(mariadb: MariaDB) -> None:
    mariadb.create_database("tm_prefix")
    mariadb.client(mysql_script("x_"), "tm_prefix")
    tables = mariadb.client("SHOW TABLES", "tm_prefix").split()
    assert sorted(tables) == [f"x_{name}" for name in sorted(Base.metadata.tables)]


@pytest.mark.parametrize("prefix", ["tm-", "a b", "`", "x" * 17, "ü", 5])
def test_a_prefix_that_cannot_be(prefix: object) -> None:
    values = {"DATABASE_URL": "mysql://u:p@h/d", "TABLE_PREFIX": prefix}
    with pytest.raises(ConfigError, match="TABLE_PREFIX must be up to 16 letters, digits and _"):
        from_values(values)


def test_a_sqlite_queue_needs_none() -> None:
    with pytest.raises(ConfigError, match="TABLE_PREFIX is for MySQL and MariaDB"):
        from_values({"DATABASE_URL": "sqlite:////tmp/q.sqlite3", "TABLE_PREFIX": "tm_"})


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT tasks.id FROM tasks", "SELECT p_tasks.id FROM p_tasks"),
        ("FORCE INDEX (tasks_claim)", "FORCE INDEX (tasks_claim)"),
        ("SET task_types_json = :task_types", "SET task_types_json = :task_types"),
        ("INSERT INTO task_history (id)", "INSERT INTO p_task_history (id)"),
        ("`workers`, settings", "`p_workers`, p_settings"),
    ],
)
def test_only_tables_get_it(sql: str, expected: str) -> None:
    assert with_prefix(sql, "p_") == expected
    assert with_prefix(sql, "") == sql
