"""The page with the audit log."""

from __future__ import annotations

from tests.api.caller import Api
from tests.dashboard.visitor import Visitor


def test_who_did_what(api: Api, admin: Visitor) -> None:
    api.register("mail")
    api.post("/task-types/mail/pause")
    api.post("/keys", {"name": "shop", "scopes": ["read"]})
    page = admin.get("/audit")
    assert page.all("td code")[:2] == ["key.make", "type.pause"]
    assert page.all("td:nth-of-type(2)")[0] == "root key"
    assert admin.get("/audit?action=key.make").all("td code") == ["key.make"]
    assert "passes these filters" in admin.get("/audit?actor=nobody").text


def test_older_entries_follow(api: Api, admin: Visitor) -> None:
    for number in range(51):
        api.post("/keys", {"name": f"key {number}", "scopes": ["read"]})
    first = admin.get("/audit?action=key.make")
    assert len(first.soup.select("tbody tr")) == 50
    older = admin.request("GET", str(first.select('a[rel="next"]')["href"]))
    assert len(older.soup.select("tbody tr")) == 1
    assert "key 0" in older.text


def test_an_address_that_makes_no_sense(admin: Visitor) -> None:
    assert admin.get("/audit?before=-1").status == 200
    assert admin.get("/audit?before=" + "9" * 30).status == 200
