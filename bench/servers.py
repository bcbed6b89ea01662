"""Servers that keep connections open between calls, each configured as docs/hosting.md says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click

from tests.support.account import account
from tests.support.apache import MODULES_FOLDER, PASSENGER_ROOT
from tests.support.http_client import HttpClient
from tests.support.net import HOST, free_port, wait_until
from tests.support.processes import Startable, end
from tests.support.server import API_KEY, PROJECT
from tests.support.site import INTERPRETER

CORES = os.cpu_count() or 1
THREADS = 8
START_SECONDS = 60
STOP_SECONDS = 30

NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ }}
http {{
    access_log off; keepalive_requests 1000000; client_max_body_size 2m;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen {host}:{port};
        location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass unix:{folder}/socket; }}
    }}
}}
"""

APACHE = """
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule {module}_module {modules}/mod_{module}.so
ServerName {host}
ServerRoot {folder}
DefaultRuntimeDir {folder}
Mutex file:{folder} default
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
Listen {host}:{port}
{user}
MaxKeepAliveRequests 0
DocumentRoot {folder}/public
<Directory {folder}>
    Require all granted
</Directory>
"""

MOD_WSGI = """
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess queue processes={processes} threads=1 python-path={packages}
WSGIProcessGroup queue
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {folder}/passenger_wsgi.py
"""

PASSENGER = """
PassengerRoot {root}
PassengerPython {interpreter}
PassengerInstanceRegistryDir {folder}
PassengerDataBufferDir {folder}
PassengerLogFile {folder}/passenger.log
PassengerDefaultUser {account}
PassengerMaxPoolSize {processes}
PassengerMinInstances {processes}
PassengerAppRoot {folder}
PassengerAppType wsgi
PassengerStartupFile passenger_wsgi.py
PassengerDisableSecurityUpdateCheck on
PassengerDisableAnonymousTelemetry on
PassengerStatThrottleRate 60
"""

# The site's own passenger_wsgi.py, run with the packages of this environment.
APPLICATION = """
import os, sys
sys.path[:0] = [{project!r}, {packages!r}]
os.environ["TASKMANAGER_CONFIG"] = {config!r}
from app.server.entry import application
"""


class Place(NamedTuple):
    """Where a server runs: its own files, the checkout that it serves, its port."""

    folder: Path
    project: Path
    port: int
    processes: int

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


class Kind(NamedTuple):
    """A server: how it runs, the commands that start it, and why it cannot be started here."""

    name: str
    how: str
    commands: Callable[[Place], list[list[str]]]
    missing: Callable[[], str]
    processes: int


def _gunicorn(place: Place) -> list[list[str]]:
    number = ["--workers", str(place.processes), "--threads", str(THREADS)]
    return [[*_python("gunicorn"), "--bind", place.address, *number, "passenger_wsgi:application"]]


def _waitress(place: Place) -> list[list[str]]:
    options = [f"--listen={place.address}", f"--threads={THREADS}"]
    return [[*_python("waitress"), *options, "passenger_wsgi:application"]]


def _uwsgi(place: Place) -> list[list[str]]:
    return [_uwsgi_command(place, "--http", place.address, "--http-keepalive")]


def _nginx(place: Place) -> list[list[str]]:
    path = place.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    text = NGINX_CONF.format(folder=place.folder, host=HOST, port=place.port)
    path.write_text(user + text, "utf-8")
    behind = _uwsgi_command(place, "--socket", str(place.folder / "socket"))
    log = str(place.folder / "nginx.log")
    return [behind, [_program("nginx"), "-p", str(place.folder), "-c", str(path), "-e", log]]


def _uwsgi_command(place: Place, *where: str) -> list[str]:
    options = ["--master", "--need-app", "--die-on-term", "--disable-logging"]
    number = ["--processes", str(place.processes)]
    start = [sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()"]
    return [*start, *where, *options, *number, "--module", "passenger_wsgi:application"]


def _mod_wsgi(place: Place) -> list[list[str]]:
    return _apache(place, "wsgi", MOD_WSGI)


def _passenger(place: Place) -> list[list[str]]:
    return _apache(place, "passenger", PASSENGER)


def _apache(place: Place, module: str, text: str) -> list[list[str]]:
    folder = place.folder
    (folder / "public").mkdir()
    values = {
        "modules": MODULES_FOLDER,
        "module": module,
        "host": HOST,
        "folder": folder,
        "port": place.port,
        "user": f"User {account()}\nGroup {account()}" if os.geteuid() == 0 else "",
        "account": account(),
        "processes": place.processes,
        "packages": Path(click.__file__).parents[1],
        "root": PASSENGER_ROOT,
        "interpreter": INTERPRETER,
        "project": str(place.project),
        "config": str(folder / "config.py"),
    }
    application = APPLICATION.format(**{**values, "packages": str(values["packages"])})
    (folder / "passenger_wsgi.py").write_text(application, "utf-8")
    (folder / "apache.conf").write_text((APACHE + text).format(**values), "utf-8")
    return [[_program("apache2"), "-d", str(folder), "-f", "apache.conf", "-D", "FOREGROUND"]]


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _program(name: str) -> str:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""


def _needs_package(name: str) -> Callable[[], str]:
    return lambda: "" if find_spec(name) else f"the Python package {name} is not installed"


def _needs_nginx() -> str:
    return _needs_package("pyuwsgi")() or ("" if _program("nginx") else "nginx is not installed")


def _needs_module(name: str) -> Callable[[], str]:
    module = MODULES_FOLDER / f"mod_{name}.so"
    return lambda: "" if module.exists() else f"Apache's mod_{name} is not installed"


UWSGI = Kind(
    "uWSGI",
    "its HTTP router with keep-alive, two processes a core",
    _uwsgi,
    _needs_package("pyuwsgi"),
    2 * CORES,
)
GUNICORN = Kind(
    "gunicorn",
    f"gthread, a process a core, {THREADS} threads each",
    _gunicorn,
    _needs_package("gunicorn"),
    CORES,
)
WAITRESS = Kind(
    "waitress", f"one process, {THREADS} threads", _waitress, _needs_package("waitress"), 1
)
NGINX_AND_UWSGI = Kind(
    "nginx and uWSGI",
    "a socket between them, two processes a core",
    _nginx,
    _needs_nginx,
    2 * CORES,
)
KINDS = (
    NGINX_AND_UWSGI,
    UWSGI,
    Kind("Apache, mod_wsgi", "two daemons a core", _mod_wsgi, _needs_module("wsgi"), 2 * CORES),
    Kind(
        "Apache, Passenger",
        "two processes a core",
        _passenger,
        _needs_module("passenger"),
        2 * CORES,
    ),
    WAITRESS,
    GUNICORN,
)


BEST = next(kind for kind in (NGINX_AND_UWSGI, UWSGI, GUNICORN) if not kind.missing())
"""What queues are served by unless servers are compared: the first of them that is here."""


class KeepAliveServer(Startable):
    """A checkout's program under one of these servers, with the settings of a dict."""

    def __init__(self, kind: Kind, config: Mapping[str, object], project: Path = PROJECT) -> None:
        self._kind = kind
        self._folder = Path(tempfile.mkdtemp(prefix="tm-served-"))
        self._folder.chmod(0o755)
        self._log = self._folder / "server.log"
        self._project = project
        self._processes: list[subprocess.Popen[bytes]] = []
        settings = {"API_KEY": API_KEY, **config}
        text = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
        self.config = self._folder / "config.py"
        self.config.write_text(text, "utf-8")
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/api"

    def start(self) -> None:
        """Raises RuntimeError with the log."""
        place = Place(self._folder, self._project, self.port, self._kind.processes)
        for command in self._kind.commands(place):
            with self._log.open("ab") as log:
                self._processes.append(self._popen(command, log))
        wait_until(self._is_healthy, START_SECONDS, f"the server's health; see {self._log}")

    def remove(self) -> None:
        for process in reversed(self._processes):
            end(process, signal.SIGTERM, STOP_SECONDS, whole_group=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pids(self) -> list[int]:
        """The processes that it was started as; what these have started belongs to it too."""
        return [process.pid for process in self._processes]

    def _popen(self, command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("TASKMANAGER_")}
        return subprocess.Popen(
            command,
            cwd=self._project,
            # gunicorn keeps a socket in the home folder, one for all that share it.
            env={**own, "HOME": str(self._folder), "TASKMANAGER_CONFIG": str(self.config)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _is_healthy(self) -> bool:
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError(f"the server ended at its start:\n{self._log.read_text('utf-8')}")
        try:
            return HttpClient(HOST, self.port, api_key=API_KEY).call("GET", "/health").status == 200
        except OSError:
            return False
