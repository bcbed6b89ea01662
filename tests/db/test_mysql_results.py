"""Results as app.db.mysql_results reads them, held against PyMySQL's own reader."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from app.config import from_values
from app.db import mysql_results
from app.db.driver import COMMAND, pymysql
from app.db.mysql_session import open_session
from tests.support.mariadb import DatabaseServer

VALUES = {
    "numbers": "SELECT 0, -1, 18446744073709551615, 1.5, 1e300, CAST(2.50 AS DECIMAL(9,3)), TRUE",
    "nothing": "SELECT NULL AS a, '' AS b, NULL AS c",
    "texts": "SELECT 'żółć', '😀', 'a\\0b', _latin1 x'E9'",
    "bytes": "SELECT x'00FF', CAST('ż' AS BINARY), b'101'",
    "times": "SELECT CAST('2026-01-31 12:00:00.123' AS DATETIME(3)), TIMESTAMP('2026-01-31')",
    "dates": "SELECT DATE '2026-01-31', TIME '12:34:56', YEAR(NOW()) > 2000",
    "JSON": "SELECT JSON_OBJECT('a', 'ż')",
    "long names": f"SELECT 1 AS `{'ż' * 64}`, 2 AS `SELECT`",
    "no rows": "SELECT 1 AS a FROM (SELECT 1) AS one WHERE 1 = 0",
    "many rows": "SELECT seq, REPEAT('x', seq % 700) FROM seq_1_to_5000",
    "many columns": "SELECT " + ", ".join(f"{each} AS c{each}" for each in range(300)),
}
LENGTHS = (0, 1, 250, 251, 252, 65535, 65536, 65537, 16_000_000)


@pytest.fixture
def raw(mariadb: DatabaseServer) -> Iterator[Any]:
    url = from_values({"DATABASE_URL": mariadb.create_database("tm_results")}).database
    connection = open_session(url, 20).raw
    yield connection
    connection.close()


def results(raw: Any, statements: str) -> list[mysql_results.Result]:
    raw._execute_command(COMMAND.COM_QUERY, statements)
    return mysql_results.read_results(raw)


def by_pymysql(raw: Any, statement: str) -> list[dict[str, Any]]:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_those_of_pymysql(raw: Any, kind: str) -> None:
    expected = by_pymysql(raw, VALUES[kind])
    for _ in range(2):  # the second time the columns are known
        found = results(raw, VALUES[kind])
        assert [each.rows for each in found] == [expected]
        types = [[type(value) for value in row.values()] for row in expected]
        assert [[type(value) for value in row.values()] for row in found[0].rows] == types


@pytest.mark.parametrize("length", LENGTHS)
def test_texts_of_every_length(raw: Any, length: int) -> None:
    found = results(raw, f"SELECT REPEAT('x', {length}) AS text, 7 AS behind")
    assert found[0].rows == [{"text": "x" * length, "behind": 7}]


@pytest.mark.parametrize("length", [0xFFFFFF - 4, 0xFFFFFF, 20_000_000])
def test_rows_that_come_in_parts(raw: Any, length: int) -> None:
    half = length // 2
    found = results(
        raw, f"SELECT REPEAT('x', {half}) AS a, REPEAT('y', {length - half}) AS b; SELECT 1 AS c"
    )
    assert found[0].rows == [{"a": "x" * half, "b": "y" * (length - half)}]
    assert found[1].rows == [{"c": 1}]


def test_what_statements_changed_comes_in_their_order(raw: Any) -> None:
    found = results(
        raw,
        "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT);"
        "INSERT INTO t (id, n) VALUES (5000000000, 1), (5000000001, 2), (5000000002, 2);"
        "UPDATE t SET n = 2; SELECT n FROM t WHERE id = 5000000000; DELETE FROM t; COMMIT",
    )
    assert [each.changed for each in found] == [0, 3, 3, 0, 3, 0]
    assert found[1].last_id == 5000000002
    assert [len(each.rows) for each in found] == [0, 0, 0, 1, 0, 0]


def test_an_error_is_raised_and_the_connection_goes_on(raw: Any) -> None:
    with pytest.raises(pymysql.ProgrammingError) as caught:
        results(raw, "SELECT 1; SELECT * FROM missing; SELECT 2")
    assert caught.value.args[0] == 1146
    with pytest.raises(pymysql.IntegrityError):
        results(raw, "CREATE TABLE u (id INT PRIMARY KEY); INSERT INTO u VALUES (1), (1)")
    raw.rollback()
    assert results(raw, "SELECT 3 AS three")[0].rows == [{"three": 3}]
    assert by_pymysql(raw, "SELECT 4 AS four") == [{"four": 4}]


def test_an_error_between_rows_is_raised(raw: Any) -> None:
    # The second row of the subquery is found when the first row of the result was sent.
    with pytest.raises(pymysql.OperationalError) as caught:
        results(
            raw,
            "SELECT (SELECT seq FROM seq_1_to_2 WHERE seq <= outside.seq) AS inner_one "
            "FROM seq_1_to_3 AS outside",
        )
    assert caught.value.args[0] == 1242
    assert results(raw, "SELECT 3 AS three")[0].rows == [{"three": 3}]


class Wire:
    """PyMySQL's connection as far as results are read from it; a test plays the server."""

    decoders: dict[int, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        ours, self.server = socket.socketpair()
        ours.settimeout(0.2)
        self._rfile = ours.makefile("rb")
        self.is_closed = False

    def _force_close(self) -> None:
        self.is_closed = True


def packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        (b"", pymysql.OperationalError, "Lost connection"),
        (packet(1, b"\x01")[:3], pymysql.OperationalError, "Lost connection"),
        (packet(1, b"\x01"), pymysql.OperationalError, "Lost connection"),
        (packet(0, b"\xff\x35\x04"), pymysql.OperationalError, "Lost connection"),
        (packet(2, b"\x00\x00\x00\x02\x00\x00\x00"), pymysql.InternalError, "packet 2"),
        (packet(1, b"\xfb/etc/passwd"), pymysql.InternalError, "asked for a file"),
    ],
    ids=["nothing", "half a header", "no columns", "its end", "another number", "a file"],
)
@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_connection_that_breaks(
    sent: bytes, kind: type[Exception], words: str, hangs_up: bool
) -> None:
    wire = Wire()
    wire.server.sendall(sent)
    if hangs_up:
        wire.server.close()
    with pytest.raises(kind, match=words):
        mysql_results.read_results(wire)
    assert wire.is_closed
