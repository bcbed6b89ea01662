"""Hostile text in every field that a producer, a worker or an admin controls, on every page."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from app.dashboard.routes import PAGES
from tests.api.caller import Api
from tests.dashboard.hostile import HOSTILE, SCRIPT, TURNED, check_harmless
from tests.dashboard.visitor import Visitor

NAME = f"{SCRIPT} {TURNED} \"'&"
"""As hostile as a name may be: without control characters."""

SCHEDULE = "s <script>alert(1)</script> a\u202eb"
FORMULA = "=1+1"


@pytest.fixture
def engine() -> str:
    """Escaping does not depend on the database."""
    return "sqlite"


@pytest.fixture
def task_id(api: Api) -> int:
    """A task that failed, with hostile text in everything around it."""
    api.register(NAME, True, version=TURNED, description=HOSTILE, max_attempts=1)
    told = {"worker_id": NAME, "host": NAME, "version": TURNED, "metadata": {HOSTILE: HOSTILE}}
    assert api.post("/workers/register", told).status == 200
    params = {HOSTILE: [HOSTILE, "\x00"], "big": "x" * 100_000}
    assert api.post("/keys", {"name": NAME[:90], "scopes": ["read"]}).status == 201
    made = {"name": SCHEDULE, "type": NAME, "every": 60, "params": params, "tags": [TURNED]}
    assert api.post("/schedules", made).status == 201
    assert api.post(f"/schedules/{quote(SCHEDULE)}/run").status == 201
    ids = [api.create(NAME, params, tags=[SCRIPT, TURNED, FORMULA])["id"] for _ in range(2)]
    claimed = api.post("/tasks/claim", {"worker_id": NAME, "limit": 3}).data["tasks"]
    assert {each["id"] for each in claimed} >= set(ids)
    progress = {"worker_id": NAME, "progress": 5, "message": HOSTILE}
    assert api.post(f"/tasks/{ids[1]}/progress", progress).status == 200
    failure = {"worker_id": NAME, "error": HOSTILE, "traceback": HOSTILE}
    assert api.post(f"/tasks/{ids[0]}/fail", failure).status == 200
    return int(ids[0])


def addresses(task_id: int) -> dict[str, str]:
    names = {"/schedules": SCHEDULE, "/workers": NAME, "/types": NAME}
    found = {}
    for page in PAGES:
        if page.method != "GET" or page.template == "/static/{name}":
            continue
        start = page.template.partition("/{")[0]
        found[page.template] = page.template.replace("{id}", str(task_id)).replace(
            "{name}", quote(names.get(start, ""), safe="")
        )
    return found


def test_every_page_shows_it_harmlessly(admin: Visitor, task_id: int) -> None:
    seen = 0
    for template, address in addresses(task_id).items():
        page = admin.get(address)
        if template.startswith(("/sessions", "/sign-in", "/tasks/bulk")):
            continue
        assert page.status == 200, (template, page)
        if page.headers["Content-Type"].startswith("text/html"):
            check_harmless(page)
            seen += SCRIPT in page.text
    assert seen >= 10, "the text is to be seen on most pages"


def test_so_do_pages_about_what_was_sent(admin: Visitor, task_id: int) -> None:
    query = quote(HOSTILE)
    for name in ("q", "type", "tag", "worker_id", "status", "actor", "before", "period", "page"):
        for path in ("", "/tasks", "/failures", "/types", "/audit", "/workers"):
            check_harmless(admin.get(f"{path}?{name}={query}"))
    check_harmless(admin.get(f"/schedules/{query}"))
    check_harmless(admin.get(f"/workers/{query}"))
    check_harmless(admin.get(f"/{query}"))
    check_harmless(admin.post("/schedules", {"name": HOSTILE, "cron": HOSTILE, "params": HOSTILE}))
    check_harmless(admin.post("/keys", {"name": HOSTILE, "expires_at": HOSTILE}))


def test_files_of_lists_hold_no_formula(admin: Visitor, task_id: int) -> None:
    rows = admin.get("/tasks?format=csv").body.decode("utf-8-sig")
    assert f",{FORMULA}" not in rows
    assert f'"{FORMULA}' not in rows
    listed = json.loads(admin.get("/tasks?format=json").body)
    assert FORMULA in str(listed)
