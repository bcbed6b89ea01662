"""Running worker.py until no task is left that can still be run."""

from __future__ import annotations

import json
import time

from app.local.console import Console, counted
from app.local.paths import PYTHON, WORKER_LOG, WORKER_STATUS
from app.local.processes import Children, child_environment, log_tail
from app.local.server import Server
from app.local.steps import StepFailed
from app.local.tasks import TaskRun

RETRY_SECONDS = 600.0  # of waiting for retries, all together
COMMAND = [PYTHON, "worker.py", "--handlers", "examples/handlers.py", "--until-empty"]


class WorkerRun:
    """One worker after another, with pauses until failed tasks may be tried again."""

    def __init__(
        self, tasks: TaskRun, server: Server, api_key: str, console: Console, children: Children
    ) -> None:
        self._tasks = tasks
        self._server = server
        self._console = console
        self._children = children
        self._env = child_environment(**worker_variables(server.url, api_key))
        self._started_at = time.monotonic()

    def run(self) -> str:
        """Run workers until every task is finished, or waiting does not help."""
        self._started_at = time.monotonic()
        waited = 0.0
        while True:
            self._run_until_empty()
            self._tasks.read()
            pause = self._tasks.seconds_to_wait()
            if pause is None or waited + pause > RETRY_SECONDS:
                break
            self._wait_for_retries(pause)
            waited += pause
        return f"ended after {self._seconds():.1f} s, log in local/worker.log"

    def _run_until_empty(self) -> None:
        WORKER_STATUS.unlink(missing_ok=True)
        command = [*COMMAND, "--batch", "50", "--status-file", str(WORKER_STATUS)]
        with WORKER_LOG.open("ab") as log:
            worker = self._children.start(command, log, self._env)
        while worker.poll() is None:
            self._show_progress()
            self._server.check()
            time.sleep(0.1)
        self._children.stop(worker)
        self._show_progress(is_last=True)
        if worker.returncode:
            raise StepFailed(
                f"The worker ended with exit code {worker.returncode}. "
                f"Its log (local/worker.log) ends:\n{log_tail(WORKER_LOG)}"
            )

    def _show_progress(self, is_last: bool = False) -> None:
        try:
            status = json.loads(WORKER_STATUS.read_bytes())
            completed, failed = int(status["completed"]), int(status["failed"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        done = self._tasks.number_completed() + completed
        # The worker also runs tasks that an earlier run left in the queue.
        total = max(len(self._tasks.ids), done)
        rate = done / max(self._seconds(), 0.001)
        bar = ("#" * (30 * done // total)).ljust(30, ".")
        text = f"[{bar}] {done}/{total} done, {failed} failed, {rate:.0f}/s"
        self._console.progress(text, is_last)

    def _wait_for_retries(self, pause: float) -> None:
        number = counted(len(self._tasks.unfinished()), "task")
        end = time.monotonic() + pause
        left = pause
        while left > 0:
            text = f"{number} waiting to be tried again, in {left:.0f} s"
            self._console.progress(text, now=left == pause)
            self._server.check()
            time.sleep(min(left, 0.5))
            left = end - time.monotonic()

    def _seconds(self) -> float:
        return time.monotonic() - self._started_at


def worker_variables(url: str, api_key: str) -> dict[str, str]:
    """Where a worker finds the server."""
    return {"TASKMANAGER_API_URL": url, "TASKMANAGER_API_KEY": api_key}
