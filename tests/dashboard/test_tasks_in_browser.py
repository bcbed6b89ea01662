"""Tasks and failures in a real browser: how they look, and each action once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.dashboard.test_tasks import HOSTILE
from tests.support.browser import DESK, PHONE, open_page, overflows, serious_violations
from tests.support.server import Server

LONG = "a-very-long-name-of-something-without-any-place-to-break-it-" * 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("tasks") / "queue.sqlite3"
    with Server({"DATABASE_URL": f"sqlite:///{path}", "REQUIRE_AUTH": False}) as running:
        fill(running)
        yield running


def post(server: Server, path: str, body: Any) -> Any:
    status, response = server.call("POST", path, body)
    assert status in (200, 201), response
    return response["data"]


def create(server: Server, type: str, count: int = 1, **options: Any) -> list[int]:
    task = {"type": type, "params": {}, "dedupe": False, **options}
    return [each["id"] for each in post(server, "/tasks", {"tasks": [task] * count})["tasks"]]


def fail(server: Server, type: str, error: str, count: int) -> None:
    create(server, type, count, params={"to": "ada@example.org"}, tags=["red"])
    claim = {"worker_id": "w1", "task_types": [type], "limit": count}
    for task in post(server, "/tasks/claim", claim)["tasks"]:
        body = {"worker_id": "w1", "error": error, "retry": False}
        post(server, f"/tasks/{task['id']}/fail", body)


def fill(server: Server) -> None:
    for name in ("mail", "image", "busy", "many", LONG):
        body = {"name": name, "version": "1", "param_schema": True}
        post(server, "/task-types/register", body)
    fail(server, "mail", "mailbox 1 is full", 6)
    fail(server, "image", HOSTILE + LONG, 1)
    create(server, "busy", 1)
    (task,) = post(server, "/tasks/claim", {"worker_id": LONG, "task_types": ["busy"], "limit": 1})[
        "tasks"
    ]
    progress = {"worker_id": LONG, "progress": 62, "message": HOSTILE}
    post(server, f"/tasks/{task['id']}/progress", progress)
    create(server, LONG, 1, params={"text": HOSTILE * 20}, tags=["<b>", LONG[:50]], delay=3600)
    create(server, "mail", 45, params={"to": "ada@example.org"}, tags=["red"])


def at(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.port}/dashboard{path}"


def count(server: Server, **filters: str) -> int:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    status, response = server.call("GET", f"/tasks?total=true&{query}")
    assert status == 200
    return int(response["data"]["total"])


PAGES = [
    "/tasks",
    "/tasks?q=ada&status=pending&tag=red&created_after=nonsense",
    "/tasks?type=none",
    "/tasks/bulk?action=delete&status=failed&age=week",
    "/failures",
]


@pytest.mark.parametrize(
    ("size", "other", "dark"), [(PHONE, DESK, False), (DESK, PHONE, True)], ids=["phone", "desk"]
)
def test_it_can_be_read(
    browser: Browser, server: Server, size: Any, other: Any, dark: bool
) -> None:
    page = open_page(browser, at(server, PAGES[0]), size, dark)
    for path in PAGES:
        page.goto(at(server, path))
        assert not overflows(page), path
        assert serious_violations(page) == [], path
        page.set_viewport_size(other)
        assert not overflows(page), path
        page.set_viewport_size(size)
    page.context.close()


def test_nothing_of_others_runs(browser: Browser, server: Server) -> None:
    page = open_page(browser, at(server, "/tasks"))
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    for path in ("/tasks?status=failed", "/failures"):
        page.goto(at(server, path))
        assert "<script>alert(1)</script>" in page.inner_text("main")
    assert errors == []
    page.context.close()


def test_a_page_is_small(browser: Browser, server: Server) -> None:
    """With its stylesheet, its script and its icon."""
    sizes: list[int] = []
    page = open_page(browser, "about:blank")
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.goto(at(server, "/tasks?type=mail"))
    page.wait_for_load_state("networkidle")
    assert page.locator("tbody tr").count() == 40
    assert sum(sizes) < 60_000
    page.context.close()


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_filters_and_pages(browser: Browser, server: Server, javascript: bool) -> None:
    page = open_page(browser, at(server, "/tasks"), DESK, javascript=javascript)
    page.select_option('select[name="status"]', "pending")
    page.fill('input[name="type"]', "ma%")
    page.click("text=Show")
    assert page.url == at(
        server,
        "/tasks?q=&status=pending&type=ma%25&age=&tag=&worker_id=&error_group=&created_after=&created_before=",
    )
    assert page.inner_text("h2") == "45 tasks"
    page.click("text=Older")
    assert page.locator("tbody tr").count() == 5
    page.click("text=Newer")
    assert page.locator("tbody tr").count() == 40
    page.context.close()


def test_selected_tasks_with_a_script(browser: Browser, server: Server) -> None:
    create(server, "many", 3)
    page = open_page(browser, at(server, "/tasks?type=many&status=pending"), PHONE)
    page.get_by_label("All on this page").check()
    assert page.locator('input[name="ids"]:checked').count() == 3
    page.click("button[value=cancel]")
    assert page.inner_text('[role="status"]') == "3 tasks cancelled."
    assert count(server, type="many", status="pending") == 0
    page.context.close()


def test_selected_tasks_without_a_script(browser: Browser, server: Server) -> None:
    (task_id,) = create(server, "many", 1)
    page = open_page(browser, at(server, "/tasks?type=many&status=pending"), javascript=False)
    assert not page.get_by_label("All on this page").is_visible()
    page.get_by_label(f"Select task {task_id}").check()
    page.click("button[value=delete]")
    assert page.inner_text("h1") == "Delete 1 task?"
    page.click("button.primary")
    assert page.inner_text('[role="status"]') == "1 task deleted."
    page.context.close()


def test_all_that_match_with_a_script(browser: Browser, server: Server) -> None:
    """The steps follow by themselves. The first one after "Stop" is the last."""
    for _ in range(3):
        create(server, "many", 900)
    page = open_page(browser, at(server, "/tasks?type=many&status=pending"))
    page.get_by_label("All 2,700 that match").check()
    page.click("button[value=cancel]")
    assert page.inner_text("main .primary") == "Cancel 2,700 tasks"
    held: list[Route] = []
    page.route("**/bulk/run", lambda route: hold_fetch(route, held))
    page.click("main .primary")
    wait_for(page, held)
    assert page.inner_text("#progress p >> nth=0") == "1,000 tasks cancelled of 2,700 so far."
    assert not page.get_by_text("Go on").is_visible()
    page.click("text=Stop")
    held.pop().continue_()
    page.wait_for_selector("text=2,000 tasks cancelled of 2,700 so far.")
    page.wait_for_selector("text=Go on")
    assert not page.get_by_text("Stop").is_visible()
    assert not held
    page.unroute("**/bulk/run")
    page.click("text=Go on")
    page.wait_for_selector("text=2,700 tasks cancelled.")
    assert count(server, type="many", status="pending") == 0
    page.context.close()


def hold_fetch(route: Route, held: list[Route]) -> None:
    """Lets the form pass that the button sends; what the script sends waits."""
    if route.request.resource_type == "fetch":
        held.append(route)
    else:
        route.continue_()


def wait_for(page: Page, held: list[Route]) -> None:
    ends_at = time.monotonic() + 60
    while not held:
        assert time.monotonic() < ends_at, page.inner_text("main")
        page.wait_for_timeout(20)


def test_a_group_of_failures_without_a_script(browser: Browser, server: Server) -> None:
    page = open_page(browser, at(server, "/failures"), PHONE, javascript=False)
    page.click("text=mailbox 1 is full")
    assert page.inner_text("h2") == "6 tasks"
    page.go_back()
    page.locator("tr", has_text="mailbox 1 is full").get_by_text("Retry…").click()
    assert page.inner_text("main .primary") == "Retry 6 tasks"
    page.click("main .primary")
    assert "6 tasks retried." in page.inner_text("#progress")
    page.click("text=Back to the tasks")
    assert page.inner_text("h2") == "No tasks"
    page.context.close()


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.json"])
def test_the_list_is_saved_as_a_file(
    browser: Browser, server: Server, tmp_path: Path, name: str
) -> None:
    page = open_page(browser, at(server, "/tasks?status=failed"))
    with page.expect_download() as download:
        page.click(f"text={name.partition('.')[2].upper()}")
    assert download.value.suggested_filename == name
    page.context.close()
