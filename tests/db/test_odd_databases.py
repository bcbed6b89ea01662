"""Databases as hosts configure them: a task's whole life on each, lists and statistics included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.config import from_values
from app.db.mysql_session import local_sockets
from app.server.flask_app import create_app
from app.site import Site
from tests.api.caller import API_KEY, Api, way_of
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.programs import environment, run_flask

ODD = {
    "a socket only": ["--skip-networking"],
    "few rows a query": ["--max-join-size=100"],
    "rows limited": ["--init-connect=SET sql_select_limit=1, sql_safe_updates=1"],
    "a log of statements": ["--log-bin=log", "--binlog-format=STATEMENT", "--server-id=1"],
    "a log of rows": ["--log-bin=log", "--binlog-format=ROW", "--server-id=1"],
    "no autocommit": ["--autocommit=0"],
    "Latin-1": ["--character-set-server=latin1", "--collation-server=latin1_swedish_ci"],
    "Latin-1 by force": ["--character-set-server=latin1", "--skip-character-set-client-handshake"],
    "small packets": ["--max-allowed-packet=1M", "--net-buffer-length=16K"],
    "SQL as ANSI has it": [
        "--sql-mode=ANSI,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL"
        "_LENGTH,ONLY_FULL_GROUP_BY"
    ],
    "a lax mode": ["--sql-mode="],
    "serializable": ["--transaction-isolation=SERIALIZABLE"],
    "another time zone": ["--default-time-zone=-09:30"],
    "short waits": ["--wait-timeout=1", "--lock-wait-timeout=1", "--innodb-lock-wait-timeout=1"],
    "MyISAM by default": ["--default-storage-engine=MyISAM"],
}


@pytest.fixture(scope="module", params=ODD)
def odd(request: pytest.FixtureRequest) -> Iterator[MariaDB]:
    server = MariaDB(*ODD[request.param])
    try:
        server.start()
        yield server
    finally:
        server.remove()


def url_of(server: MariaDB, name: str) -> str:
    return server.socket_url(name) if server.is_local else server.url(name)


def test_the_life_of_a_task(odd: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    mariadb_with_tables(odd, "tm_odd")
    url = url_of(odd, "tm_odd")
    site = Site(from_values({"DATABASE_URL": url, "API_KEY": API_KEY}))
    api = Api(site, way_of("flask", site, create_app(site)))
    assert api.get("/health").status == 200
    api.register("job", {"type": "object"}, max_running=50, retry_delay=0)
    params = {"text": "żółć \U0001f40d ' \\ %", "n": 1}
    first = api.create("job", params, tags=["ä"])
    assert api.create("job", params)["deduplicated"] is True
    many = [{"type": "job", "params": {"n": each}} for each in range(300)]
    assert api.post("/tasks", {"tasks": many}).data["created"] == 300
    task = api.claim("w1", claim_key="k")
    assert (task["id"], task["params"]) == (first["id"], params)
    holder = {"worker_id": "w1", "attempt": 1}
    address = f"/tasks/{task['id']}"
    assert api.post(f"{address}/progress", {**holder, "progress": 5}).status == 200
    assert api.post(f"{address}/fail", {**holder, "error": "ß", "delay": 0}).data["will_retry"]
    assert api.claim("w1")["attempts"] == 2
    assert api.post(f"{address}/release", {"worker_id": "w1"}).status == 200
    tasks = api.claim("w1", limit=100)
    outcomes = [{"id": each["id"], "attempt": each["attempts"], "result": "é"} for each in tasks]
    settled = api.post("/tasks/settle", {"worker_id": "w1", "outcomes": outcomes}).data["settled"]
    assert {each.get("status") for each in settled} == {"completed"}
    assert len(api.get("/tasks", limit="100").data["tasks"]) == 100
    assert len(api.get("/tasks", type="job", status="completed").data["tasks"]) == 50
    assert [each["id"] for each in api.get("/tasks", tag="ä").data["tasks"]] == [first["id"]]
    assert len(api.history(first["id"])) == 7
    assert api.get("/workers").data["workers"][0]["done"] == 50
    assert api.get("/workers/w1/stats").data["done"] == 50
    api.make_due(api.claim("w2")["id"])
    assert api.claim("w3")["attempts"] == 2
    assert api.post(f"/tasks/{many_id(api)}/cancel").status == 200
    assert api.post(f"/tasks/{many_id(api, 'cancelled')}/delete").status == 200
    site.db.close()


def many_id(api: Api, status: str = "pending") -> int:
    return int(api.get("/tasks", status=status, limit="1").data["tasks"][0]["id"])


def test_commands(odd: MariaDB) -> None:
    odd.create_database("tm_made")
    for command in ("init-db", "upgrade-db"):
        done = run_flask(command, env=environment(url_of(odd, "tm_made")))
        assert done.returncode == 0, done.stderr


def test_localhost_is_the_socket_first(
    odd: MariaDB, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """As control panels make users: one that may log in from localhost, and nowhere else."""
    monkeypatch.setenv("MYSQL_UNIX_PORT", str(odd.socket))
    assert local_sockets()[0] == str(odd.socket)
    odd.create_database("tm_local")
    odd.client(
        "DROP USER IF EXISTS 'tm_panel'@'localhost';"
        f"CREATE USER 'tm_panel'@'localhost' IDENTIFIED BY '{PASSWORD}';"
        r"GRANT ALL ON `tm\_%`.* TO 'tm_panel'@'localhost';"
    )
    values = {"DB_HOST": "localhost", "DB_NAME": "tm_local", "DB_PASS": PASSWORD}
    for user in ("tm_panel", USER):
        site = Site(from_values({**values, "DB_USER": user}))
        rows = site.db.run(lambda c: c.query("SELECT SUBSTRING_INDEX(USER(), '@', 1) AS u", {}))
        assert rows == [{"u": user}]
        site.db.close()
