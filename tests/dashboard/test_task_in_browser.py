"""A person's way in Chromium: a task fails, its params are repaired, it is retried and done; a type
that runs away is stopped. A real worker runs the tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import DESK, MILLISECONDS, PHONE, overflows, serious_violations
from tests.support.net import HOST
from tests.support.server import API_KEY, Server
from tests.worker.support import Queue, Workers

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

MAIL = {
    "type": "object",
    "properties": {"to": {"type": "string", "minLength": 1}, "order": {"type": "integer"}},
    "required": ["to"],
}
HANDLERS = """
@task("shop.mail")
def mail(params):
    if "@" not in params["to"]:
        raise ValueError(f"no address in {params['to']!r}")
    return {"sent": True}
"""
LIVE = 16_000
"""Milliseconds after which an open page has asked what has changed."""


@pytest.fixture
def queue(server: Server) -> Queue:
    queue = Queue(server)
    queue.register("shop.mail", param_schema=MAIL, max_attempts=1)
    return queue


@pytest.fixture
def workers(queue: Queue, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path, queue.url, queue.key)
    workers.write_handlers(HANDLERS)
    yield workers
    workers.end()


@pytest.fixture
def desk(browser: Browser, server: Server) -> Iterator[Page]:
    yield from signed_in(browser, server, DESK)


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    """Dark, and no script runs."""
    yield from signed_in(browser, server, PHONE, color_scheme="dark", java_script_enabled=False)


def signed_in(browser: Browser, server: Server, size: Any, **options: Any) -> Iterator[Page]:
    context: BrowserContext = browser.new_context(viewport=size, **options)
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    page.goto(f"http://{HOST}:{server.port}/dashboard")
    page.locator("#secret").fill(API_KEY)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    yield page
    context.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("link", name=name, exact=True).click()


def state(page: Page) -> Any:
    return page.locator("#state .status").first


def test_a_task_fails_is_repaired_and_done(desk: Page, queue: Queue, workers: Workers) -> None:
    task_id = queue.create("shop.mail", {"to": "nowhere"})
    workers.start()
    queue.wait_for(task_id, "failed")
    desk.clock.install()
    desk.get_by_role("link", name="Tasks").click()
    follow(desk, str(task_id))
    expect(state(desk)).to_have_text("failed")
    expect(desk.locator("#state strong")).to_contain_text("no address in 'nowhere'")
    expect(desk.locator("#outcome pre")).to_contain_text("in mail\n    raise ValueError")
    follow(desk, "Edit and retry")
    desk.get_by_label("to").fill("")
    press(desk, "Save and retry")
    expect(desk.locator("#f0-note .error")).to_have_text("is required")
    desk.get_by_label("to").fill("ann@example.org")
    press(desk, "Save and retry")
    queue.wait_for(task_id, "completed")
    desk.clock.run_for(LIVE)
    expect(state(desk)).to_have_text("completed")
    desk.reload()
    expect(desk.locator("#outcome pre").first).to_contain_text('"sent": true')
    assert queue.task(task_id)["params"] == {"to": "ann@example.org"}


def test_a_type_that_runs_away_is_stopped(desk: Page, queue: Queue, workers: Workers) -> None:
    desk.get_by_role("link", name="Types").click()
    follow(desk, "shop.mail")
    press(desk, "Pause")
    expect(desk.locator(".verdict .status")).to_have_text("paused")
    task_id = queue.create("shop.mail", {"to": "ann@example.org"})
    assert workers.run("--until-empty")[0] == 0
    assert queue.task(task_id)["status"] == "pending"
    desk.goto(f"http://{HOST}:{queue.server.port}/dashboard/tasks/{task_id}")
    expect(desk.locator("#state")).to_contain_text("Its type is paused.")
    follow(desk, "it is resumed")
    press(desk, "Resume")
    assert workers.run("--until-empty")[0] == 0
    assert queue.task(task_id)["status"] == "completed"


def test_a_task_is_created_copied_and_deleted(desk: Page, queue: Queue) -> None:
    desk.get_by_role("link", name="New task").click()
    follow(desk, "shop.mail")
    desk.get_by_label("to").fill("ann@example.org")
    desk.get_by_text("Options").click()
    desk.get_by_label("Priority").fill("high")
    press(desk, "Create task")
    expect(desk.locator("#priority-note .error")).to_contain_text("must be a whole number")
    expect(desk.get_by_label("to")).to_have_value("ann@example.org")
    assert serious_violations(desk) == []
    assert not overflows(desk)
    desk.get_by_label("Priority").fill("3")
    press(desk, "Create task")
    follow(desk, "Clone")
    press(desk, "Create task")
    expect(state(desk)).to_have_text("pending")
    desk.once("dialog", lambda dialog: dialog.accept())
    press(desk, "Delete")
    expect(desk.locator(".notice")).to_contain_text("is deleted")
    assert [task["priority"] for task in queue.of_type("shop.mail")] == [3]


def test_everything_works_on_a_phone_without_a_script(phone: Page, queue: Queue) -> None:
    task_id = queue.create("shop.mail", {"to": "ann@example.org"}, run_at="2100-01-01T00:00:00Z")
    address = f"http://{HOST}:{queue.server.port}/dashboard"
    phone.goto(f"{address}/tasks/{task_id}")
    press(phone, "Run now")
    expect(state(phone)).to_have_text("pending")
    queue.server.call("POST", "/tasks/claim", {"worker_id": "w1"})
    phone.reload()
    press(phone, "Ask to stop")
    expect(phone.locator("#state .tag")).to_have_text("asked to stop")
    press(phone, "Release")
    press(phone, "Release the task")
    expect(state(phone)).to_have_text("cancelled")
    press(phone, "Retry")
    press(phone, "Cancel")
    press(phone, "Delete")
    expect(phone.get_by_role("heading", name=f"Delete task {task_id}?")).to_be_visible()
    press(phone, "Delete the task")
    phone.goto(f"{address}/types/shop.mail")
    press(phone, "Deactivate")
    press(phone, "Activate")
    phone.get_by_text("Change", exact=True).click()
    phone.get_by_label("Max running").fill("none")
    press(phone, "Save")
    expect(phone.locator("#s-max_running-note .error")).to_be_visible()
    assert not overflows(phone)
    phone.get_by_label("Max running").fill("2")
    press(phone, "Save")
    press(phone, "Delete")
    press(phone, "Delete the type")
    expect(phone.locator(".notice")).to_have_text("The type is deleted.")
