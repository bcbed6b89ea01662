"""The database's address: every form that people write, and what is said about the wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy

from app.config import from_values
from app.db.orm import engine_options
from app.db.url import DatabaseUrl, from_parts, parse
from app.errors import ConfigError
from app.site import Site
from tests.support.mariadb import DatabaseServer
from tests.support.queue import site_at

BASE = "/srv/queue"

MYSQL: dict[str, dict[str, Any]] = {
    "mysql+pymysql://user:password@db.example:3307/name?charset=utf8mb4": {
        "host": "db.example",
        "port": 3307,
        "user": "user",
        "password": "password",
        "database": "name",
    },
    "mysql://u:p@localhost/name": {"host": "localhost", "port": 3306, "database": "name"},
    "mariadb://u:p@localhost/name": {"host": "localhost", "database": "name"},
    "mariadb+pymysql://u:p@localhost/name": {"host": "localhost", "database": "name"},
    "MySQL://u:p@localhost/name": {"host": "localhost", "database": "name"},
    "mysql://u@localhost/name": {"user": "u", "password": ""},
    "mysql://localhost/name": {"user": "", "password": ""},
    "mysql://a%40b:p%40ss%2Fw%23o%25r%3Ad%3F@h/na%2Dme": {
        "user": "a@b",
        "password": "p@ss/w#o%r:d?",
        "database": "na-me",
    },
    "mysql://u:with+plus@h/n": {"password": "with+plus"},
    "mysql://u:p@ss@h/n": {"password": "p@ss", "host": "h"},
    "mysql://u:p%C3%A4%E2%82%AC@h/n": {"password": "pä€"},
    "mysql://u:p@[::1]:3307/n": {"host": "::1", "port": 3307},
    "mysql://u:p@[2001:db8::7]/n": {"host": "2001:db8::7", "port": 3306},
    "mysql://u:p@localhost/n?unix_socket=/run/mysqld/mysqld.sock": {
        "socket": "/run/mysqld/mysqld.sock",
        "host": "localhost",
        "database": "n",
    },
    "mysql+pymysql://u:p@/n?unix_socket=%2Ftmp%2Fmy%20sql.sock&charset=utf8mb4": {
        "socket": "/tmp/my sql.sock",
        "host": "localhost",
        "database": "n",
    },
    "mysql://u:p@h/n?ssl=true": {"tls": True},
    "mysql://u:p@h/n?ssl_ca=/etc/ssl/ca.pem": {"tls": True},
    "mysql://u:p@h/n?ssl=false": {"tls": False},
    "mysql://u:p@h/n?ssl_disabled=true": {"tls": False},
    "mysql://u:p@h/n": {"tls": False, "socket": ""},
}


@pytest.mark.parametrize("text", MYSQL)
def test_mysql(text: str) -> None:
    url = parse(text, BASE)
    assert url.engine == "mysql"
    assert {name: getattr(url, name) for name in MYSQL[text]} == MYSQL[text]


@pytest.mark.parametrize("text", MYSQL)
def test_sqlalchemy_reads_the_same(text: str) -> None:
    url = parse(text, BASE)
    theirs = sqlalchemy.make_url(url.for_sqlalchemy())
    assert theirs.drivername == "mysql+pymysql"
    assert (theirs.host, theirs.port) == (url.host, url.port)
    assert (theirs.username or "", theirs.password or "") == (url.user, url.password)
    assert theirs.database == url.database
    assert theirs.query.get("unix_socket", "") == url.socket


SQLITE = {
    "sqlite:////var/lib/queue.sqlite3": "/var/lib/queue.sqlite3",
    "sqlite:///data/queue.sqlite3": f"{BASE}/data/queue.sqlite3",
    "sqlite:///queue.sqlite3": f"{BASE}/queue.sqlite3",
    "sqlite+pysqlite:////q.sqlite3": "/q.sqlite3",
    "SQLITE:////q.sqlite3": "/q.sqlite3",
    "sqlite:////with space/q.sqlite3": "/with space/q.sqlite3",
    "sqlite:////with%20space/100%25.sqlite3": "/with space/100%.sqlite3",
    "sqlite:////q.sqlite3?timeout=5": "/q.sqlite3",
}


@pytest.mark.parametrize("text", SQLITE)
def test_sqlite(text: str) -> None:
    url = parse(text, BASE)
    assert (url.engine, url.path) == ("sqlite", SQLITE[text])
    assert sqlalchemy.make_url(url.for_sqlalchemy()).database == SQLITE[text]


PARTS: dict[str, dict[str, Any]] = {
    "localhost": {"host": "localhost", "port": 3306, "socket": ""},
    "db.example": {"host": "db.example", "port": 3306},
    "localhost:3307": {"host": "localhost", "port": 3307},
    "localhost:/run/mysqld/mysqld.sock": {"host": "localhost", "socket": "/run/mysqld/mysqld.sock"},
    ":/run/mysqld/mysqld.sock": {"host": "localhost", "socket": "/run/mysqld/mysqld.sock"},
    "::1": {"host": "::1", "port": 3306},
    "[::1]": {"host": "::1", "port": 3306},
    "[::1]:3307": {"host": "::1", "port": 3307},
}


@pytest.mark.parametrize("host", PARTS)
def test_parts_of_control_panels(host: str) -> None:
    url = from_parts(host, "na/me", "us@er", "p@ss/w#o%r:d")
    assert url.engine == "mysql"
    assert {name: getattr(url, name) for name in PARTS[host]} == PARTS[host]
    assert (url.database, url.user, url.password) == ("na/me", "us@er", "p@ss/w#o%r:d")
    theirs = sqlalchemy.make_url(url.for_sqlalchemy())
    assert (theirs.database, theirs.username, theirs.password) == (
        "na/me",
        "us@er",
        "p@ss/w#o%r:d",
    )


WRONG = {
    "postgresql://u:secret@h/n": "is not a database address that is understood",
    "queue.sqlite3": "is not a database address that is understood",
    "sqlite": "must name a file",
    "sqlite://": "must name a file",
    "sqlite:///": "must name a file",
    "sqlite:///:memory:": "must name a file",
    "mysql://u:secret@h": "names no database",
    "mysql://u:secret@h/": "names no database",
    "mysql://u:secret@h:port/n": "cannot be read",
    "mysql://u:secret@h:99999/n": "cannot be read",
    "mysql://u:sec#ret@h/n": "%23",
    "mysql://u:sec/ret@h/n": "cannot be read",
    "mysql://u:secret@h/n#x": "%23",
    "mysql://u:secret@[::1/n": "cannot be read",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_values({"DATABASE_URL": text})
    message = str(caught.value)
    assert message.startswith("DATABASE_URL ")
    assert WRONG[text] in message
    assert "sec" not in message, "it shows a part of the password"


def test_every_way_to_a_real_database(mariadb: DatabaseServer) -> None:
    """One database under one password with every difficult character, by TCP and by socket."""
    mariadb.create_database("tm_address")
    tcp = from_values({"DATABASE_URL": mariadb.url("tm_address")}).database
    for site in (
        site_at(mariadb.url("tm_address")),
        site_at(mariadb.url("tm_address").replace("mysql+pymysql://", "mysql://")),
        site_at(mariadb.socket_url("tm_address")),
        site_of_parts(f"127.0.0.1:{mariadb.port}", tcp),
        site_of_parts(f"localhost:{mariadb.socket}", tcp),
    ):
        row = site.db.run(lambda connection: connection.query("SELECT DATABASE() AS name", {}))
        assert row == [{"name": "tm_address"}]
        site.db.close()
        url = site.settings.database
        engine = sqlalchemy.create_engine(url.for_sqlalchemy(), **engine_options(url, 20))
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT DATABASE()")) == "tm_address"
        engine.dispose()


def site_of_parts(host: str, like: DatabaseUrl) -> Site:
    values = {
        "DB_HOST": host,
        "DB_NAME": like.database,
        "DB_USER": like.user,
        "DB_PASS": like.password,
    }
    return Site(from_values(values))
