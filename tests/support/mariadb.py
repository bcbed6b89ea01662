"""A private MariaDB server for the tests: the real one, on a free port, with its own data."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from tests.support.net import HOST, free_port, wait_until
from tests.support.processes import Startable, end

USER = "tm_tester"
PASSWORD = "p@ss/word#1"  # every character that an address must not take as it is
START_SECONDS = 120
STOP_SECONDS = 60


class DatabaseServer:
    """A server that speaks MySQL's protocol, and how to reach it.

    The user of `create_database` may do everything to databases named `tm_...`, and nothing else.
    """

    host: str = HOST
    port: int
    socket: Path

    def create_database(self, name: str) -> str:
        """An empty database in place of any that has the name, which begins with `tm_`: its URL."""
        self.client(
            f"DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}` CHARACTER SET utf8mb4;"
        )
        return self.url(name)

    def url(self, name: str) -> str:
        """The database's address over TCP."""
        return f"mysql+pymysql://{_credentials()}@{self.host}:{self.port}/{name}?charset=utf8mb4"

    def socket_url(self, name: str) -> str:
        """The database's address through the server's unix socket."""
        query = f"unix_socket={self.socket}&charset=utf8mb4"
        return f"mysql+pymysql://{_credentials()}@localhost/{name}?{query}"

    def client(self, sql: str, database: str = "") -> str:
        """Run statements as the administrator with the plain client: what it printed.

        Rows are lines, columns are separated by tabs, names are left out. Raises RuntimeError.
        """
        command = [program("mariadb"), *self._login(), "--batch", "--skip-column-names"]
        done = subprocess.run(
            [*command, *([database] if database else [])],
            input=sql,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the mariadb client failed: {done.stderr.strip()}")
        return done.stdout

    def _login(self) -> list[str]:
        """The client's options for the administrator."""
        raise NotImplementedError


class MariaDB(DatabaseServer, Startable):
    """A mariadbd with durable defaults. `stop` and `start` keep data and port; `remove` ends it."""

    def __init__(self, *options: str) -> None:
        """``options`` are added to the server's command line."""
        self._options = options
        # In /tmp itself: a socket's path may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="tm-database-", dir="/tmp"))
        self._data = self.folder / "data"
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = self.folder / "server.sock"
        self.port = free_port()
        self.is_local = "--skip-networking" in options
        """Whether only its socket can be reached."""
        # A server that starts deletes all temporary tables that it finds, those of others too.
        self._temporary = self.folder / "tmp"

    def start(self) -> None:
        """Start the server, the first time with an empty data folder. Raises RuntimeError."""
        self._prepare()
        new = not self._data.exists()
        if new:
            self._install()
        self.launch()
        self.wait_until_ready()
        if new:
            self.client(grants(HOST, "localhost"))

    def launch(self, *options: str) -> None:
        """Start the server's process with these options beside its own; do not wait for it."""
        self._process = subprocess.Popen(
            [
                *self._command(),
                "--no-defaults",
                f"--user={self._account}",
                f"--datadir={self._data}",
                f"--socket={self.socket}",
                f"--port={self.port}",
                f"--bind-address={HOST}",
                f"--pid-file={self.folder / 'server.pid'}",
                "--skip-name-resolve",
                f"--tmpdir={self._temporary}",
                *self._options,
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        """Until it takes every call. Raises RuntimeError with the log when it has ended."""
        wait_until(self._is_ready, START_SECONDS, f"the database's start; see {self._log}")

    def stop(self) -> None:
        """End the server in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a crash does."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop the server's clock: it keeps its connections and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def remove(self) -> None:
        """End the server and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What the server has printed so far."""
        return self._log.read_text("utf-8", "replace")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _prepare(self) -> None:
        """Make the folders that the server writes in."""
        self._temporary.mkdir(exist_ok=True)
        if self._account != getpass.getuser():
            shutil.chown(self.folder, self._account)
            shutil.chown(self._temporary, self._account)

    def _command(self) -> list[str]:
        """How the server's program is run."""
        return [program("mariadbd")]

    def _install(self) -> None:
        command = [
            program("mariadb-install-db"),
            "--no-defaults",
            f"--user={self._account}",
            f"--datadir={self._data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            f"--tmpdir={self._temporary}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")

    def _login(self) -> list[str]:
        return ["--no-defaults", f"--socket={self.socket}", "--user=root"]

    def _is_ready(self) -> bool:
        if not self.is_running():
            raise RuntimeError(f"the database ended at its start:\n{self.log()}")
        with contextlib.suppress(RuntimeError):
            return bool(self.client("SELECT 1"))
        return False

    def _end(self, signum: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)  # a paused one ends only when it goes on
        end(self._process, signum, STOP_SECONDS)
        self._process = None


def _account() -> str:
    """The system's user that the server runs as: it does not like to be root."""
    own = getpass.getuser()
    if os.geteuid():
        return own
    known = [entry.pw_name for entry in pwd.getpwall()]
    return "mysql" if "mysql" in known else own


def program(name: str) -> str:
    """Where a program of the database is. Raises RuntimeError."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed; tests/run brings it")
    return path


def _credentials() -> str:
    return f"{USER}:{quote(PASSWORD, safe='')}"


def grants(*hosts: str) -> str:
    """What makes the user of the tests' databases, coming from these hosts."""
    return "".join(
        f"DROP USER IF EXISTS '{USER}'@'{host}';"
        f"CREATE USER '{USER}'@'{host}' IDENTIFIED BY '{PASSWORD}';"
        rf"GRANT ALL ON `tm\_%`.* TO '{USER}'@'{host}';"
        for host in hosts
    )
