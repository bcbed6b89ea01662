"""What an installation leaves for its owner: the line for cron, and lines to paste."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

from app.install.configuration import write_private
from app.install.http import Web
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.install.site import InstallationSite

OWN_FOLDER = Path(__file__).parent
STARTER = "starter_handlers.py"

CURL = """\
curl -X POST {url}/api/tasks -H 'X-API-Key: {{api_key}}' -d '{body}'"""

PASSENGER_NOTE = (
    "Control panel (“Setup Python App”): leave the entry point application and the file "
    "passenger_wsgi.py as they are. If you change anything there, set the startup file to "
    "taskmanager_wsgi.py, never to passenger_wsgi.py: the panel overwrites that file with one that "
    "loads the startup file."
)


def prepare(site: InstallationSite, with_examples: bool = False) -> None:
    """Write what cron runs, and handlers to begin with where the owner has none. Raises OSError.

    ``with_examples`` takes all example handlers. Some read any file and call any address that a
    task names, so nobody gets them who has not asked for them.
    """
    handlers = site.home / "handlers.py"
    if not handlers.exists():
        examples = site.folder / "examples" / "handlers.py"
        shutil.copyfile(examples if with_examples else OWN_FOLDER / STARTER, handlers)
    # A copy stays in the same place when versions change, so that a cron line stays as well.
    write_private(site.home / "cron.py", (OWN_FOLDER / "cron.py").read_text("utf-8"), 0o700)
    facts = {"url": site.url, "kind": site.kind, "interpreter": site.interpreter}
    facts["web_folder"] = str(site.web_folder)
    write_private(site.home / "site.json", json.dumps(facts, indent=1) + "\n")


def register_examples(site: InstallationSite) -> None:
    """The task type that the line to paste uses, so that it works before cron's first run."""
    key = site.settings().api_key
    web = Web(site.url, site.address)
    for kind in EXAMPLES:
        headers = {"X-API-Key": key, "Authorization": f"Bearer {key}"}
        web.request("POST", "/api/task-types/register", kind, headers)


# Those of the starter handlers, as the worker registers them.
EXAMPLES = [
    {
        "name": "example.echo",
        "version": "1",
        "param_schema": {
            "type": "object",
            "properties": {"message": {"type": "string"}},
            "required": ["message"],
        },
    }
]


def summary(site: InstallationSite) -> dict[str, Any]:
    """What the last page shows. ``{api_key}`` in the line to paste stands for the key."""
    body = json.dumps({"type": "example.echo", "params": {"message": "hello"}})
    command = [site.interpreter, str(site.home / "cron.py")]
    found = {
        "url": site.url,
        "version": VERSION,
        "api_key": site.settings().api_key,
        "curl": CURL.format(url=site.url, body=body),
        # A percent sign ends a command in a crontab.
        "cron": "* * * * * " + shlex.join(command).replace("%", "\\%"),
    }
    if site.kind == "passenger":
        found["note"] = PASSENGER_NOTE
    return found


def write_summary(site: InstallationSite) -> None:
    """Leave it where deploy.py finds it, for nobody else to read."""
    write_private(site.home / ".htfinish", json.dumps(summary(site), indent=1))
    if not os.access(site.home / "handlers.py", os.R_OK):
        prepare(site)
