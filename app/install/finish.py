"""What an installation leaves for its owner: the line for cron, and lines to paste."""

from __future__ import annotations

import json
import os
import shlex
import shutil

from app.install.configuration import write_private
from app.install.http import Web
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.install.site import InstallationSite

# Stays when releases change, so that a cron line never has to be changed.
CRON_PROGRAM = '''\
"""Does the tasks that wait, then ends. Cron starts it; written by TaskManager's installer.

Your handlers are in handlers.py beside this file. Arguments are handed on to worker.py.
"""

import os
import sys

HOME = os.path.dirname(os.path.abspath(__file__))
URL = {url!r}


def main():
    with open(os.path.join(HOME, "current")) as file:
        release = os.path.join(HOME, "releases", file.read().strip())
    config = {{}}
    with open(os.path.join(HOME, "config.py"), encoding="utf-8") as file:
        exec(file.read(), config)
    os.environ.setdefault("TASKMANAGER_API_URL", URL)
    os.environ.setdefault("TASKMANAGER_API_KEY", config["API_KEY"])
    os.environ["PYTHONPATH"] = os.pathsep.join([release, os.path.join(release, "vendor")])
    handlers = os.path.join(HOME, "handlers.py")
    lock = os.path.join(HOME, ".htlock-cron")
    arguments = ["--handlers", handlers, "--register", "--until-empty", "--max-time", "55"]
    arguments += ["--lock", lock]
    worker = os.path.join(release, "worker.py")
    os.execv(sys.executable, [sys.executable, worker, *arguments, *sys.argv[1:]])


main()
'''

CURL = """\
curl -X POST {url}/api/tasks -H 'X-API-Key: {{api_key}}' -d '{body}'"""

PASSENGER_NOTE = (
    "If the control panel's startup file is deploy.py, set it to passenger_wsgi.py now and restart "
    "the application."
)


def prepare(site: InstallationSite) -> None:
    """Write what cron runs, and handlers to begin with where the owner has none. Raises OSError."""
    handlers = site.home / "handlers.py"
    if not handlers.exists():
        shutil.copyfile(site.folder / "examples" / "handlers.py", handlers)
    write_private(site.home / "cron.py", CRON_PROGRAM.format(url=f"{site.url}/api"), 0o700)
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
