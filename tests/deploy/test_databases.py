"""Databases that refuse the installer, each for a reason of its own: a real server, a sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pymysql
import pytest

from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount, lines, mysql
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST, wait_until

NAME = "tm_refusing"
ELSEWHERE = "203.0.113.9"  # an address that nobody has


@pytest.fixture(scope="module")
def refusing() -> Iterator[MariaDB]:
    """A server of these tests alone. It says that it is older than it is."""
    database_server = MariaDB("--version=5.5.68-MariaDB", "--max-user-connections=100")
    try:
        database_server.start()
        database_server.create_database(NAME)
        # With accounts for this address left, no address is ever refused as such.
        database_server.client(
            f"DELETE FROM mysql.global_priv WHERE user <> '{USER}' AND host <> 'localhost';"
            "FLUSH PRIVILEGES"
        )
        yield database_server
    finally:
        database_server.remove()


@pytest.fixture(scope="module")
def shared() -> Iterator[HostingAccount]:
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        yield account


@pytest.fixture
def account(shared: HostingAccount) -> Iterator[HostingAccount]:
    """One account for all: a database that refuses leaves nothing but what is the same for each."""
    yield shared
    assert not (shared.home / "config.py").exists()
    assert not (shared.web_folder / "index.cgi").exists()


def refusal(
    account: HostingAccount, mariadb: MariaDB, name: str, password: str = PASSWORD, **more: str
) -> str:
    """What the installer says of a database."""
    done = account.install(mysql(mariadb, name, **more), "--json", DEPLOY_DB_PASS=password)
    assert done.returncode == 4, done
    end = lines(done.stdout)[-1]
    assert (end["status"], end["step"]) == ("failed", "database")
    return str(end["error"])


@pytest.mark.parametrize(
    ("more", "password", "sentence"),
    [
        ({}, "wrong", "refuses this password for the user tm_tester"),
        ({"host": f"{HOST}:1"}, PASSWORD, "No database server answers at 127.0.0.1:1"),
        ({"name": "tm_missing"}, PASSWORD, "has no database tm_missing"),
        ({"name": "mysql"}, PASSWORD, "may not use the database mysql"),
    ],
)
def test_what_was_typed_is_wrong(
    account: HostingAccount, mariadb: MariaDB, more: dict[str, str], password: str, sentence: str
) -> None:
    mariadb.create_database("tm_unattended")
    said = refusal(account, mariadb, **{"name": "tm_unattended", "password": password, **more})
    assert sentence in said


def test_it_is_too_old(account: HostingAccount, refusing: MariaDB) -> None:
    said = refusal(account, refusing, NAME)
    assert "This is MariaDB 5.5.68" in said
    assert "the oldest that work are MySQL 5.7 and MariaDB 10.2" in said


def test_its_server_has_no_free_connection(account: HostingAccount, refusing: MariaDB) -> None:
    refusing.client("SET GLOBAL max_connections = 10")
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                hold(refusing, stack)
            said = refusal(account, refusing, NAME)
    finally:
        # The last place is kept for whoever may do everything.
        refusing.client("SET GLOBAL max_connections = 151")
    assert "The database server has no free connection" in said
    assert "(1040)" in said


def test_its_user_has_no_free_connection(account: HostingAccount, refusing: MariaDB) -> None:
    with limited(refusing, "MAX_USER_CONNECTIONS 1"), contextlib.ExitStack() as stack:
        hold(refusing, stack)
        said = refusal(account, refusing, NAME)
    assert "has used up what the host allows this user" in said
    assert "max_user_connections" in said
    assert "(1226)" in said


def test_its_users_have_no_free_connection(account: HostingAccount, refusing: MariaDB) -> None:
    refusing.client("SET GLOBAL max_user_connections = 1")
    try:
        with contextlib.ExitStack() as stack:
            hold(refusing, stack)
            said = refusal(account, refusing, NAME)
    finally:
        refusing.client("SET GLOBAL max_user_connections = 100")
    assert "as many connections as the server allows one user" in said
    assert "(1203)" in said


def test_its_user_may_ask_no_more_in_this_hour(account: HostingAccount, refusing: MariaDB) -> None:
    with limited(refusing, "MAX_CONNECTIONS_PER_HOUR 1"), contextlib.ExitStack() as stack:
        hold(refusing, stack)
        said = refusal(account, refusing, NAME)
    assert "has used up what the host allows this user" in said
    assert "max_connections_per_hour" in said


def test_it_lets_no_other_machine_in(account: HostingAccount, refusing: MariaDB) -> None:
    refusing.client(f"RENAME USER '{USER}'@'{HOST}' TO '{USER}'@'{ELSEWHERE}'")
    try:
        said = refusal(account, refusing, NAME)
    finally:
        refusing.client(f"RENAME USER '{USER}'@'{ELSEWHERE}' TO '{USER}'@'{HOST}'")
    assert "takes no connections from this web server" in said
    assert "(1130)" in said


@contextlib.contextmanager
def limited(refusing: MariaDB, limit: str) -> Iterator[None]:
    """The user may have only so much of something."""
    grant = f"GRANT USAGE ON *.* TO '{USER}'@'{HOST}' WITH"
    refusing.client(f"{grant} {limit}; FLUSH USER_RESOURCES")
    try:
        yield
    finally:
        refusing.client(f"{grant} {limit.split(maxsplit=1)[0]} 0; FLUSH USER_RESOURCES")


def hold(refusing: MariaDB, stack: contextlib.ExitStack) -> None:
    """Take a connection; the places of those that were closed come free only after a moment."""

    def is_held() -> bool:
        try:
            connection = pymysql.connect(
                host=HOST, port=refusing.port, user=USER, password=PASSWORD, ssl_disabled=True
            )
        except pymysql.MySQLError:
            return False
        stack.callback(connection.close)
        return True

    wait_until(is_held, 60, "a free connection")


class TestTablesOfAnotherProgram:
    """Tables named as ours, which are not ours."""

    @pytest.fixture
    def crowded(self, mariadb: MariaDB) -> str:
        mariadb.create_database("tm_crowded")
        mariadb.client(
            "CREATE TABLE tasks (id INT PRIMARY KEY, title VARCHAR(50), done BOOL);"
            "INSERT INTO tasks VALUES (1, 'of a shop', 0);"
            "CREATE TABLE settings (name VARCHAR(64), value VARCHAR(255));"
            "INSERT INTO settings VALUES ('theme', 'dark')",
            "tm_crowded",
        )
        return self.everything(mariadb)

    @staticmethod
    def everything(mariadb: MariaDB) -> str:
        tables = mariadb.client("SHOW TABLES", "tm_crowded").split()
        return "".join(
            table
            + mariadb.client(f"SHOW CREATE TABLE {table}; SELECT * FROM {table}", "tm_crowded")
            for table in sorted(tables)
            if not table.startswith("tm_")
        )

    def test_they_are_named_and_not_touched(
        self, account: HostingAccount, mariadb: MariaDB, crowded: str
    ) -> None:
        said = refusal(account, mariadb, "tm_crowded")
        assert "tables of another program: tasks" in said
        assert "table prefix" in said
        assert "Nothing was changed" in said
        assert self.everything(mariadb) == crowded
        assert mariadb.client("SHOW TABLES", "tm_crowded").split() == ["settings", "tasks"]

    @pytest.mark.parametrize("prefix", ["tm-", "a" * 17, "ü_", "tm_ ; DROP"])
    def test_a_prefix_that_cannot_be_one(
        self, account: HostingAccount, mariadb: MariaDB, crowded: str, prefix: str
    ) -> None:
        said = refusal(account, mariadb, "tm_crowded", prefix=prefix)
        assert "up to 16 letters, digits and underscores" in said
        assert self.everything(mariadb) == crowded

    def test_with_a_prefix_both_live_side_by_side(self, mariadb: MariaDB, crowded: str) -> None:
        with HostingAccount("cgi", "/queue") as account:
            account.upload_installer()
            account.upload(bundle())
            config = mysql(mariadb, "tm_crowded", prefix="tm_")
            done = account.install(config, "--json", DEPLOY_DB_PASS=PASSWORD)
            assert done.returncode == 0, done
            assert "TABLE_PREFIX = 'tm_'" in (account.home / "config.py").read_text("utf-8")
            task = {"type": "example.echo", "params": {"message": "hi"}}
            assert account.call("POST", "/tasks", task)[0] == 201
            assert account.call("GET", "/tasks")[1]["data"]["tasks"][0]["type"] == "example.echo"
            assert account.call("GET", "/workers")[1]["data"]["workers"] == []
            assert self.everything(mariadb) == crowded
            assert "tm_tasks" in mariadb.client("SHOW TABLES", "tm_crowded").split()
            # Its own tables are no other program's.
            again = account.install(config, "--json", DEPLOY_DB_PASS=PASSWORD)
            assert again.returncode == 0, again


@pytest.mark.parametrize("password", ["wrong", PASSWORD])
def test_localhost_says_what_was_tried(
    account: HostingAccount, mariadb: MariaDB, password: str
) -> None:
    """No server's socket is in a usual place here, and none listens on the usual port."""
    said = refusal(account, mariadb, "tm_unattended", password, host="localhost")
    assert "Tried: " in said
    assert "localhost:3306" in said
