"""Wrong keys are slowed down per address; the right one is always taken."""

from __future__ import annotations

import pytest

from app.api.dispatch import handle
from app.api.request import Request
from app.api.response import Response
from app.errors import DatabaseUnavailable
from app.queue import period_counts, wrong_keys
from tests.api.caller import API_KEY, Api

NOON = 1_800_000_000 - 1_800_000_000 % 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, to be set by the test: the middle of a minute to begin with."""
    now = [NOON + 30.0]
    monkeypatch.setattr(period_counts.time, "time", lambda: now[0])
    return now


def call(api: Api, key: str, address: str = "192.0.2.1") -> Response:
    return handle(Request("GET", "/task-types", {}, {"x-api-key": key}, b"", address), api.site)


def codes(api: Api, count: int, address: str = "192.0.2.1") -> list[str]:
    return [call(api, f"wrong-{n}", address).payload["code"] for n in range(count)]


def rows(api: Api) -> dict[str, str]:
    found = api.sql("SELECT name, value FROM settings WHERE name LIKE 'wrong-keys.%'")
    return {row["name"]: row["value"] for row in found}


def test_the_eleventh_within_a_minute_is_429(
    api: Api, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert codes(api, 14) == ["unauthorized"] * 10 + ["rate_limited"] * 4
    refused = call(api, "wrong")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "30"
    assert "wait 30 seconds" in refused.payload["error"]
    assert capsys.readouterr().err.count("192.0.2.1") == 1


def test_a_second_is_one_second(api: Api, clock: list[float]) -> None:
    clock[0] = NOON + 59.5
    codes(api, 11)
    assert "wait 1 second," in call(api, "wrong").payload["error"]


def test_the_right_key_always_passes(api: Api, clock: list[float]) -> None:
    codes(api, 12)
    assert call(api, API_KEY).status == 200


def test_other_addresses_are_not_slowed_down(api: Api, clock: list[float]) -> None:
    codes(api, 12)
    assert codes(api, 1, "198.51.100.7") == ["unauthorized"]


def test_a_network_of_version_6_counts_as_one_address(api: Api, clock: list[float]) -> None:
    told = [codes(api, 1, f"2001:db8:0:1::{n:x}")[0] for n in range(12)]
    assert told == ["unauthorized"] * 10 + ["rate_limited"] * 2
    assert codes(api, 1, "2001:db8:0:2::1") == ["unauthorized"]
    assert codes(api, 1, "::ffff:192.0.2.9") == ["unauthorized"]


def test_a_missing_key_is_no_wrong_one(api: Api, clock: list[float]) -> None:
    assert {call(api, "").payload["code"] for _ in range(15)} == {"unauthorized"}
    assert rows(api) == {}


def test_the_next_minute_begins_at_nothing(api: Api, clock: list[float]) -> None:
    codes(api, 12)
    clock[0] += 60
    assert codes(api, 1) == ["unauthorized"]
    assert list(rows(api).values()) == ["1"]


def test_a_clock_that_was_ahead_leaves_nothing(api: Api, clock: list[float]) -> None:
    clock[0] += 6000
    codes(api, 1)
    clock[0] -= 6000
    codes(api, 1)
    assert len(rows(api)) == 1
    assert api.sql("SELECT value FROM settings WHERE name = 'schema_version'")


def test_nothing_is_written_once_over_the_limit(api: Api, clock: list[float]) -> None:
    codes(api, 11)
    before = rows(api)
    codes(api, 5)
    assert rows(api) == before
    assert list(before.values()) == ["11"]
    assert "192.0.2.1" not in str(before)


def test_many_addresses_make_a_bounded_number_of_rows(
    api: Api, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_keys, "SLOTS", 4)
    for number in range(40):
        codes(api, 1, f"198.51.100.{number}")
    assert len(rows(api)) <= 4


def test_without_a_database_nothing_is_counted(
    api: Api, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(api.site.db, "run", away)
        assert set(codes(api, 15)) == {"unauthorized"}


@pytest.mark.parametrize("way", ["flask", "served"], indirect=True)
def test_the_address_is_the_servers_word_alone(api: Api, clock: list[float]) -> None:
    """Headers that name another are the caller's own invention."""
    told = []
    for number in range(12):
        forged = dict.fromkeys(("X-Forwarded-For", "X-Real-IP"), f"203.0.113.{number}")
        response = api.call("GET", "/task-types", headers={"X-API-Key": "wrong", **forged})
        told.append(response.status)
    assert told == [401] * 10 + [429] * 2
