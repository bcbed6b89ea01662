"""Every list of the dashboard as CSV and JSON, with what the API shows."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.api.caller import Api
from tests.dashboard.test_bulk import failed
from tests.dashboard.visitor import Visitor

LISTS = {
    "tasks": "/tasks",
    "failures": "/failures",
    "types": "/types",
    "schedules": "/schedules",
    "workers": "/workers",
    "keys": "/keys",
    "audit": "/audit",
}
"""The name of each, and its page."""

OF_API = {
    "tasks": ("/tasks", "tasks"),
    "failures": ("/failures", "failures"),
    "types": ("/task-types", "task_types"),
    "schedules": ("/schedules", "schedules"),
    "workers": ("/workers", "workers"),
    "keys": ("/keys", "keys"),
    "audit": ("/audit", "entries"),
}


@pytest.fixture
def full(api: Api) -> Api:
    """Something on each list."""
    failed(api, 1, "=1+1", "@type")
    api.post("/workers/register", {"worker_id": "=worker"})
    api.post("/schedules", {"name": "+nightly", "type": "@type", "cron": "30 2 * * *"})
    assert api.post("/keys", {"name": "-key", "scopes": ["read"]}).status == 201
    return api


def shown_by_api(api: Api, name: str) -> Any:
    path, key = OF_API[name]
    return api.get(path).data[key]


@pytest.mark.parametrize("name", LISTS)
def test_as_json(full: Api, admin: Visitor, name: str) -> None:
    response = admin.get(f"{LISTS[name]}?format=json")
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}.json"'
    data = json.loads(response.body)
    assert data[name] == shown_by_api(full, name)
    assert data["count"] == len(data[name]) > 0
    assert data["is_capped"] is False


@pytest.mark.parametrize("name", LISTS)
def test_as_csv(full: Api, admin: Visitor, name: str) -> None:
    response = admin.get(f"{LISTS[name]}?format=csv")
    rows = list(csv.DictReader(io.StringIO(response.body.decode("utf-8-sig"), newline="")))
    shown = shown_by_api(full, name)
    assert len(rows) == len(shown)
    assert list(rows[0]) == list(shown[0])
    for row in rows:
        assert not [each for each in row.values() if each.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("name", LISTS)
def test_the_page_leads_to_them(full: Api, admin: Visitor, name: str) -> None:
    links = [str(each["href"]) for each in admin.get(LISTS[name]).soup.select("a[download]")]
    address = f"/dashboard{LISTS[name]}"
    assert links == [f"{address}?format=csv", f"{address}?format=json"]


@pytest.mark.parametrize("name", LISTS)
def test_nobody_gets_them_without_signing_in(api: Api, name: str) -> None:
    page = Visitor(api.site).get(f"{LISTS[name]}?format=json")
    assert (page.status, page.location.partition("?")[0]) == (303, "/dashboard/sign-in")
