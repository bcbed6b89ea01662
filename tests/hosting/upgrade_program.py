"""What an installer does at an upgrade, as a program of its own: by the new release's own code.

Arguments: home, release, the API's address, web folder, and what is to happen in the self-test:
"pass", or "die" or "fail", each with "-1" for the one before the switch and "-2" for the one
after it. Prints what came of it. Run with the site's interpreter, as the site's user.
"""

import os
import signal
import sys

HOME, NAME, URL, WEB_FOLDER, EVENT = sys.argv[1:]
RELEASE = os.path.join(HOME, "releases", NAME)
sys.path[:1] = [RELEASE, os.path.join(RELEASE, "vendor")]

from pathlib import Path  # noqa: E402

from app.install.site_client import SiteClient  # noqa: E402
from app.install.upgrade import UpgradeFailed, upgrade  # noqa: E402

SITE = SiteClient(URL)


def call(method, path, body=None):
    response = SITE.request(method, path, body, {"X-API-Key": "test-key-of-a-good-length"})
    return response.status, response.json


runs = []


def self_test(call):
    runs.append(call)
    if f"die-{len(runs)}" == EVENT:
        os.kill(os.getpid(), signal.SIGKILL)
    if f"fail-{len(runs)}" == EVENT:
        raise RuntimeError("the self-test fails")
    kind = {"name": "upgrade.test", "version": "1", "param_schema": {"type": "object"}}
    steps = [("/task-types/register", kind)]
    steps.append(("/tasks", {"type": "upgrade.test", "params": {}, "dedupe": False}))
    steps.append(("/tasks/claim", {"worker_id": "upgrade", "type_pattern": "upgrade.test"}))
    for path, body in steps:
        status, response = call("POST", path, body)
        if status not in (200, 201):
            raise RuntimeError(f"{path} responds with {status}")
    task = response["data"]
    end = {"worker_id": "upgrade", "attempt": task["attempts"]}
    for path, body in ((f"/tasks/{task['id']}/complete", end), (f"/tasks/{task['id']}/delete", {})):
        status, response = call("POST", path, body)
        if status != 200:
            raise RuntimeError(f"{path} responds with {status}")


try:
    done = upgrade(Path(HOME), NAME, call, self_test, Path(WEB_FOLDER))
except UpgradeFailed as error:
    print(error)
    sys.exit(1)
print(done.before, done.now, *done.tables)
