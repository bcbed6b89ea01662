"""Control panels write a passenger_wsgi.py that may load itself: the entry survives it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.install.entry import PASSENGER, ask_for_restart
from tests.hosting.conftest import Host
from tests.support.net import wait_until
from tests.support.site import INTERPRETER, InstalledSite

# As cPanel's "Setup Python App" writes it for the startup file {startup}.
WITH_IMP = """\
import imp
import os
import sys


sys.path.insert(0, os.path.dirname(__file__))

wsgi = imp.load_source('wsgi', '{startup}')
application = wsgi.application
"""

# The same for Pythons without imp.
WITH_IMPORTLIB = """\
import importlib.machinery
import importlib.util
import os
import sys


def load_source(modname, filename):
    loader = importlib.machinery.SourceFileLoader(modname, filename)
    spec = importlib.util.spec_from_file_location(modname, filename, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


sys.path.insert(0, os.path.dirname(__file__))

wsgi = load_source('wsgi', '{startup}')
application = wsgi.application
"""

ANOTHER_PROGRAM = """\
# wsgi = imp.load_source('wsgi', 'passenger_wsgi.py')
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"another program"]
"""

CALL = """
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/health", "SCRIPT_NAME": "",
           "SERVER_NAME": "localhost", "SERVER_PORT": "80", "QUERY_STRING": "",
           "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO()}
print(b"".join(application(environ, lambda status, headers: print(status))).decode())
"""

# Passenger imports the file; LiteSpeed's lswsgi does too, others execute its text.
IMPORTED = (
    "import importlib.machinery as m, importlib.util as u, io, sys\n"
    "sys.path.insert(0, '.')\n"
    "loader = m.SourceFileLoader('passenger_wsgi', 'passenger_wsgi.py')\n"
    "module = u.module_from_spec(u.spec_from_loader('passenger_wsgi', loader))\n"
    "loader.exec_module(module)\n"
    "application = module.application\n"
)
EXECUTED = (
    "import io, runpy\n"
    "application = runpy.run_path('passenger_wsgi.py', run_name='passenger_wsgi')['application']\n"
)


@pytest.fixture(scope="module")
def site() -> Iterator[InstalledSite]:
    settings = {"DATABASE_URL": "sqlite:///data/queue.sqlite3"}
    with InstalledSite(PASSENGER, "", settings) as installed:
        yield installed


def health(site: InstalledSite, program: str, text: str) -> str:
    """The response of a server that takes the file ``passenger_wsgi.py`` with this text."""
    path = site.web_folder / "passenger_wsgi.py"
    before = path.read_bytes()
    path.write_text(text, "utf-8")
    try:
        done = subprocess.run(
            [INTERPRETER, "-W", "ignore", "-c", program + CALL],
            cwd=site.web_folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.write_bytes(before)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def stubs() -> list[str]:
    version = subprocess.check_output([INTERPRETER, "-V"], text=True).split(".")[1]
    return [WITH_IMPORTLIB] if int(version) >= 12 else [WITH_IMP, WITH_IMPORTLIB]


@pytest.mark.parametrize("stub", stubs())
@pytest.mark.parametrize(
    ("program", "startup"),
    [
        (IMPORTED, "passenger_wsgi.py"),
        (IMPORTED, "deploy.py"),
        (IMPORTED, "taskmanager_wsgi.py"),
        (EXECUTED, "passenger_wsgi.py"),
        (EXECUTED, "taskmanager_wsgi.py"),
    ],
)
def test_the_entry_goes_on(site: InstalledSite, program: str, startup: str, stub: str) -> None:
    assert '"status":"healthy"' in health(site, program, stub.replace("{startup}", startup))


@pytest.mark.parametrize("program", [IMPORTED, EXECUTED], ids=["imported", "executed"])
def test_another_programs_file_is_run_as_it_is(site: InstalledSite, program: str) -> None:
    assert "another program" in health(site, program, ANOTHER_PROGRAM)


def test_an_installer_that_is_there_is_reached_through_the_stub(site: InstalledSite) -> None:
    installer = site.web_folder / "deploy.py"
    installer.write_text(ANOTHER_PROGRAM.replace("another program", "the installer"), "utf-8")
    try:
        stub = WITH_IMPORTLIB.replace("{startup}", "deploy.py")
        assert "the installer" in health(site, IMPORTED, stub)
    finally:
        installer.unlink()


def test_passenger_itself_goes_on(host: Host) -> None:
    hosted = host("passenger", "", "sqlite")
    site = hosted.site
    path = site.web_folder / "passenger_wsgi.py"
    before = path.read_text("utf-8")
    assert hosted.api("GET", "/health").status == 200
    processes = running_in(site.web_folder)
    site.replace("app/passenger_wsgi.py", WITH_IMP.replace("{startup}", "passenger_wsgi.py"))
    ask_for_restart(site.web_folder)
    try:

        def is_restarted() -> bool:
            response = hosted.api("GET", "/health")
            assert response.status == 200, response
            now = running_in(site.web_folder)
            return bool(now) and not processes & now

        wait_until(is_restarted, 30, "new processes")
        assert hosted.api("GET", "/tasks").status == 200
    finally:
        site.replace("app/passenger_wsgi.py", before)
        ask_for_restart(site.web_folder)


def running_in(folder: Path) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").resolve() == folder:
                found.add(int(entry.name))
        except OSError:
            continue
    return found
