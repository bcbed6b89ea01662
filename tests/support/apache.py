"""A private Apache for the tests: the real one, on a free port, with `.htaccess` allowed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.account import account
from tests.support.http_client import HttpClient, Response
from tests.support.net import HOST, free_port, is_listening, wait_until
from tests.support.processes import Startable, end
from tests.support.server import API_KEY
from tests.support.site import INTERPRETER

START_SECONDS = 60
STOP_SECONDS = 30
MODULES_FOLDER = Path("/usr/lib/apache2/modules")
PASSENGER_ROOT = "/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini"

COMMON = ("authz_core", "authz_host", "alias", "auth_basic", "dir", "env", "mime", "negotiation")
REWRITING = ("rewrite", "setenvif")
OWN_MODULES = {
    "cgi": ("mpm_prefork", "cgi"),
    "cgid": ("mpm_event", "cgid"),
    "passenger": ("mpm_event", "passenger"),
}

CONFIG = """
ServerName {host}
ServerRoot {folder}
Listen {host}:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder} default
ErrorLog {folder}/error.log
LogLevel warn
LimitRequestBody 0
Timeout 60
DocumentRoot {document_root}
<Directory />
    Require all denied
    AllowOverride None
</Directory>
<Directory {document_root}>
    Require all granted
    AllowOverride {allow_override}
</Directory>
"""

# What hosts with CGI have in their own configuration.
CGI_CONFIG = """
AddHandler cgi-script .cgi .py
DirectoryIndex index.html index.php index.cgi
<Directory {document_root}>
    Options Indexes FollowSymLinks ExecCGI MultiViews
</Directory>
"""

PASSENGER_CONFIG = """
PassengerRoot {passenger_root}
PassengerPython {interpreter}
PassengerInstanceRegistryDir {folder}/registry
PassengerDataBufferDir {folder}/buffers
PassengerLogFile {folder}/passenger.log
PassengerDefaultUser {account}
PassengerStatThrottleRate 0
PassengerMaxPoolSize {processes}
PassengerFriendlyErrorPages off
PassengerDisableSecurityUpdateCheck on
PassengerDisableAnonymousTelemetry on
"""


class Apache(Startable):
    """One Apache over a document root, with CGI by mod_cgi or mod_cgid.

    It and its programs run as www-data where the tests run as root. ``extra`` is added to the
    configuration. `stop` and `start` keep the port; `remove` ends it.
    """

    def __init__(
        self,
        document_root: Path,
        kind: str = "cgi",
        base: str = "",
        allow_override: str = "All",
        extra: str = "",
    ) -> None:
        """``kind`` is ``cgi``, ``cgid`` or ``passenger``; ``base`` begins the paths of `api`."""
        self._folder = Path(tempfile.mkdtemp(prefix="tm-apache-"))
        self._folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None
        self._kind = kind
        self.port = free_port()
        self.base = base
        self.url = f"http://{HOST}:{self.port}{base}/api"
        self._client = HttpClient(HOST, self.port, base, API_KEY)
        for name in ("registry", "buffers"):
            (self._folder / name).mkdir()
        self._values = {
            "host": HOST,
            "port": self.port,
            "folder": self._folder,
            "document_root": document_root,
            "allow_override": allow_override,
            "passenger_root": PASSENGER_ROOT,
            "interpreter": INTERPRETER,
            "account": account(),
            "processes": 2,
        }
        (self._folder / "apache.conf").write_text(self._config(extra), "utf-8")

    def start(self) -> None:
        """Start it and wait until it listens. Raises RuntimeError with its log."""
        self._process = subprocess.Popen(
            [program(), "-d", str(self._folder), "-f", "apache.conf", "-D", "FOREGROUND"],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=(self._folder / "output.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_until(self._listens, START_SECONDS, f"Apache's start; see {self._folder}")

    def stop(self) -> None:
        """End it and all that it started."""
        if self._process is not None:
            end(self._process, signal.SIGTERM, STOP_SECONDS)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """What Apache, and the programs through it, have logged so far."""
        names = ("output.log", "error.log", "passenger.log")
        paths = [self._folder / name for name in names if (self._folder / name).exists()]
        return "".join(path.read_text("utf-8", "replace") for path in paths)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        chunked: bool = False,
    ) -> Response:
        """One request, its path (after the host) sent exactly as given."""
        return self._client.request(method, path, body, headers, chunked)

    def api(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One call of the site's API; see HttpClient.call."""
        return self._client.call(method, path, body, headers)

    def _listens(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise RuntimeError(f"Apache ended at its start:\n{self.log()}")
        # Before mod_cgid's helper has its socket, Apache itself says 503.
        is_complete = self._kind != "cgid" or any(self._folder.glob("cgid.sock*"))
        return is_complete and is_listening(self.port)

    def _config(self, extra: str) -> str:
        own = OWN_MODULES[self._kind]
        lines = [f"LoadModule {name}_module {_module(name)}" for name in (*own, *COMMON)]
        lines += [f"LoadModule {name}_module {_module(name)}" for name in REWRITING]
        if os.geteuid() == 0:
            lines += [f"User {account()}", f"Group {account()}"]
        if self._kind == "cgid":
            lines.append(f"ScriptSock {self._folder}/cgid.sock")
        lines.append("TypesConfig /dev/null")
        texts = CONFIG + (PASSENGER_CONFIG if self._kind == "passenger" else CGI_CONFIG)
        return "\n".join([*lines, texts.format(**self._values), extra, ""])


def program() -> str:
    """Apache's executable. Raises RuntimeError."""
    path = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise RuntimeError("apache2 is not installed; tests/run brings it")
    return path


def _module(name: str) -> Path:
    path = MODULES_FOLDER / f"mod_{name}.so"
    if not path.exists():
        raise RuntimeError(f"Apache's module {name} is not installed; tests/run brings it")
    return path


def _environment() -> dict[str, str]:
    """A host's, without what this process was started with."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C"}
