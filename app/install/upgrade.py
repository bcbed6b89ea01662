"""Putting a newer build into service, and the older one back when the newer does not work.

No request is answered by two builds: a process reads which one serves once, when it starts. No
maintenance page is needed either: migrations only add, so both builds work on the same tables
while one takes over from the other. And a build that does not work at all is found out before
anybody else meets it: the upgrade executes it beside the site first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from app import config
from app.install.entry import ask_for_restart
from app.install.errors import InstallError
from app.install.migrate import migrate
from app.install.versions import (
    BUILDS,
    previous,
    prune,
    read_current,
    read_manifest,
    switch,
    switch_back,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, Protocol

    from app.install.installation import Installation

    class Call(Protocol):
        """One call of the API, with the key: ``path`` follows ``/api``. Raises OSError."""

        def __call__(
            self, method: str, path: str, body: Any = None, /
        ) -> tuple[int, dict[str, Any]]: ...

    SelfTest = Callable[[Call], object]

TAKE_OVER_SECONDS = 2.0
PASSENGER_TAKE_OVER_SECONDS = 15.0
"""For a build's first healthy response: Passenger looks for its restart file every 10 seconds."""

PAUSE_SECONDS = 0.5
STEP_SECONDS = 60.0
REHEARSAL_CALL_SECONDS = 10.0

# What a web server tells a CGI program about a request, and must not be told about another.
OF_A_REQUEST = (
    *("HTTP_", "REDIRECT_", "REQUEST_", "SCRIPT_", "CONTENT_", "QUERY_STRING", "SERVER_"),
    *("PATH_INFO", "PATH_TRANSLATED", "GATEWAY_INTERFACE", "ENTRY_BASE"),
)


class UpgradeFailed(InstallError):
    """The site is as it was. The message says what failed, and which version serves."""


class Upgraded:
    """Which builds served ``before`` and serve ``now``; the ``tables``' versions likewise."""

    def __init__(self, before: str | None, now: str, tables: tuple[int, int]) -> None:
        self.before = before
        self.now = now
        self.tables = tables


def upgrade(
    home: Path,
    name: str,
    call: Call,
    self_test: SelfTest,
    web_folder: Path,
    keep: int = 2,
) -> Upgraded:
    """Let the unpacked build ``name`` serve; without success, the one before serves again.

    ``call`` reaches the site at its real address, as users do, and gives up after a few
    seconds. ``self_test`` tries the site by the calls that it is given, and raises an exception
    whose text says what does not work; it is run before the switch and after it. In
    ``web_folder`` lies the entry, by which Passenger is asked to restart. In the end ``keep``
    builds are left.

    To be run by the build ``name`` itself, and again after it was killed at any point.
    Raises UpgradeFailed.
    """
    serving = read_current(home)
    before = previous(home) if serving == name else serving
    earlier = None if serving == name else previous(home)
    try:
        version = _version(home, name)
        settings = _settings(home)
        tables = migrate(settings.database)
        _try_out(version, rehearsal(home, name, settings.api_key), self_test)
        switch(home, name)
    except Exception as error:
        raise UpgradeFailed(f"{name} was not put into service: {error}") from error
    try:
        _try_out(version, call, self_test, _take_over(web_folder))
        migrate(settings.database)  # the build before has made tasks in the meantime
    except Exception as error:
        raise UpgradeFailed(
            _put_back(home, name, before, earlier, call, web_folder, error)
        ) from error
    prune(home, keep)
    return Upgraded(before, name, tables)


def is_to_go_back(installation: Installation) -> bool:
    """Whether another build served before this one, and is still there."""
    return (
        installation.before not in ("", installation.build)
        and (installation.home / BUILDS / installation.before).is_dir()
    )


def go_back(installation: Installation, call: Call) -> str:
    """Let the build before serve again, with the entry as that build writes it: the sentence that
    says how it went.
    """
    try:
        _write_entry_by(installation, installation.before)
        switch_back(installation.home, installation.before, _earlier(installation))
        seconds = _take_over(installation.web_folder)
        _wait_for(_version(installation.home, installation.before), call, seconds)
    except Exception as error:
        return f"{installation.before} was to serve again, and does not: {error}"
    return f"{installation.before} serves again, as before"


def _earlier(installation: Installation) -> str | None:
    """The build that served before the build before did, if it is still there."""
    folder = installation.home / BUILDS
    found = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    others = [path for path in found if path.name not in (installation.build, installation.before)]
    others.sort(key=lambda path: path.stat().st_mtime)
    return others[-1].name if others else None


def return_to(installation: Installation, name: str, call: Call, self_test: SelfTest) -> str:
    """Let the earlier build ``name`` serve again, because its owner wants that: the sentence that
    says so. To be run by the newer build. May be repeated after it was killed.

    The tables stay as they are: migrations only add, and ``name`` works on them. When it does
    not, the newer build serves on. Raises UpgradeFailed.
    """
    newer = installation.build
    try:
        version = _version(installation.home, name)
        key = _settings(installation.home).api_key
        _try_out(version, rehearsal(installation.home, name, key), self_test)
    except Exception as error:
        raise UpgradeFailed(f"{name} does not work, and {newer} serves on: {error}.") from error
    try:
        _write_entry_by(installation, name)
        _try_out(version, call, self_test, _take_over(installation.web_folder))
    except Exception as error:
        _write_entry_by(installation, newer)
        raise UpgradeFailed(f"{name} does not work: {error}. {newer} serves again.") from error
    return f"version {version} serves again"


def _write_entry_by(installation: Installation, name: str) -> None:
    """The step "entry" of another build, which lets it serve. Raises OSError."""
    # Not the name of a step's own result, which the installer waits for.
    result = installation.home / ".htanswer-of-other"
    result.unlink(missing_ok=True)
    values = installation.values(name)
    subprocess.run(
        [sys.executable, "-s", "-m", "app.install"],
        input=json.dumps({"step": "entry", "site": values, "answer": str(result)}).encode(),
        cwd=installation.home / BUILDS / name,
        timeout=STEP_SECONDS,
        check=False,
    )
    outcome = json.loads(result.read_bytes())
    result.unlink()
    if not outcome["ok"]:
        raise OSError(outcome["sentence"])


def rehearsal(home: Path, name: str, api_key: str) -> Call:
    """Calls to a build that does not serve: it is executed as a CGI program."""
    program = [sys.executable, str(home / BUILDS / name / "passenger_wsgi.py")]
    own = {k: value for k, value in os.environ.items() if not k.startswith(OF_A_REQUEST)}
    own.setdefault("TASKMANAGER_CONFIG", str(home / "config.py"))
    own.setdefault("TASKMANAGER_LOG_FILE", str(home / "logs" / "taskmanager.log"))

    def call(method: str, path: str, body: Any = None, /) -> tuple[int, dict[str, Any]]:
        payload = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        request = {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SCRIPT_NAME": "",
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/api{path}",
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(payload)),
            "HTTP_X_API_KEY": api_key,
        }
        return _execute(program, {**own, **request}, payload)

    return call


def _execute(
    program: list[str], environment: dict[str, str], payload: bytes
) -> tuple[int, dict[str, Any]]:
    try:
        done = subprocess.run(
            program,
            input=payload,
            capture_output=True,
            env=environment,
            timeout=REHEARSAL_CALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer in {REHEARSAL_CALL_SECONDS:g} seconds") from None
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    try:
        status = head.split(b"Status:", 1)[1].split()[0]
        return int(status), json.loads(body)
    except (IndexError, ValueError):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise OSError(f"its program does not run: {said[-1]}") from None


def _settings(home: Path) -> config.Settings:
    """As the site's own processes read them."""
    return config.load({"TASKMANAGER_CONFIG": str(home / "config.py"), **os.environ})


def _version(home: Path, name: str) -> str:
    return str(read_manifest(home / BUILDS / name)["version"])


def _take_over(web_folder: Path) -> float:
    """Have the build that is current now take over; how many seconds that may take."""
    ask_for_restart(web_folder)
    is_passenger = (web_folder / "tmp" / "restart.txt").exists()
    return PASSENGER_TAKE_OVER_SECONDS if is_passenger else TAKE_OVER_SECONDS


def _try_out(version: str, call: Call, self_test: SelfTest, seconds: float = 0.0) -> None:
    """Raises what the self-test raises, or OSError unless ``version`` answers in time."""
    _wait_for(version, call, seconds)
    self_test(call)


def _wait_for(version: str, call: Call, seconds: float) -> None:
    """Until the response is a healthy one and of this version."""
    deadline = time.monotonic() + seconds
    while True:
        seen = _look(version, call)
        if not seen:
            return
        if time.monotonic() >= deadline:
            raise OSError(seen)
        time.sleep(PAUSE_SECONDS)


def _look(version: str, call: Call) -> str:
    """What is wrong with the site's health; empty when nothing is."""
    try:
        status, response = call("GET", "/health")
    except (OSError, ValueError) as error:
        return f"it does not answer ({error})"
    if status != 200:
        return f"its health is answered with {status} ({response.get('error')})"
    if response.get("version") != version:
        return f"version {response.get('version')} answers instead of {version}"
    return ""


def _put_back(
    home: Path,
    name: str,
    before: str | None,
    earlier: str | None,
    call: Call,
    web_folder: Path,
    reason: Exception,
) -> str:
    """Put the build before into service again: the sentence that says how it went."""
    sentence = f"{name} does not work: {reason}."
    if before is None:
        return f"{sentence} There is no earlier version to go back to"
    try:
        switch_back(home, before, earlier)
        _wait_for(_version(home, before), call, _take_over(web_folder))
    except Exception as error:
        return f"{sentence} {before} was to serve again, and does not: {error}"
    return f"{sentence} {before} serves again, as before"
