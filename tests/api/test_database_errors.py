"""What a call answers when the database refuses: never an SQL text, and a log that tells why."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from app.db.mysql_errors import DEFECTS, LOST, SENTENCES, TRY_AGAIN, classify
from app.site import Site
from tests.api.caller import Api, way_of
from tests.support.server import PROJECT

NAMED = (1021, 1030, 1036, 1104, 1114, 1129, 1130, 1135, 1142, 1180, 1206, 1665, 1698, 1792, 1836)
NAMED_LATER = (4151,)
UNHEARD_OF = (1999, 3999, 4999, 9999)


@pytest.fixture
def api(mariadb_app: Flask, way: str) -> Api:
    site: Site = mariadb_app.extensions["taskmanager"]
    api = Api(site, way_of(way, site, mariadb_app))
    api.clear()
    return api


@pytest.fixture(params=[*NAMED, *NAMED_LATER, *UNHEARD_OF])
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class Refusing:
    """A trigger answers each new task with the error of this number."""

    def __init__(self, api: Api, number: int) -> None:
        self._api = api
        self._signal = (
            "CREATE TRIGGER refusing BEFORE INSERT ON tasks FOR EACH ROW SIGNAL SQLSTATE 'HY000' "
            f"SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'in the words of the server'"
        )

    def __enter__(self) -> None:
        self._api.sql(self._signal)

    def __exit__(self, *_: object) -> None:
        self._api.sql("DROP TRIGGER refusing")


def test_a_refusal_is_told_in_the_log(
    api: Api, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    api.register("job")
    with Refusing(api, number):
        response = api.post("/tasks", {"type": "job", "params": {}})
    assert (response.status, response.code) == (503, "database_unavailable")
    assert response.headers["Retry-After"] == "2"
    assert "words of the server" not in str(response.json)
    log = capfd.readouterr().err
    assert str(number) in log
    assert "in the words of the server" in log
    assert "Traceback" not in log
    if number in (*NAMED, *NAMED_LATER):
        assert SENTENCES[number] in log
    assert api.sql("SELECT COUNT(*) AS total FROM tasks") == [{"total": 0}]


@pytest.mark.parametrize("number", sorted(DEFECTS))
def test_a_defect_leaves_a_traceback(
    api: Api, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    api.register("job")
    with Refusing(api, number):
        response = api.post("/tasks", {"type": "job", "params": {}})
    assert (response.status, response.code) == (500, "internal")
    assert response.headers["Retry-After"] == "2"
    assert "words of the server" not in str(response.json)
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("number", sorted(TRY_AGAIN))
def test_what_may_be_tried_again_is(api: Api, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.db, "seconds", 1.5)
    api.register("job")
    with Refusing(api, number):
        response = api.post("/tasks", {"type": "job", "params": {}})
    assert (response.status, response.code) == (503, "busy")
    assert response.headers["Retry-After"] == "2"


def test_hosting_md_has_every_number_that_has_a_sentence() -> None:
    text = (PROJECT / "docs" / "hosting.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d{4}(?:, \d{4})*) \|", text, re.MULTILINE)
    listed = [int(number) for row in rows for number in row.split(", ")]
    assert sorted(listed) == sorted(SENTENCES)


def test_every_number_has_one_meaning() -> None:
    assert not set(SENTENCES) & (TRY_AGAIN | LOST | DEFECTS)
    for number in (*SENTENCES, *TRY_AGAIN, *LOST, *DEFECTS):
        assert str(classify(Exception(number, "text")))


def test_health_tries_what_calls_need(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    api.sql(
        "CREATE TRIGGER full BEFORE INSERT ON settings FOR EACH ROW SIGNAL SQLSTATE 'HY000' "
        "SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'"
    )
    try:
        response = api.get("/health")
    finally:
        api.sql("DROP TRIGGER full")
    assert (response.status, response.json["status"]) == (503, "unhealthy")
    assert SENTENCES[1114] in capfd.readouterr().err
    with api.unchanged():
        assert api.get("/health").status == 200
