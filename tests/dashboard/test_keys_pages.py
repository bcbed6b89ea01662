"""The pages about API keys."""

from __future__ import annotations

from app.queue.key_lookup import PREFIXES
from tests.api.caller import Api
from tests.dashboard.visitor import PageSeen, Visitor

PRODUCER = [
    ("name", "shop"),
    ("scopes", "produce"),
    ("scopes", "read"),
    ("type_patterns", "shop.%"),
]


def text_of(page: PageSeen) -> str:
    return page.select("#key").text


def test_a_key_is_made_and_shown_once(api: Api, admin: Visitor) -> None:
    page = admin.post("/keys", PRODUCER)
    assert page.status == 200
    key = text_of(page)
    assert key.startswith(PREFIXES[0])
    assert api.call("GET", "/tasks", headers={"X-API-Key": key}).status == 200
    listed = admin.get("/keys")
    assert key not in listed.text
    assert "read, produce" in listed.text
    assert listed.all("td .tag") == ["shop.%"]


def test_errors_stand_at_their_fields_and_nothing_is_lost(admin: Visitor) -> None:
    page = admin.post("/keys", [("name", "x" * 101), ("expires_at", "soon")])
    assert page.status == 400
    assert "100" in page.select("#name-note").text
    assert "must be a time like" in page.select("#expires_at-note").text
    assert page.select("#name")["value"] == "x" * 101


def test_a_key_for_nothing_is_refused(admin: Visitor) -> None:
    page = admin.post("/keys", [("name", "useless")])
    assert "must name at least one of" in page.select("#scopes-note").text


def test_two_keys_of_one_name(admin: Visitor) -> None:
    admin.post("/keys", PRODUCER)
    page = admin.post("/keys", PRODUCER)
    assert page.status == 400
    assert "There is a key named 'shop'" in page.text
    assert len(page.soup.select('input[name="scopes"][checked]')) == 2


def test_a_rotated_key_has_another_text(api: Api, admin: Visitor) -> None:
    old = text_of(admin.post("/keys", PRODUCER))
    key_id = api.get("/keys").data["keys"][0]["id"]
    question = admin.post(f"/keys/{key_id}/rotate")
    assert "Give this key another text?" in question.text
    new = text_of(admin.post(f"/keys/{key_id}/rotate", {"confirmed": "yes"}))
    assert new != old
    for each in (old, new):
        assert api.call("GET", "/tasks", headers={"X-API-Key": each}).status == 200


def test_a_revoked_key_opens_nothing(api: Api, admin: Visitor) -> None:
    key = text_of(admin.post("/keys", PRODUCER))
    key_id = api.get("/keys").data["keys"][0]["id"]
    page = admin.follow(admin.post(f"/keys/{key_id}/revoke", {"confirmed": "yes"}))
    assert "Key shop was revoked" in page.text
    assert page.all("td .status") == ["revoked"]
    assert api.call("GET", "/tasks", headers={"X-API-Key": key}).status == 401


def test_a_key_that_is_not_there(admin: Visitor) -> None:
    assert admin.post("/keys/99/revoke", {"confirmed": "yes"}).status == 404


def test_keys_come_in_pages(api: Api, admin: Visitor) -> None:
    for number in range(51):
        api.post("/keys", {"name": f"key {number}", "scopes": ["read"]})
    first = admin.get("/keys")
    assert len(first.soup.select("tbody tr")) == 50
    older = admin.request("GET", str(first.select('a[rel="next"]')["href"]))
    assert older.all("td.name bdi") == ["key 0"]
