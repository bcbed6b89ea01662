"""The producer's form in PHP, as a browser uses it, and as somebody with bad intentions does."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from playwright.sync_api import Browser

from tests.clients.support import EXAMPLES, Programs, inherited
from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import HOST, free_port, is_listening, wait_until
from tests.support.server import API_KEY
from tests.worker.support import Queue

SECONDS = 60
HOSTILE = "<script>alert(\"x\")</script> & 'žluť' </textarea>"
CLIENT = EXAMPLES / "php" / "TaskManagerClient.php"
WORKER = ("php", str(EXAMPLES / "php" / "worker.php"), "--until-empty")

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


class PhpSite:
    """A web folder with the form in it, served by PHP's own server."""

    def __init__(self, folder: Path, api_url: str, api_key: str) -> None:
        self.web = folder / "web"
        self.web.mkdir()
        for name in ("form.php", "TaskManagerClient.php"):
            shutil.copy(EXAMPLES / "php" / name, self.web)
        secrets = f"<?php return ['url' => '{api_url}', 'key' => '{api_key}'];"
        (folder / "taskmanager.php").write_text(secrets, "utf-8")
        (folder / "sessions").mkdir()
        self._log = folder / "php.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/form.php"

    def __enter__(self) -> PhpSite:
        settings = ("-d", f"session.save_path={self._folder / 'sessions'}")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["php", *settings, "-S", f"{HOST}:{self.port}", "-t", str(self.web)],
                env=inherited(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: is_listening(self.port), SECONDS, f"PHP's server; see {self._log}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")


class Visitor:
    """Somebody with a browser without JavaScript."""

    def __init__(self, site: PhpSite) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, query: str = "") -> requests.Response:
        return self.session.get(self.site.url + query, timeout=SECONDS)

    def fields(self) -> dict[str, str]:
        """The hidden fields of a fresh form."""
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.get().text)
        return {name: html.unescape(value) for name, value in hidden}

    def send(self, fields: dict[str, str]) -> requests.Response:
        return self.session.post(self.site.url, data=fields, timeout=SECONDS, allow_redirects=False)

    def add(self, text: str) -> requests.Response:
        """Sends the form and follows to the task's page."""
        response = self.send({**self.fields(), "text": text})
        assert response.status_code == 303, response.text
        return self.session.get(
            urljoin(response.url, response.headers["Location"]), timeout=SECONDS
        )


@pytest.fixture
def site(queue: Queue, tmp_path: Path) -> Iterator[PhpSite]:
    with PhpSite(tmp_path, queue.url, queue.key) as site:
        yield site


@pytest.fixture
def visitor(site: PhpSite) -> Visitor:
    return Visitor(site)


def work(queue: Queue, command: Sequence[str] = WORKER) -> None:
    worker = Programs(command, queue.url, queue.key)
    try:
        assert worker.run()[0] == 0
    finally:
        worker.end()


def tasks(queue: Queue) -> list[int]:
    _, response = queue.server.call("GET", "/tasks")
    return [task["id"] for task in response["data"]["tasks"]]


def test_a_task_is_added_and_its_result_shown(queue: Queue, visitor: Visitor) -> None:
    waiting = visitor.add(HOSTILE)
    assert "<dd>pending</dd>" in waiting.text
    assert 'http-equiv="refresh"' in waiting.text
    assert html.escape(HOSTILE).replace("&#x27;", "&#039;") in waiting.text
    assert "<script" not in waiting.text
    work(queue)
    done = visitor.session.get(waiting.url, timeout=SECONDS)
    assert "<dd>completed</dd>" in done.text
    assert 'http-equiv="refresh"' not in done.text
    assert "&lt;SCRIPT&gt;ALERT(&quot;X&quot;)&lt;/SCRIPT&gt;" in done.text
    assert "<script" not in done.text.lower()
    for response in (waiting, done, visitor.get()):
        assert API_KEY not in response.text
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_one_form_makes_one_task(queue: Queue, visitor: Visitor) -> None:
    form = {**visitor.fields(), "text": "twice"}
    first, second = visitor.send(form), visitor.send(form)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(tasks(queue)) == 1
    visitor.add("twice")
    assert len(tasks(queue)) == 2


def test_a_response_that_got_lost_makes_no_second_task(queue: Queue, tmp_path: Path) -> None:
    def first_create(proxy: HttpProxy, call: ProxiedCall) -> str:
        return "drop" if call.path.endswith("/tasks") and not proxy.faults else "pass"

    with (
        HttpProxy(queue.url, first_create) as proxy,
        PhpSite(tmp_path, proxy.url, queue.key) as site,
    ):
        assert "<dd>pending</dd>" in Visitor(site).add("once").text
        assert proxy.faults == ["drop"]
    assert len(tasks(queue)) == 1


def test_a_form_from_elsewhere_is_refused(queue: Queue, site: PhpSite) -> None:
    visitor, other = Visitor(site), Visitor(site)
    form = {**visitor.fields(), "text": "sent by another site"}
    for wrong in ({"token": ""}, {"token": other.fields()["token"]}):
        response = visitor.send({**form, **wrong})
        assert response.status_code == 403
        assert "sent by another site" in response.text
    without = {name: value for name, value in form.items() if name != "token"}
    assert visitor.send(without).status_code == 403
    assert visitor.send({**without, "token[]": form["token"]}).status_code == 403
    assert tasks(queue) == []


def test_a_task_is_shown_to_nobody_else(site: PhpSite) -> None:
    page = Visitor(site).add("mine").url
    response = Visitor(site).get("?" + page.partition("?")[2])
    assert response.status_code == 404
    assert "mine" not in response.text


def test_what_the_schema_does_not_allow_is_said(queue: Queue, visitor: Visitor) -> None:
    schema = {"type": "object", "properties": {"text": {"maxLength": 5}}}
    queue.register("example.uppercase", param_schema=schema)
    response = visitor.send({**visitor.fields(), "text": "<b>too long"})
    assert response.status_code == 400
    assert "too long" in response.text
    assert '<ul class="errors"' in response.text
    assert "<b>" not in response.text
    assert tasks(queue) == []


def test_a_queue_that_is_away_or_refuses_is_no_crash(queue: Queue, tmp_path: Path) -> None:
    away, wrong = tmp_path / "away", tmp_path / "wrong"
    away.mkdir()
    wrong.mkdir()
    nowhere = f"http://{HOST}:{free_port()}/api"
    with PhpSite(away, nowhere, queue.key) as site, PhpSite(wrong, queue.url, "wrong") as refused:
        for each, status, reason in (
            (site, 503, "no answer from"),
            (refused, 500, "The API key is not the right one"),
        ):
            visitor = Visitor(each)
            response = visitor.send({**visitor.fields(), "text": "kept"})
            assert response.status_code == status
            assert "kept</textarea>" in response.text
            assert reason not in response.text
            assert reason in each.log()


def test_nothing_is_left_to_warn_about(site: PhpSite, visitor: Visitor) -> None:
    visitor.add("some text")
    visitor.get("?task=x")
    visitor.send({})
    assert "PHP Warning" not in site.log()
    assert "PHP Deprecated" not in site.log()
    assert "Fatal" not in site.log()


def test_in_a_browser_the_result_appears_by_itself(
    queue: Queue, site: PhpSite, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 500})
    page.set_default_timeout(1000 * SECONDS)
    page.goto(site.url)
    page.fill("textarea", "typed by a person")
    page.click("button")
    page.wait_for_selector("text=pending")
    work(queue)
    page.wait_for_selector("text=completed")
    assert "TYPED BY A PERSON" in page.inner_text("dl")
    if pictures := os.environ.get("PICTURES_TO"):
        page.screenshot(path=f"{pictures}/form-result.png")
        page.goto(site.url)
        page.screenshot(path=f"{pictures}/form.png")
    page.close()


def test_the_client_makes_types_and_tasks(queue: Queue, tmp_path: Path) -> None:
    program = tmp_path / "program.php"
    program.write_text(
        f"""<?php
        require '{CLIENT}';
        $key = getenv('TASKMANAGER_API_KEY');
        $client = new TaskManagerClient(getenv('TASKMANAGER_API_URL'), $key);
        $schema = ['type' => 'object', 'required' => ['name']];
        $client->registerTaskType('shop.greet', '1', $schema, ['max_attempts' => 2]);
        $client->registerTaskType('shop.any', '1', []);
        $client->createTask('shop.any', []);
        $task = $client->createTask('shop.greet', ['name' => 'Ada'], ['priority' => 5]);
        $found = $client->getTask($task['id']);
        echo json_encode([$found['status'], $found['priority'], $found['max_attempts']]);
        try {{
            $client->createTask('shop.greet', []);
        }} catch (TaskManagerRefusal $refusal) {{
            echo $refusal->status, $refusal->errorCode, count($refusal->details);
        }}
        """,
        "utf-8",
    )
    programs = Programs(("php", str(program)), queue.url, queue.key)
    try:
        assert programs.run() == (0, '["pending",5,2]400validation_failed1')
    finally:
        programs.end()
