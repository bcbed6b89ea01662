"""Making, listing, rotating and revoking keys."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.queue import api_keys
from tests.api.caller import Api
from tests.api.keys import WithKey, key_with


def make(api: Api, name: str = "one", **fields: Any) -> Any:
    response = api.post("/keys", {"name": name, "scopes": ["read"], **fields})
    assert response.status == 201, response
    return response.data


def status(api: Api, key: str) -> int:
    return int(WithKey(api, key).get("/tasks/1").status)


class TestMake:
    def test_one_that_says_nothing_else(self, api: Api) -> None:
        made = make(api)
        text = made.pop("key")
        assert text.startswith("tm_")
        assert text.startswith(made.pop("hint"))
        assert (made.pop("id"), made.pop("created_at")) > (0, "2026")
        nothing = dict.fromkeys(
            ("type_patterns", "expires_at", "last_used_at", "revoked_at", "previous_until")
        )
        assert made == {"name": "one", "scopes": ["read"], **nothing}
        assert status(api, text) == 404

    def test_everything_that_can_be_said(self, api: Api) -> None:
        made = make(
            api,
            scopes=["WORK", "produce", "work"],
            type_patterns=["mail.%", "ü"],
            expires_at="2099-12-31T12:00:00+02:00",
            prefix="sk_live_",
        )
        assert made["key"].startswith("sk_live_")
        assert made["scopes"] == ["produce", "work"]
        assert made["type_patterns"] == ["mail.%", "ü"]
        assert made["expires_at"] == "2099-12-31T10:00:00.000Z"

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"scopes": []}, "scopes must name at least one of read, produce, work, admin"),
            ({"scopes": ["write"]}, "must be one of read, produce, work, admin"),
            ({"type_patterns": []}, "leave it out for all task types"),
            ({"type_patterns": ["a", "mail.\\"]}, "type_patterns[1] must not end in a backslash"),
            ({"expires_at": "2020-01-01"}, "expires_at must be in the future"),
        ],
    )
    def test_what_is_refused(self, api: Api, fields: dict[str, Any], told: str) -> None:
        with api.unchanged():
            response = api.post("/keys", {"name": "one", "scopes": ["read"], **fields})
        assert response.code == "validation_failed"
        assert told in response.error

    def test_the_future_is_that_of_the_database(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever the web server's clock says, by which no key expires."""
        monkeypatch.setattr(time, "gmtime", lambda *_: time.struct_time((2100, *[1] * 8)))
        made = make(api, expires_at="2090-01-01")
        assert api.post(f"/keys/{made['id']}/rotate", {"expires_at": "2095-01-01"}).status == 200

    def test_a_name_that_is_in_use(self, api: Api) -> None:
        first = make(api)
        with api.unchanged():
            response = api.post("/keys", {"name": "one", "scopes": ["admin"]})
        assert (response.status, response.code) == (409, "conflict")
        assert f"'one' (#{first['id']})" in response.error
        api.post(f"/keys/{first['id']}/revoke")
        assert make(api)["id"] != first["id"]

    def test_an_admin_for_some_types_makes_none(self, api: Api) -> None:
        """It could make itself one for all types."""
        some = WithKey(api, key_with(api, ["admin"], ["mail.%"]))
        assert some.post("/keys", {"name": "x", "scopes": ["admin"]}).code == "forbidden"


class TestList:
    def test_it_has_no_keys_in_it(self, api: Api) -> None:
        made = [make(api, str(number)) for number in range(3)]
        response = api.get("/keys")
        assert [each["name"] for each in response.data["keys"]] == ["2", "1", "0"]
        assert response.data["next_before_id"] is None
        assert not any(each["key"] in str(response.json) for each in made)
        assert "hash" not in str(response.json)

    def test_by_page(self, api: Api) -> None:
        for number in range(5):
            make(api, str(number))
        names: list[str] = []
        query: dict[str, str] = {"limit": "2"}
        while True:
            page = api.get("/keys", **query).data
            names += [each["name"] for each in page["keys"]]
            if page["next_before_id"] is None:
                break
            query["before_id"] = str(page["next_before_id"])
        assert names == ["4", "3", "2", "1", "0"]

    def test_a_limit_that_is_too_high(self, api: Api) -> None:
        assert "limit was lowered from 500 to 100" in str(api.get("/keys", limit="500").json)


class TestRotate:
    def test_the_old_one_ends_at_once(self, api: Api) -> None:
        made = make(api, prefix="sk_live_", type_patterns=["a"])
        rotated = api.post(f"/keys/{made['id']}/rotate").data
        assert rotated["key"].startswith("sk_live_")
        assert rotated["hint"] != made["hint"]
        same = ("id", "name", "scopes", "type_patterns", "created_at", "expires_at")
        assert [rotated[name] for name in same] == [made[name] for name in same]
        assert rotated["previous_until"] is None
        assert (status(api, made["key"]), status(api, rotated["key"])) == (401, 404)

    def test_with_a_grace(self, api: Api) -> None:
        made = make(api)
        rotated = api.post(f"/keys/{made['id']}/rotate", {"grace": 60}).data
        assert rotated["previous_until"] is not None
        assert (status(api, made["key"]), status(api, rotated["key"])) == (404, 404)

    def test_a_new_end(self, api: Api) -> None:
        made = make(api, expires_at="2090-01-01")
        later = {"expires_at": "2099-01-01"}
        rotated = api.post(f"/keys/{made['id']}/rotate", later).data
        assert rotated["expires_at"] == "2099-01-01T00:00:00.000Z"

    def test_one_that_has_expired(self, api: Api) -> None:
        made = make(api, expires_at="2099-01-01")
        api.sql(f"UPDATE api_keys SET expires_at = {api.site.db.dialect.after('-1')}")
        with api.unchanged():
            refused = api.post(f"/keys/{made['id']}/rotate")
        assert refused.code == "conflict"
        assert "expires_at" in refused.error
        rotated = api.post(f"/keys/{made['id']}/rotate", {"expires_at": "2099-01-01"}).data
        assert status(api, rotated["key"]) == 404

    def test_one_that_was_revoked(self, api: Api) -> None:
        made = make(api)
        api.post(f"/keys/{made['id']}/revoke")
        with api.unchanged():
            response = api.post(f"/keys/{made['id']}/rotate", {"expires_at": "2099-01-01"})
        assert response.code == "conflict"
        assert "was revoked" in response.error

    def test_two_at_once(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second would end the key that the first has just shown."""
        made = make(api)
        find = api_keys.find

        def find_then_lose(site: Any, key_id: int) -> Any:
            row = find(site, key_id)
            monkeypatch.undo()
            api.post(f"/keys/{key_id}/rotate")
            return row

        monkeypatch.setattr(api_keys, "find", find_then_lose)
        response = api.post(f"/keys/{made['id']}/rotate")
        assert response.code == "conflict"
        assert "at this moment" in response.error


class TestRevoke:
    def test_old_and_new_end(self, api: Api) -> None:
        made = make(api)
        rotated = api.post(f"/keys/{made['id']}/rotate", {"grace": 60}).data
        revoked = api.post(f"/keys/{made['id']}/revoke").data
        assert revoked["revoked_at"] is not None
        assert (status(api, made["key"]), status(api, rotated["key"])) == (401, 401)

    def test_twice(self, api: Api) -> None:
        made = make(api)
        first = api.post(f"/keys/{made['id']}/revoke").data
        with api.unchanged():
            assert api.post(f"/keys/{made['id']}/revoke").data == first


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_key_that_is_not_there(api: Api, verb: str) -> None:
    response = api.post(f"/keys/999999999/{verb}")
    assert (response.status, response.code) == (404, "not_found")
    assert "GET /api/keys" in response.error
