"""Each way to log in to a database, with the newest and the oldest PyMySQL, in a process that has
loaded nothing before: PyMySQL is loaded without the modules that only some of these ways need.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.mysql import MySQL
from tests.support.net import HOST, free_port
from tests.support.server import PROJECT

OLDEST = "1.0.2"  # 1.0.0 and 1.0.1 were withdrawn
SECONDS = 60

PROGRAM = """
import json, sys
from app.config import from_values
from app.db import mysql
from app.errors import DatabaseError

told = {"error": "", "user": "", "cipher": ""}
try:
    connection = mysql.open_connection(from_values({"DATABASE_URL": sys.argv[1]}).database, 20)
    told["user"] = connection.query("SELECT CURRENT_USER() AS name", {})[0]["name"]
    told["cipher"] = connection.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'", {})[0]["Value"]
    connection.close()
except DatabaseError as error:
    told["error"] = f"{type(error).__name__}: {error}"
told["modules"] = sorted(sys.modules)
told["driver"] = sys.modules["pymysql"].VERSION[:3]
print(json.dumps(told))
"""

ONLY_WHEN_NEEDED = {
    *("configparser", "cryptography", "decimal", "getpass", "traceback", "warnings"),
    *("_hashlib", "_ssl", "hashlib", "hmac", "selectors", "ssl", "encodings.idna"),
}


class Login(NamedTuple):
    """What came of it, and which modules of ONLY_WHEN_NEEDED were loaded for it."""

    user: str
    cipher: str
    error: str
    loaded: set[str]


@pytest.fixture(scope="module", params=["newest", "oldest"])
def packages(request: pytest.FixtureRequest) -> Path | None:
    """The folder with the driver, if it is not the tests' own."""
    return _installed(OLDEST) if request.param == "oldest" else None


def _installed(version: str) -> Path:
    folder = Path(sys.prefix) / f"pymysql-{version}"
    with open(f"{folder}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            command = [*pip, "--no-deps", "--target", str(folder), f"pymysql=={version}"]
            subprocess.run(command, check=True)
            (folder / ".complete").touch()
    return folder


def log_in(packages: Path | None, url: str) -> Login:
    path = [str(packages)] if packages else []
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url],
        cwd="/",
        env={**own, "PYTHONPATH": os.pathsep.join([*path, str(PROJECT)])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (".".join(map(str, told["driver"])) == OLDEST) == (packages is not None)
    loaded = ONLY_WHEN_NEEDED & set(told["modules"]) - _at_start()
    return Login(told["user"], told["cipher"], told["error"], loaded)


def _at_start() -> set[str]:
    """What this Python loads before any program."""
    program = "import sys, re, importlib; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())


@pytest.fixture(scope="module")
def mariadb_server() -> Iterator[MariaDB]:
    server = MariaDB()
    try:
        server.start()
        server.create_database("tm_login")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def mysql_server() -> Iterator[MySQL]:
    """With a certificate that it made itself."""
    server = MySQL()
    try:
        server.start()
        server.create_database("tm_login")
        yield server
    finally:
        server.remove()


def test_a_password_over_tcp(packages: Path | None, mariadb_server: MariaDB) -> None:
    found = log_in(packages, mariadb_server.url("tm_login"))
    assert found == Login(f"{USER}@{HOST}", "", "", set())


def test_a_password_over_a_socket(packages: Path | None, mariadb_server: MariaDB) -> None:
    found = log_in(packages, mariadb_server.socket_url("tm_login"))
    assert found == Login(f"{USER}@localhost", "", "", set())


def test_a_hosts_name(packages: Path | None, mariadb_server: MariaDB) -> None:
    url = mariadb_server.url("tm_login").replace(HOST, "localhost")
    assert log_in(packages, url).user.partition("@")[0] == USER


def test_a_user_who_is_not_named(packages: Path | None, mariadb_server: MariaDB) -> None:
    """It is the system's user, as for every client of MySQL."""
    url = f"mysql://{HOST}:{mariadb_server.port}/tm_login"
    found = log_in(packages, url)
    assert re.search(rf"\b{getpass.getuser()}\b", found.user or found.error)


def test_the_first_login_of_a_user_goes_over_tls(
    packages: Path | None, mysql_server: MySQL
) -> None:
    """caching_sha2_password asks for the password itself until the server has a hash of it."""
    mysql_server.client("FLUSH PRIVILEGES")
    first = log_in(packages, mysql_server.url("tm_login"))
    assert (first.user, first.error) == (f"{USER}@{HOST}", "")
    assert first.cipher
    assert "ssl" in first.loaded
    second = log_in(packages, mysql_server.url("tm_login"))
    assert second == Login(f"{USER}@{HOST}", "", "", set())


def test_tls_that_is_asked_for(packages: Path | None, mysql_server: MySQL) -> None:
    found = log_in(packages, mysql_server.url("tm_login") + "&ssl=true")
    assert (found.user, found.error) == (f"{USER}@{HOST}", "")
    assert found.cipher


def test_tls_that_is_not_there(packages: Path | None, mariadb_server: MariaDB) -> None:
    found = log_in(packages, mariadb_server.url("tm_login") + "&ssl=true")
    assert "the database offers no TLS, and DATABASE_URL insists on it" in found.error


def create_user(server: MySQL, name: str, how: str) -> None:
    """A user of ``tm_login``; ``how`` it logs in is SQL."""
    server.client(
        f"CREATE USER IF NOT EXISTS {name}@'{HOST}' {how};"
        f"GRANT ALL ON tm_login.* TO {name}@'{HOST}'"
    )


def test_tls_that_the_user_needs(packages: Path | None, mysql_server: MySQL) -> None:
    create_user(mysql_server, "tm_tls", "IDENTIFIED BY 'secret' REQUIRE SSL")
    found = log_in(packages, f"mysql://tm_tls:secret@{HOST}:{mysql_server.port}/tm_login")
    assert (found.user, found.error) == (f"tm_tls@{HOST}", "")
    assert found.cipher


def test_a_password_that_only_tls_may_carry(packages: Path | None, mysql_server: MySQL) -> None:
    create_user(mysql_server, "tm_sha256", "IDENTIFIED WITH sha256_password BY 'secret'")
    found = log_in(packages, f"mysql://tm_sha256:secret@{HOST}:{mysql_server.port}/tm_login")
    assert (found.user, found.error) == (f"tm_sha256@{HOST}", "")
    assert found.cipher


def test_no_password(packages: Path | None, mysql_server: MySQL) -> None:
    create_user(mysql_server, "tm_open", "IDENTIFIED BY ''")
    found = log_in(packages, f"mysql://tm_open@{HOST}:{mysql_server.port}/tm_login")
    assert found == Login(f"tm_open@{HOST}", "", "", set())


@pytest.mark.parametrize("kind", ["mariadb_server", "mysql_server"])
def test_a_wrong_password(packages: Path | None, kind: str, request: pytest.FixtureRequest) -> None:
    server: MariaDB = request.getfixturevalue(kind)
    found = log_in(packages, server.url("tm_login").replace(f"{USER}:", f"{USER}:not-"))
    assert found.error.startswith(
        "DatabaseUnavailable: the database refuses the user name or password (1045,"
    )
    assert PASSWORD not in found.error


def test_nobody_at_the_port(packages: Path | None) -> None:
    found = log_in(packages, f"mysql://u:p@{HOST}:{free_port()}/tm_login")
    assert found.error == (
        "DatabaseUnavailable: the database cannot be reached (2003, \"Can't connect to MySQL "
        f"server on '{HOST}' ([Errno 111] Connection refused)\")"
    )


def test_an_unknown_host(packages: Path | None) -> None:
    found = log_in(packages, "mysql://u:p@nowhere.invalid/tm_login")
    assert found.error.startswith(
        "DatabaseUnavailable: the database cannot be reached (2003, \"Can't connect to MySQL "
        "server on 'nowhere.invalid' ([Errno -"
    )


def test_a_host_with_letters_beyond_ascii(packages: Path | None) -> None:
    found = log_in(packages, "mysql://u:p@b%C3%BCcher.invalid/tm_login")
    assert "the database cannot be reached" in found.error
    assert "bücher.invalid" in found.error
