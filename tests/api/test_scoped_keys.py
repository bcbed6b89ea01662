"""Keys with scopes: which are taken, what is told about those that are not, and their last use."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any

import pytest

from app.api.dispatch import handle
from app.api.request import Request
from app.errors import ConnectionLost, DatabaseUnavailable
from app.queue import api_keys, key_lookup, period_counts, wrong_keys
from app.queue.api_keys import NewKey
from app.version import SCHEMA_VERSION
from tests.api.caller import API_KEY, Api
from tests.api.keys import headers_of, key_with


def status(api: Api, key: str) -> int:
    return api.call("GET", "/tasks/1", headers=headers_of(key)).status


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"any:{key}".encode()).decode()}


@pytest.mark.parametrize("prefix", ["tm_", "sk_live_"])
def test_each_way_to_send_one(api: Api, prefix: str) -> None:
    key = key_with(api, ["read"], prefix=prefix)
    assert key.startswith(prefix)
    for headers in (headers_of(key), {"Authorization": f"Bearer {key}"}, basic(key)):
        assert api.call("GET", "/task-types", headers=headers).status == 200
    # A host's own password for the folder comes beside it.
    both = {**headers_of(key), **basic("the password of the folder")}
    assert api.call("GET", "/task-types", headers=both).status == 200


def test_it_holds_256_random_bits_and_is_stored_as_a_hash(api: Api) -> None:
    keys = {key_with(api, ["read"]) for _ in range(20)}
    assert len(keys) == 20
    assert {len(key) for key in keys} == {len("tm_") + 43}
    stored = str(api.sql("SELECT * FROM api_keys"))
    assert not any(key in stored for key in keys)


@pytest.mark.parametrize("change", ["x", "", "cut", "case"])
def test_one_that_is_nearly_right(api: Api, change: str) -> None:
    key = key_with(api, ["admin"])
    wrong = {"x": key[:-1] + "!", "": key + "x", "cut": key[:-1], "case": key.swapcase()}[change]
    response = api.call("GET", "/task-types", headers=headers_of(wrong))
    assert response.code == "unauthorized"
    assert response.error == "The API key is not the right one"


def test_expired(api: Api) -> None:
    key = key_with(api, ["read"], name="web site", expires_at="2100-01-01 00:00:00.000")
    assert status(api, key) == 404
    api.sql(f"UPDATE api_keys SET expires_at = {api.site.db.dialect.after('-1')}")
    response = api.call("GET", "/tasks/1", headers=headers_of(key))
    assert response.code == "unauthorized"
    assert response.error.startswith("The API key 'web site' has expired")


def test_revoked(api: Api) -> None:
    key = key_with(api, ["read"], name="web site")
    (row,) = api_keys.list_all(api.site, 10)
    api_keys.revoke(api.site, row["id"])
    response = api.call("GET", "/tasks/1", headers=headers_of(key))
    assert response.code == "unauthorized"
    assert response.error.startswith("The API key 'web site' was revoked")


def test_rotated(api: Api) -> None:
    old = key_with(api, ["read"], name="web site")
    (row,) = api_keys.list_all(api.site, 10)
    new = api_keys.rotate(api.site, row["id"], grace=60).text
    assert (status(api, old), status(api, new)) == (404, 404)
    api.sql(f"UPDATE api_keys SET previous_until = {api.site.db.dialect.after('-1')}")
    response = api.call("GET", "/tasks/1", headers=headers_of(old))
    assert response.code == "unauthorized"
    assert response.error.startswith("The API key 'web site' was rotated")
    assert status(api, new) == 404


def test_rotated_without_a_grace(api: Api) -> None:
    old = key_with(api, ["read"])
    (row,) = api_keys.list_all(api.site, 10)
    new = api_keys.rotate(api.site, row["id"]).text
    assert (status(api, old), status(api, new)) == (401, 404)


def test_rotated_twice_within_a_grace(api: Api) -> None:
    first = key_with(api, ["read"])
    (row,) = api_keys.list_all(api.site, 10)
    second = api_keys.rotate(api.site, row["id"], grace=60).text
    third = api_keys.rotate(api.site, row["id"], grace=60).text
    assert [status(api, key) for key in (first, second, third)] == [401, 404, 404]


def test_wrong_ones_are_slowed_down_and_valid_ones_are_not(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(period_counts.time, "time", lambda: 1_800_000_030.0)
    key = key_with(api, ["read"])

    def call(sent: str) -> Any:
        request = Request("GET", "/task-types", {}, {"x-api-key": sent}, b"", "192.0.2.1")
        return handle(request, api.site).payload.get("code")

    wrong = "tm_" + "x" * 43
    assert [call(wrong) for _ in range(12)] == ["unauthorized"] * 10 + ["rate_limited"] * 2
    assert call(key) is None
    assert call(API_KEY) is None


def test_without_a_root_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site may have keys with scopes alone."""
    key = key_with(api, ["read"])
    monkeypatch.setattr(api.site.settings, "api_key", "")
    assert status(api, key) == 404
    assert "no API key yet" in api.call("GET", "/tasks", headers=headers_of("tm_")).error


class TestTheDatabase:
    def test_the_root_key_needs_no_look(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(key_lookup, "find", lambda *_: pytest.fail("it was looked up"))
        assert status(api, API_KEY) == 404

    def test_what_cannot_be_a_key_is_not_looked_up(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(key_lookup, "_send", lambda *_: pytest.fail("it was looked up"))
        monkeypatch.setattr(wrong_keys, "note", lambda *_: 0)
        for text in ("wrong", "tm_", "tm_" + "x" * 42, "sk_live_" + "x" * 44, "ß" * 46):
            assert status(api, text) == 401

    @pytest.mark.parametrize("error", [DatabaseUnavailable, ConnectionLost])
    def test_it_is_away(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        """A client must not take its key for wrong."""
        key = key_with(api, ["read"])

        def run(*_: Any, **__: Any) -> None:
            raise error("away")

        monkeypatch.setattr(api.site.db, "run", run)
        response = api.call("GET", "/tasks/1", headers=headers_of(key))
        assert (response.status, response.code) == (503, "database_unavailable")

    def test_the_tables_are_older(self, api: Api) -> None:
        key = key_with(api, ["read"])
        api.sql("ALTER TABLE api_keys RENAME TO not_yet")
        api.sql("UPDATE settings SET value = '3' WHERE name = 'schema_version'")
        try:
            response = api.call("GET", "/tasks/1", headers=headers_of(key))
        finally:
            api.sql(f"UPDATE settings SET value = '{SCHEMA_VERSION}' WHERE name = 'schema_version'")
            api.sql("ALTER TABLE not_yet RENAME TO api_keys")
        assert (response.status, response.code) == (503, "database_unavailable")
        assert "upgrade-db" in response.error


class TestLastUse:
    @staticmethod
    def last_used(api: Api) -> Any:
        return api.sql("SELECT last_used_at FROM api_keys")[0]["last_used_at"]

    def test_it_is_noted_once_a_minute(self, api: Api) -> None:
        key = key_with(api, ["read"])
        assert self.last_used(api) is None
        status(api, key)
        first = self.last_used(api)
        assert first is not None
        time.sleep(0.005)
        status(api, key)
        assert self.last_used(api) == first
        api.sql(f"UPDATE api_keys SET last_used_at = {api.site.db.dialect.after('-61')}")
        status(api, key)
        assert self.last_used(api) > first

    def test_trouble_with_it_does_not_fail_the_call(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = key_with(api, ["read"])

        def run_once(_: Any) -> None:
            raise DatabaseUnavailable("away")

        monkeypatch.setattr(api.site.db, "run_once", run_once)
        assert status(api, key) == 404
        assert self.last_used(api) is None


@pytest.mark.parametrize("prefix", ["tm_", "sk_live_"])
def test_a_hint_tells_keys_apart_and_opens_nothing(api: Api, prefix: str) -> None:
    made = api_keys.make(api.site, NewKey("one", ["read"], prefix=prefix))
    assert made.text.startswith(made.row["hint"])
    assert len(made.row["hint"]) == len(prefix) + 6
    assert status(api, made.row["hint"]) == 401
