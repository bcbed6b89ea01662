"""Access to the database: what errors mean, what is tried again, and who shares a connection."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.config import from_values
from app.db import Database, mysql
from app.db.connection import Connection
from app.errors import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    Duplicate,
    StatementTooLong,
    TryAgain,
)
from app.site import Site
from tests.support.mariadb import USER, DatabaseServer
from tests.support.net import free_port, wait_until
from tests.support.queue import register

if TYPE_CHECKING:
    from app.db.connection import Statement

Work = Callable[[Connection], Any]


def database(url: str) -> Database:
    return Database(from_values({"DATABASE_URL": url}).database)


def sql(statement: str, **values: Any) -> Work:
    return lambda connection: connection.query(statement, values)


def failure(url: str, work: Work) -> DatabaseError:
    """How a connection tells of what goes wrong, before anything is tried again."""
    connection = mysql.open_connection(from_values({"DATABASE_URL": url}).database, 20)
    try:
        with pytest.raises(DatabaseError) as caught:
            work(connection)
    finally:
        connection.close()
    return caught.value


def connecting(url: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        mysql.open_connection(from_values({"DATABASE_URL": url}).database, 20)
    return caught.value


def check_says(error: DatabaseError, kind: type[DatabaseError], number: str, words: str) -> None:
    assert type(error) is kind
    assert number in str(error)
    assert words in str(error)
    assert "p@ss/word#1" not in str(error)


def test_wrong_password(queue_url: str) -> None:
    wrong = queue_url.replace(f"{USER}:", f"{USER}:not-")
    check_says(connecting(wrong), DatabaseUnavailable, "1045", "refuses the user name or password")


def test_foreign_database(queue_url: str) -> None:
    foreign = queue_url.replace("/tm_queue", "/mysql")
    check_says(connecting(foreign), DatabaseUnavailable, "1044", "may not use this database")


def test_missing_database(queue_url: str) -> None:
    missing = queue_url.replace("/tm_queue", "/tm_missing")
    check_says(connecting(missing), DatabaseUnavailable, "1049", "does not exist")


def test_nobody_at_the_port(queue_url: str, mariadb: DatabaseServer) -> None:
    elsewhere = queue_url.replace(f":{mariadb.port}/", f":{free_port()}/")
    check_says(connecting(elsewhere), DatabaseUnavailable, "2003", "cannot be reached")


def test_no_such_socket(mariadb: DatabaseServer) -> None:
    elsewhere = mariadb.socket_url("tm_queue").replace("server.sock", "nothing.sock")
    check_says(connecting(elsewhere), DatabaseUnavailable, "200", "cannot be reached")


def test_unknown_host(queue_url: str) -> None:
    elsewhere = queue_url.replace("@127.0.0.1:", "@nowhere.invalid:")
    check_says(connecting(elsewhere), DatabaseUnavailable, "200", "cannot be reached")


def test_something_else_at_the_port(queue_url: str, mariadb: DatabaseServer) -> None:
    """A port that takes the connection and hangs up, as a proxy without a database behind does."""
    with hanging_up() as port:
        error = connecting(queue_url.replace(f":{mariadb.port}/", f":{port}/"))
    assert type(error) is ConnectionLost


@contextmanager
def hanging_up() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_missing_tables(mariadb: DatabaseServer) -> None:
    url = mariadb.create_database("tm_bare")
    error = failure(url, sql("SELECT * FROM tasks"))
    check_says(error, DatabaseUnavailable, "1146", "schema.sql")


def test_missing_column(queue_url: str) -> None:
    error = failure(queue_url, sql("SELECT flavour FROM tasks"))
    check_says(error, DatabaseUnavailable, "1054", "another version")


def test_duplicate(mariadb_site: Site, queue_url: str) -> None:
    register(mariadb_site, "same")
    again = (
        "INSERT INTO task_types (name, version, param_schema_json, is_active, is_paused, "
        "created_at, updated_at) VALUES ('same', '', '', 1, 0, NOW(), NOW())"
    )
    check_says(failure(queue_url, sql(again)), Duplicate, "1062", "same")


def test_wrong_sql_has_no_other_name(queue_url: str) -> None:
    check_says(failure(queue_url, sql("SELEC 1")), DatabaseError, "1064", "syntax")


def test_read_only(mariadb: DatabaseServer, queue_url: str) -> None:
    mariadb.client("SET GLOBAL read_only = 1")
    try:
        error = failure(queue_url, sql("DELETE FROM task_history"))
    finally:
        mariadb.client("SET GLOBAL read_only = 0")
    check_says(error, DatabaseUnavailable, "1290", "read-only")


def test_too_large(mariadb: DatabaseServer, queue_url: str) -> None:
    before = mariadb.client("SELECT @@GLOBAL.max_allowed_packet").strip()
    mariadb.client("SET GLOBAL max_allowed_packet = 65536")
    try:
        error = failure(queue_url, sql("SELECT LENGTH(:text) AS length", text="x" * 200_000))
    finally:
        mariadb.client(f"SET GLOBAL max_allowed_packet = {before}")
    check_says(error, StatementTooLong, "1153", "max_allowed_packet")


LOCK_WAIT: Statement = ("SET SESSION innodb_lock_wait_timeout = 1", {})


@pytest.fixture
def two_types(mariadb_site: Site) -> list[int]:
    return [register(mariadb_site, name) for name in ("first", "second")]


def touch(type_id: int) -> Statement:
    return ("UPDATE task_types SET description = 'x' WHERE id = :id", {"id": type_id})


def lock_at_once(type_id: int) -> Statement:
    return ("SELECT id FROM task_types WHERE id = :id FOR UPDATE NOWAIT", {"id": type_id})


@contextmanager
def holding(url: str, type_id: int) -> Iterator[Connection]:
    """Another connection that keeps a row locked."""
    other = mysql.open_connection(from_values({"DATABASE_URL": url}).database, 20)
    try:
        other.begin([touch(type_id)])
        yield other
    finally:
        other.rollback()
        other.close()


def test_lock_wait(queue_url: str, two_types: list[int]) -> None:
    with holding(queue_url, two_types[0]):
        error = failure(queue_url, lambda c: c.send([LOCK_WAIT, touch(two_types[0])]))
    check_says(error, TryAgain, "1205", "Lock wait timeout")


def test_deadlock(queue_url: str, two_types: list[int]) -> None:
    """Two transactions that each want the row of the other: the database picks one to fail."""
    first, second = two_types
    errors: list[DatabaseError] = []
    barrier = threading.Barrier(2)

    def cross(mine: int, theirs: int) -> None:
        with holding(queue_url, mine) as connection:
            barrier.wait()
            try:
                connection.send([touch(theirs)])
            except DatabaseError as error:
                errors.append(error)

    run_together([lambda: cross(first, second), lambda: cross(second, first)])
    (error,) = errors
    check_says(error, TryAgain, "1213", "Deadlock")


def run_together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_killed_connection(mariadb: DatabaseServer, queue_url: str) -> None:
    def work(connection: Connection) -> None:
        mariadb.client(f"KILL {own_id(connection)}")
        connection.query("SELECT 1", {})

    assert type(failure(queue_url, work)) is ConnectionLost


@pytest.mark.parametrize("how", ["KILL CONNECTION", "KILL QUERY"])
def test_a_statement_killed_while_it_runs(
    mariadb: DatabaseServer, queue_url: str, how: str
) -> None:
    """Hosts have watchdogs for long statements; the call may be tried again."""

    def work(connection: Connection) -> None:
        number = own_id(connection)

        def kill() -> None:
            busy = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number} AND"
            wait_until(
                lambda: mariadb.client(f"{busy} info LIKE '%SLEEP%'").strip() == "1",
                30,
                "the statement to run",
            )
            mariadb.client(f"{how} {number}")

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            connection.query("SELECT * FROM settings WHERE SLEEP(30) = 0", {})
        finally:
            thread.join()

    assert type(failure(queue_url, work)) in (ConnectionLost, TryAgain)


def test_a_statement_that_takes_longer_than_the_host_allows(
    mariadb: DatabaseServer, queue_url: str
) -> None:
    setting, number = (
        ("max_statement_time = 0.1", "1969")  # in seconds
        if mariadb.client("SHOW VARIABLES LIKE 'max_statement_time'")
        else ("max_execution_time = 100", "3024")  # MySQL's, in milliseconds
    )
    limited: Statement = (f"SET SESSION {setting}", {})
    # SLEEP would only wake up earlier on MySQL.
    slow: Statement = ("SELECT BENCHMARK(1000000000, SHA2('slow', 512)) FROM settings", {})
    error = failure(queue_url, lambda connection: connection.send([limited, slow]))
    assert number in str(error)
    assert type(error) in (TryAgain, DatabaseUnavailable)


def own_id(connection: Connection) -> int:
    return int(connection.query("SELECT CONNECTION_ID() AS id", {})[0]["id"])


def test_a_unit_of_work_is_repeated_after_a_deadlock(
    mariadb_site: Site, queue_url: str, two_types: list[int]
) -> None:
    """Both of two units that deadlock come to their end, whichever the database has picked."""
    first, second = two_types
    tries: list[str] = []
    barrier = threading.Barrier(2)

    def cross(name: str, mine: int, theirs: int) -> None:
        def work(connection: Connection) -> None:
            is_first_try = name not in tries
            tries.append(name)
            connection.begin([touch(mine)])
            if is_first_try:
                barrier.wait()
            connection.commit([describe(theirs, name)])

        mariadb_site.db.run(work)

    run_together([lambda: cross("a", first, second), lambda: cross("b", second, first)])
    assert len(tries) == 3
    rows = mariadb_site.db.run(sql("SELECT id, description FROM task_types"))
    found = {row["id"]: row["description"] for row in rows}
    # Each touches the other's row after its own; the repeated one came second.
    assert sorted(found.values()) in (["a", "x"], ["b", "x"])


def describe(type_id: int, text: str) -> Statement:
    return (
        "UPDATE task_types SET description = :text WHERE id = :id",
        {"id": type_id, "text": text},
    )


def test_a_unit_of_work_that_never_gets_through(
    mariadb_site: Site, queue_url: str, two_types: list[int]
) -> None:
    """Rolled back each time, then told as busy; the connection is good for the next."""
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(own_id(connection))
        connection.begin([describe(two_types[1], "z")])
        # Waiting is refused at once, with 1205 as after a wait, or with MySQL's 3572.
        connection.commit([lock_at_once(two_types[0])])

    mariadb_site.db.seconds = 6
    began = time.monotonic()
    with holding(queue_url, two_types[0]), pytest.raises(DatabaseBusy):
        mariadb_site.db.run(work)
    assert time.monotonic() - began < 6
    assert len(tries) > 2
    assert len(set(tries)) == 1
    rows = mariadb_site.db.run(
        sql("SELECT description FROM task_types WHERE id = :i", i=two_types[1])
    )
    assert rows == [{"description": None}]


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_lost_connection(mariadb: DatabaseServer, mariadb_site: Site, repeatable: bool) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> str:
        tries.append(own_id(connection))
        if len(tries) == 1:
            mariadb.client(f"KILL {tries[0]}")
        connection.query("SELECT 1", {})
        return "done"

    if repeatable:
        assert mariadb_site.db.run(work) == "done"
        assert len(set(tries)) == len(tries) == 2
    else:
        with pytest.raises(ConnectionLost):
            mariadb_site.db.run(work, repeatable=False)
        assert len(tries) == 1
    assert mariadb_site.db.run(sql("SELECT 7 AS n")) == [{"n": 7}]


def test_a_connection_lost_again_and_again(mariadb: DatabaseServer, mariadb_site: Site) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(own_id(connection))
        mariadb.client(f"KILL {tries[-1]}")
        connection.query("SELECT 1", {})

    with pytest.raises(ConnectionLost):
        mariadb_site.db.run(work)
    assert len(tries) == 2


def test_an_error_leaves_nothing_open(site: Site) -> None:
    """What a unit of work began and did not end is undone, and the connection is used again."""
    type_id = register(site, "kept")

    def work(connection: Connection) -> None:
        connection.begin([describe(type_id, "never seen")])
        raise RuntimeError("a mistake in the program")

    with pytest.raises(RuntimeError):
        site.db.run(work)
    assert site.db.run(sql("SELECT description FROM task_types")) == [{"description": None}]
    register(site, "another")


def test_one_connection_serves_call_after_call(mariadb_site: Site) -> None:
    assert len({mariadb_site.db.run(own_id) for _ in range(20)}) == 1


def test_threads_share_a_database_and_no_connection(mariadb_site: Site) -> None:
    """Twelve threads at once: each unit of work has a connection to itself."""
    inside: list[int] = []
    clashes: list[int] = []
    lock = threading.Lock()

    def work(connection: Connection) -> None:
        number = own_id(connection)
        with lock:
            clashes.extend([number] if number in inside else [])
            inside.append(number)
        rows = connection.query("SELECT :n AS n, SLEEP(0.002) AS s", {"n": number})
        with lock:
            inside.remove(number)
        assert rows[0]["n"] == number

    def many() -> None:
        for _ in range(25):
            mariadb_site.db.run(work)
            done.append(1)

    done: list[int] = []
    run_together([many] * 12)
    assert len(done) == 12 * 25
    assert clashes == []


def test_threads_share_a_file(tmp_path: Any) -> None:
    site = Site(from_values({"DATABASE_URL": f"sqlite:///{tmp_path / 'queue.sqlite3'}"}))
    done: list[str] = []

    def many(name: str) -> None:
        for number in range(10):
            register(site, f"{name}-{number}")
            done.append(name)

    run_together([lambda name=name: many(name) for name in "abcdefgh"])  # type: ignore[misc]
    assert len(done) == 80
    assert site.db.run(sql("SELECT COUNT(*) AS n FROM task_types")) == [{"n": 80}]
    site.db.close()


def in_child(work: Callable[[], str]) -> str:
    """What the work returns in a forked child of this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            outcome = work()
        except BaseException as error:
            outcome = repr(error)
        os.write(writer, outcome.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        outcome = stream.read().decode()
    os.waitpid(child, 0)
    return outcome


def test_forked_processes_share_no_connection(mariadb_site: Site) -> None:
    own = mariadb_site.db.run(own_id)
    childs = [in_child(lambda: str(mariadb_site.db.run(own_id))) for _ in range(3)]
    assert all(each.isdigit() for each in childs), childs
    assert len({str(own), *childs}) == 4
    # The child's end did not close the parent's.
    assert mariadb_site.db.run(own_id) == own


def test_forked_processes_share_a_file(tmp_path: Any) -> None:
    site = Site(from_values({"DATABASE_URL": f"sqlite:///{tmp_path / 'queue.sqlite3'}"}))
    register(site, "parent")
    for number in range(3):
        name = f"child-{number}"
        assert in_child(lambda name=name: str(register(site, name))).isdigit()  # type: ignore[misc]
        register(site, f"parent-{number}")
    names = [row["name"] for row in site.db.run(sql("SELECT name FROM task_types ORDER BY id"))]
    assert names == [
        "parent",
        *(f"{who}-{number}" for number in range(3) for who in ("child", "parent")),
    ]
    site.db.close()


def test_values_are_values(site: Site) -> None:
    """Nothing in a value is taken for SQL, for a parameter or for a format."""
    hostile = "a'b\"c\\d%s%%:name;-- \n\x00 \u2028 \U0001f600 {x} `"
    rows = site.db.run(sql("SELECT :text AS text, :name AS name", text=hostile, name="n:text"))
    assert rows == [{"text": hostile, "name": "n:text"}]
