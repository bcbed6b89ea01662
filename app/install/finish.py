"""What an installation leaves for its owner: the line for cron, and lines to paste."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
from pathlib import Path

from app.install.errors import InstallError
from app.install.files import write_json, write_whole
from app.install.site_client import SiteClient
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.install.installation import Installation

OWN_FOLDER = Path(__file__).parent
STARTER = "starter_handlers.py"

CURL = """\
curl -X POST {url}/api/tasks -H 'X-API-Key: {{api_key}}' -d '{body}'"""

SIGN_IN = "/dashboard/sign-in/link?token="

PASSENGER_NOTE = (
    "Control panel (“Setup Python App”): leave the entry point application and the file "
    "passenger_wsgi.py as they are. If you change anything there, set the startup file to "
    "taskmanager_wsgi.py, never to passenger_wsgi.py: the panel overwrites that file with one that "
    "loads the startup file."
)


def prepare(installation: Installation, with_examples: bool = False) -> None:
    """Write what cron runs, and handlers to begin with where the owner has none. Raises OSError.

    ``with_examples`` takes all example handlers. Some read any file and call any address that a
    task names, so nobody gets them who has not asked for them.
    """
    handlers = installation.home / "handlers.py"
    if not handlers.exists():
        examples = installation.folder / "examples" / "handlers.py"
        shutil.copyfile(examples if with_examples else OWN_FOLDER / STARTER, handlers)
    # A copy stays in the same place when versions change, so that a cron line stays as well.
    write_whole(installation.home / "cron.py", (OWN_FOLDER / "cron.py").read_text("utf-8"), 0o700)
    facts = {
        "url": installation.url,
        "kind": installation.kind,
        "interpreter": installation.interpreter,
    }
    facts["web_folder"] = str(installation.web_folder)
    write_json(installation.home / "site.json", facts)


def register_examples(installation: Installation) -> None:
    """The task type that the line to paste uses, so that it works before cron's first run."""
    key = installation.settings().api_key
    client = SiteClient(installation.url, installation.address)
    headers = {"X-API-Key": key, "Authorization": f"Bearer {key}"}
    for task_type in starter_types():
        client.request("POST", "/api/task-types/register", task_type, headers)


def starter_types() -> list[dict[str, Any]]:
    """TASK_TYPES of the starter handlers, read without running them."""
    tree = ast.parse((OWN_FOLDER / STARTER).read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TASK_TYPES":
            types: list[dict[str, Any]] = ast.literal_eval(node.value)
            return types
    raise ValueError(f"{STARTER} has no TASK_TYPES")


def summary(installation: Installation) -> dict[str, Any]:
    """What the last page shows. ``{api_key}`` in the line to paste stands for the key."""
    body = json.dumps({"type": "example.echo", "params": {"message": "hello"}})
    command = [installation.interpreter, str(installation.home / "cron.py")]
    found = {
        "url": installation.url,
        "version": VERSION,
        "api_key": installation.settings().api_key,
        "curl": CURL.format(url=installation.url, body=body),
        # A percent sign ends a command in a crontab.
        "cron": "* * * * * " + shlex.join(command).replace("%", "\\%"),
    }
    token = installation.settings().run_token
    if token:
        found["ping"] = f"{installation.url}/api/run?token={token}"
    if installation.kind == "passenger":
        found["note"] = PASSENGER_NOTE
    return found


def sign_in_link(installation: Installation) -> str:
    """An address that signs the owner in to the dashboard, once; empty where none can be made."""
    from app.errors import TaskManagerError
    from app.queue import sign_in_link
    from app.site import Site

    try:
        site = Site(installation.settings())
        try:
            token = sign_in_link.make(site)
        finally:
            site.db.close()
    except TaskManagerError:
        return ""
    return f"{installation.url}{SIGN_IN}{token}"


def set_password(installation: Installation, password: str) -> None:
    """Set the dashboard's password. Raises InstallError."""
    from app.errors import TaskManagerError
    from app.queue import admin_password
    from app.queue.audit import Actor
    from app.site import Site

    try:
        site = Site(installation.settings())
        try:
            admin_password.change(site, password, Actor("installer"))
        finally:
            site.db.close()
    except TaskManagerError as error:
        raise InstallError(f"The dashboard's password was not set. {error}.") from error


def write_summary(installation: Installation) -> None:
    """Leave it where deploy.py finds it, for nobody else to read."""
    found = {**summary(installation), "sign_in": sign_in_link(installation)}
    write_json(installation.home / ".htfinish", found)
    if not os.access(installation.home / "handlers.py", os.R_OK):
        prepare(installation)
