"""The process of a web run: a worker with the site's handlers, beside the request that started it.

In a process of its own, since handlers print, hang, leak and end their process as they like.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from app.config import PROJECT_FOLDER
from app.errors import Conflict, TaskManagerError
from app.queue import run_lock

if TYPE_CHECKING:
    from typing import Any

    from app.config import Settings
    from app.site import Site

END_SECONDS = 5.0
"""How much longer than it was given the process may take before it is killed."""

OF_THE_REQUEST = (
    *("HTTP_", "CONTENT_", "REQUEST_", "SERVER_", "REMOTE_", "SCRIPT_"),
    *("PATH_INFO", "QUERY_STRING"),
)
"""Variables that describe the request of a CGI program: handlers must not see them."""


class RunFailed(TaskManagerError):
    """The worker could not begin, or did not end in time; the text says why and what to do."""


def run_waiting_tasks(site: Site, seconds: float) -> dict[str, Any]:
    """Run waiting tasks for so many seconds, unless another run is under way. Returns what became
    of them, like ``run_worker``. Raises Conflict, RunFailed.
    """
    if not run_lock.take(site, seconds + 2 * END_SECONDS):
        raise Conflict("Another run is on: it does what waits")
    try:
        return run_worker(site.settings, seconds)
    finally:
        run_lock.give_back(site)


def run_worker(settings: Settings, seconds: float) -> dict[str, Any]:
    """What became of the tasks of one run: ``completed``, ``failed``, ``released``, each a number.

    Raises RunFailed.
    """
    if not os.path.isfile(settings.handlers_path):
        raise RunFailed(
            "there is no file of handlers: upload your handlers.py beside config.py, or name it in "
            "RUN_HANDLERS"
        )
    process = _start(settings, seconds)
    try:
        output, _ = process.communicate(timeout=seconds + END_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise RunFailed("a handler went on beyond the time of the run, and was ended") from None
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        raise RunFailed(f"the worker ended with exit code {process.returncode}") from None
    if result.get("error"):
        raise RunFailed(str(result["error"]))
    return result


def _start(settings: Settings, seconds: float) -> subprocess.Popen[bytes]:
    folder = os.path.dirname(settings.handlers_path)
    command = [sys.executable, "-m", "app.web_run", f"{seconds:.3f}", settings.handlers_path]
    path = [PROJECT_FOLDER, *(each for each in sys.path if each)]
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(OF_THE_REQUEST)
    }
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**environ, "PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise RunFailed(f"no process can be started for the worker here: {error}") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all that it has started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
