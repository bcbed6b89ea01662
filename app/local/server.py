"""Flask's own server, in the background."""

from __future__ import annotations

import subprocess
import time

from app.local.checks import check_port
from app.local.paths import CONFIG, PYTHON, SERVER_LOG
from app.local.processes import HOST, Children, child_environment, log_tail
from app.local.steps import StepFailed
from worker import ApiError, Client

START_SECONDS = 60.0  # for the server's first response


class Server:
    """The server process on one port."""

    def __init__(self, port: int, children: Children) -> None:
        self._port = port
        self._children = children
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://{HOST}:{port}"
        self.url = self.address + "/api"

    def start(self) -> str:
        """Start it and wait until it is healthy. Raises StepFailed."""
        check_port(self._port)
        command = [PYTHON, "-m", "flask", "--app", "passenger_wsgi", "run"]
        command += ["--host", HOST, "--port", str(self._port)]
        env = child_environment(TASKMANAGER_CONFIG=str(CONFIG))
        with SERVER_LOG.open("ab") as log:
            self._process = self._children.start(command, log, env)
        self._wait_until_healthy()
        return f"answers at {self.url}/health, log in local/server.log"

    def check(self) -> None:
        """Raises StepFailed when the process has ended."""
        if self._process and self._process.poll() is not None:
            raise StepFailed(
                f"The server ended with exit code {self._process.returncode}. "
                f"Its log (local/server.log) ends:\n{log_tail(SERVER_LOG)}\n"
                "If a module is missing there, delete the folder .venv and run deploy.py again."
            )

    def _wait_until_healthy(self) -> None:
        client = Client(self.url, timeout=5.0)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check()
            try:
                client.call("GET", "/health")
                return
            except ApiError as error:
                if time.monotonic() > deadline:
                    raise StepFailed(
                        f"The server started but is not healthy ({error}). "
                        f"Its log ends:\n{log_tail(SERVER_LOG)}"
                    ) from None
            time.sleep(0.1)
