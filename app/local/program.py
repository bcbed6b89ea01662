"""From the settings to the results, in the environment that bootstrap.py made."""

from __future__ import annotations

import argparse
import json
import os
import runpy
import shlex
import time

from app.errors import DatabaseError
from app.install.migrate import migrate
from app.local.console import Console, counted, printable, shell_word
from app.local.options import parse, workload_of
from app.local.paths import PROJECT, PYTHON
from app.local.processes import Children
from app.local.server import Server
from app.local.settings import make_settings, read_settings
from app.local.signals import Interrupted, Signals
from app.local.steps import EXIT_DONE, EXIT_INCOMPLETE, Step, StepFailed, exit_code_of, take_steps
from app.local.tasks import TaskRun
from app.local.worker_run import WorkerRun, worker_variables
from worker import ApiError, Client


def main() -> int:
    """The exit code of the whole command."""
    options = parse()
    return exit_code_of(lambda console: _run(options, console))


def _run(options: argparse.Namespace, console: Console) -> int:
    signals = Signals()
    signals.install()
    with Children(signals) as children:
        take_steps([("Settings (local/)", make_settings)], console, first=4)
        queue = LocalQueue(options, console, children)
        queue.run_tasks()
        if options.once:
            return EXIT_DONE if queue.is_completed() else EXIT_INCOMPLETE
        return queue.serve()


class LocalQueue:
    """A queue on SQLite in local/, its server, and tasks that are run through it."""

    def __init__(self, options: argparse.Namespace, console: Console, children: Children) -> None:
        self._console = console
        self._settings = read_settings()
        self._server = Server(options.port, children)
        self._client = Client(self._server.url, self._settings.api_key)
        self._workload = workload_of(options)
        self._tasks = TaskRun(self._workload, self._client)
        self._worker = WorkerRun(
            self._tasks, self._server, self._settings.api_key, console, children
        )

    def run_tasks(self) -> None:
        """From the tables to the results. Raises StepFailed."""
        steps: list[Step] = [
            ("Database", self._make_tables),
            ("Server", self._server.start),
            ("Task types", self._register_types),
            ("Tasks", self._tasks.add),
            ("Worker", self._worker.run),
            ("Results", self._show_results),
        ]
        try:
            take_steps(steps, self._console, first=5)
        except ApiError as error:
            self._server.check()
            raise StepFailed(f"The server refused a call. {_sentence(error)}") from None

    def is_completed(self) -> bool:
        """Whether every task is completed."""
        return self._tasks.number_completed() == len(self._tasks.ids)

    def serve(self) -> int:
        """Keep serving until a signal comes. Raises StepFailed when the server ends by itself."""
        try:
            for line in self._serving_lines():
                self._console.line(line)
            while True:
                self._server.check()
                time.sleep(0.5)
        except Interrupted:
            self._console.line()
            self._console.line("Stopping.")
            return EXIT_DONE

    def _make_tables(self) -> str:
        try:
            before, now = migrate(self._settings.database)
        except DatabaseError as error:
            raise StepFailed(f"The tables could not be made: {error}") from None
        if before == now:
            return f"the tables are of version {now}"
        return f"the tables went from version {before} to {now}" if before else "made the tables"

    def _register_types(self) -> str:
        """The task types that examples/handlers.py can run."""
        try:
            types = runpy.run_path(str(PROJECT / "examples" / "handlers.py"))["TASK_TYPES"]
        except Exception as error:
            raise StepFailed(f"The task types of examples/handlers.py: {error!r}") from None
        for each in types:
            self._client.register_type(**each)
        return ", ".join(each["name"] for each in types)

    def _show_results(self) -> str:
        self._console.close()
        tasks = self._tasks.in_order()
        self._workload.report(tasks, self._console)
        return f"{self._tasks.number_completed()} of {counted(len(tasks), 'task')} completed"

    def _serving_lines(self) -> list[str]:
        url, key = self._server.url, self._settings.api_key
        body = json.dumps({"type": "example.echo", "params": {"message": "my first task"}})
        variables = " ".join(f"{k}={shlex.quote(v)}" for k, v in worker_variables(url, key).items())
        folder, python = (shell_word(os.fsencode(path)) for path in (PROJECT, PYTHON))
        return [
            "",
            f"Serving on {self._server.address} until Ctrl-C.",
            f"API key (kept in local/config.py): {key}",
            "",
            "Check that it runs:",
            f"  curl {url}/health",
            "Add a task:",
            f"  curl {url}/tasks -H 'X-API-Key: {key}' -d '{body}'",
            "Run the waiting tasks:",
            f"  cd {folder} && {variables} {python} worker.py --handlers examples/handlers.py "
            "--until-empty",
        ]


def _sentence(error: ApiError) -> str:
    details = [each for each in error.details if isinstance(each, dict)]
    more = "".join(f"; {each.get('path')}: {each.get('message')}" for each in details)
    return printable(f"{error} (HTTP {error.status}{more})")
