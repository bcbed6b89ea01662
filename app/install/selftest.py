"""The self-test: a task's whole life at the site's real address, the dashboard's pages, and every
private file refused.
"""

from __future__ import annotations

import contextlib
import secrets
import time

from app.db import Database
from app.errors import DatabaseError
from app.install.errors import InstallError
from app.install.page_test import PageTest
from app.install.site_client import SiteClient, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from app.db.connection import Connection
    from app.db.url import DatabaseUrl
    from app.install.installation import Installation
    from app.install.site_client import SiteResponse

    Call = Callable[[str, str, Any], tuple[int, dict[str, Any]]]

TASK_TYPE = "taskmanager.selftest"
WORKER = "taskmanager.selftest-"
"""How the ids of its workers begin."""
WAIT_SECONDS = 15.0
"""For the first healthy answer: Passenger looks for its restart file every 10 seconds."""

PRIVATE_IN_HOME = (
    *("config.py", "current", "previous", "journal.json", ".htaccess", ".htinstaller"),
    *(
        "installation.json",
        "cron.py",
        "handlers.py",
        "logs/cron.log",
        "data/queue.sqlite3",
        "logs/taskmanager.log",
        "logs/pip.log",
    ),
)
PRIVATE_IN_BUILD = (
    *("schema.sql", "MANIFEST.json", "app/config.py", "passenger_wsgi.py"),
    "vendor/pymysql/__init__.py",
)
PRIVATE_IN_WEB_FOLDER = (".htaccess", "index.cgi", "passenger_wsgi.py")
SPELLINGS = ("/{}", "//{}", "/./{}", "/x/../{}")


class SelfTest:
    """Calls the site as a stranger on the network would. Every method raises InstallError."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._web = SiteClient(installation.url, installation.address)
        self._key = installation.settings().api_key

    def run(self) -> str:
        """All of it; what was found well, and what the host does with the front page or with the
        dashboard's files. That stops nobody: the queue works, and not every owner can mend it.
        """
        self.wait_until_healthy()
        header = self.check_authorization()
        run_a_task(self.call)
        asked = self.ask_for_private_files()
        pages = self.check_pages()
        return f"a task done, {header}, {asked} private addresses refused, {pages}"

    def check_pages(self) -> str:
        """How the dashboard arrives. Raises InstallError where it does not at all."""
        pages = PageTest(self._installation, self._web)
        problem = pages.problem(pages.fetch_first_page())
        return f"but {problem}" if problem else "the dashboard's pages arrive"

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """One call of the API: status and response. Raises OSError when nobody answers so."""
        headers = {"X-API-Key": self._key, "Authorization": f"Bearer {self._key}"}
        response = self._web.request(method, f"/api{path}", body, headers)
        if not response.json:
            raise OSError(f"{response.status} without JSON: {response.body[:80]!r}")
        return response.status, response.json

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            said = self._health()
            if not said:
                return
            if time.monotonic() > deadline:
                raise InstallError(said)
            time.sleep(0.5)

    def _health(self) -> str:
        """What is wrong with the site's health; empty when nothing is."""
        address = f"{self._installation.url}/api/health"
        try:
            response = self._web.request("GET", "/api/health")
        except Unreachable as error:
            return (
                f"{address} cannot be reached from the server itself ({error}). Open it in your "
                "browser: if it answers there, ask your host to let the server reach itself."
            )
        if response.status == 200 and response.json.get("status") == "healthy":
            return ""
        if response.json:
            return (
                f"{address} answers {response.status}: "
                f"{response.json.get('error', 'not healthy')}. "
                f"{self._installation.home / 'logs' / 'taskmanager.log'} says why."
            )
        return f"{address} answers {response.status} without JSON. " + ADVICE.get(
            response.status, "Does the web server read .htaccess files and run index.cgi?"
        )

    def check_authorization(self) -> str:
        """Which of the two ways of sending the key arrive; one is enough."""
        bearer = self._claim_nothing({"Authorization": f"Bearer {self._key}"})
        own = self._claim_nothing({"X-API-Key": self._key})
        if own.status == 401 and bearer.status == 401:
            raise InstallError(
                "Neither of the headers X-API-Key and Authorization reaches the program. Ask your "
                "host which of them its web server removes."
            )
        for response in (own, bearer):
            if response.status not in (200, 401, 404) or not response.json:
                raise InstallError(
                    f"A POST of JSON is answered with {response.status} before it reaches the "
                    "program. Usually a firewall (mod_security) does that: ask your host to let "
                    f"JSON bodies through for {self._installation.url}/api."
                )
        if bearer.status == 401:
            return "X-API-Key arrives (Authorization does not: use X-API-Key)"
        return "both key headers arrive" if own.status != 401 else "Authorization arrives"

    def _claim_nothing(self, headers: dict[str, str]) -> SiteResponse:
        body = {"worker_id": f"{WORKER}0", "task_types": [f"{TASK_TYPE}.none"], "limit": 1}
        return self._web.request("POST", "/api/tasks/claim", body, headers)

    def ask_for_private_files(self) -> int:
        """How many addresses were asked for and refused. Raises InstallError for one that is
        not.
        """
        asked = 0
        for path, address in private_files(self._installation):
            content = _beginning(path)
            spellings = SPELLINGS if path == self._installation.config else SPELLINGS[:1]
            for spelling in spellings if content else ():
                response = self._web.request("GET", spelling.format(address))
                asked += 1
                if is_exposed(response, content):
                    raise InstallError(
                        f"{self._installation.url}{spelling.format(address)} can be downloaded by "
                        "anybody. The web server ignores the .htaccess in the web folder: ask your "
                        "host to allow it (AllowOverride All), and delete config.py until then."
                    )
        return asked


def _beginning(path: Path) -> bytes:
    """The first bytes of a file; none where there is no such file."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def run_a_task(call: Call) -> None:
    """Register, create, claim, complete, look, delete. Raises InstallError, OSError.

    ``call(method, path, body)`` makes one call of the API: status and response.
    """
    worker = WORKER + secrets.token_hex(4)
    post = _poster(call)
    post("/task-types/register", {"name": TASK_TYPE, "version": "1", "param_schema": {}})
    params = {"word": "grüße " + secrets.token_hex(8)}
    created = post("/tasks", {"type": TASK_TYPE, "params": params})
    claim = {"worker_id": worker, "task_types": [TASK_TYPE], "limit": 100}
    tasks = {task["id"]: task for task in post("/tasks/claim", claim)["tasks"]}
    if created["id"] not in tasks:
        _let_other_worker_have(created["id"], call)
    elif tasks[created["id"]]["params"] != params:
        raise InstallError("The self-test's task was created, and cannot be claimed as it was.")
    for task in tasks.values():  # with those that an interrupted self-test left
        end = {"worker_id": worker, "attempt": task["attempts"], "result": params}
        post(f"/tasks/{task['id']}/complete", end)
    shown = call("GET", f"/tasks/{created['id']}", None)[1].get("data") or {}
    is_done = shown.get("result") == params and shown.get("status") == "completed"
    if created["id"] in tasks and not is_done:
        raise InstallError("The self-test's task was completed, and does not show its result.")
    for task_id in tasks:
        post(f"/tasks/{task_id}/delete", {})
    post(f"/task-types/{TASK_TYPE}/deactivate", {})


def leave_no_traces(database: DatabaseUrl) -> None:
    """Delete what no call of the API deletes: the self-test's task type and workers, and what the
    statistics tell of them on a new site.

    A database that cannot be asked now keeps them: they do no harm.
    """
    access = Database(database)
    try:
        with contextlib.suppress(DatabaseError):
            access.run(_delete_traces)
    finally:
        access.close()


def _delete_traces(connection: Connection) -> None:
    workers = {"workers": f"{WORKER}%"}
    connection.send(
        [
            ("DELETE FROM workers WHERE id LIKE :workers", workers),
            (
                "DELETE FROM task_types WHERE name = :name AND NOT EXISTS "
                "(SELECT 1 FROM tasks WHERE tasks.type_id = task_types.id)",
                {"name": TASK_TYPE},
            ),
            ("DELETE FROM worker_activity WHERE worker_id LIKE :workers", workers),
            # On a new site the owner finds no tasks that were completed before there were any.
            ("DELETE FROM task_activity WHERE NOT EXISTS (SELECT 1 FROM task_types)", {}),
        ]
    )


def _let_other_worker_have(task_id: int, call: Call) -> None:
    """On a site in use a worker that takes every type may be quicker; then claiming works."""
    shown = call("GET", f"/tasks/{task_id}", None)[1].get("data") or {}
    if shown.get("status") in (None, "pending"):
        raise InstallError("The self-test's task was created, and cannot be claimed.")
    call("POST", f"/tasks/{task_id}/cancel", {})
    call("POST", f"/tasks/{task_id}/delete", {})


def _poster(call: Call) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, response = call("POST", path, body)
        data = response.get("data")
        if status >= 300 or not isinstance(data, dict):
            said = response.get("error", "no data")
            raise InstallError(f"POST /api{path} is answered with {status} ({said}).")
        return data

    return post


def private_files(installation: Installation) -> list[tuple[Path, str]]:
    """The files that nobody may get, each with its address below the site's."""
    found = [(installation.web_folder / name, name) for name in PRIVATE_IN_WEB_FOLDER]
    in_home = [installation.home / name for name in PRIVATE_IN_HOME]
    in_home += [installation.folder / name for name in PRIVATE_IN_BUILD]
    for path in in_home:
        # A home outside the web folder has no address; it is asked for as if it had.
        base = (
            installation.web_folder
            if installation.web_folder in path.parents
            else installation.home.parent
        )
        found.append((path, path.relative_to(base).as_posix()))
    return found


def is_exposed(response: SiteResponse, content: bytes) -> bool:
    """Whether a response is the file. A program's own response to the address is not."""
    if response.status >= 300:
        return False
    return bool(content) and response.body[: len(content)] == content[: len(response.body)] != b""


ADVICE = {
    403: "The web server refuses: is running programs (ExecCGI) allowed in this folder?",
    404: "The web server ignores the .htaccess: is mod_rewrite on and AllowOverride set?",
    500: "The web server's error log says why; often index.cgi may not be executed (mode 755).",
}
