"""A site as it is on a host once it is installed: web folder, home, one release with vendor/."""

from __future__ import annotations

import atexit
import configparser
import fcntl
import functools
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.install.entry import PASSENGER
from tests.support.account import account
from tests.support.pythons import for_everybody
from tests.support.server import API_KEY, PROJECT

INTERPRETER = for_everybody(os.environ.get("SITE_PYTHON", "/usr/bin/python3"))
"""What sites run with, readable for the web server's user. SITE_PYTHON names another."""

RELEASE = "0.0.0-000000000000"
RELEASE_FILES = ("app", "examples", "passenger_wsgi.py", "worker.py", "schema.sql")


class InstalledSite:
    """One installed site, there until `remove` or the end of a ``with``.

    ``base`` is the address of its web folder: ``""`` or ``"/queue"``.
    """

    def __init__(
        self,
        kind: str,
        base: str,
        settings: Mapping[str, Any],
        home_outside: bool = False,
    ) -> None:
        """``kind`` as in app.install.entry. The home lies inside the web folder, where it is in
        most danger, unless ``home_outside``.
        """
        self.root = Path(tempfile.mkdtemp(prefix="tm-site-"))
        self.base = base
        self.document_root = self.root / "public_html"
        self.web_folder = self.document_root / base.strip("/")
        if kind == PASSENGER:
            # There the program lies beside what the web server itself may see.
            self.web_folder = self.root / "app"
            self.document_root = self.web_folder / "public" if not base else self.document_root
            (self.web_folder / "public").mkdir(parents=True)
        self.document_root.mkdir(parents=True, exist_ok=True)
        self.web_folder.mkdir(parents=True, exist_ok=True)
        self.home = (self.root if home_outside else self.web_folder) / "taskmanager"
        self.release = self.home / "releases" / RELEASE
        try:
            self._fill_home(settings)
            self._write_entry(kind)
            self.give_to_web_server()
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> InstalledSite:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def give_to_web_server(self) -> None:
        """As on a host where programs run as the user who owns the files."""
        self.root.chmod(0o755)
        owner = account()
        if owner != pwd.getpwuid(os.geteuid()).pw_name:
            subprocess.run(["chown", "-R", f"{owner}:", str(self.root)], check=True)

    def passenger_config(self) -> str:
        """What a control panel writes into Apache's own configuration for this site."""
        return passenger_site(self.web_folder, self.base)

    def replace(self, name: str, text: str) -> None:
        """Replace a file below the root, as the user whom programs run as."""
        path = self.root / name
        path.write_text(text, "utf-8")
        self.give_to_web_server()

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def _write_entry(self, kind: str) -> None:
        """By the site's own Python, which writes bytecode for itself."""
        program = (
            "import pathlib, sys; from app.install.entry import write_entry; "
            "write_entry(*map(pathlib.Path, sys.argv[1:3]), *sys.argv[3:])"
        )
        arguments = [str(self.web_folder), str(self.home), INTERPRETER, kind]
        subprocess.run(
            [INTERPRETER, "-B", "-c", program, *arguments], cwd=PROJECT, check=True, text=True
        )

    def _fill_home(self, settings: Mapping[str, Any]) -> None:
        for folder in ("data", "logs", "releases"):
            (self.home / folder).mkdir(parents=True, mode=0o700)
        values = {"API_KEY": API_KEY, **settings}
        config = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        (self.home / "config.py").write_text(config, "utf-8")
        (self.home / "config.py").chmod(0o600)
        (self.home / "journal.json").write_text('{"steps": []}', "utf-8")
        (self.home / "current").write_text(RELEASE + "\n", "utf-8")
        lay_out_release(self.home / "releases" / RELEASE)


def lay_out_release(folder: Path) -> None:
    """The project's files with vendor/, byte-compiled for INTERPRETER."""
    folder.mkdir(parents=True)
    subprocess.run(["cp", "-a", f"{_release_files()}/.", str(folder)], check=True)
    subprocess.run(["cp", "-a", str(vendor()), str(folder / "vendor")], check=True)


@functools.cache
def _release_files() -> Path:
    """A folder with the project's files, byte-compiled once, there until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="tm-release-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    for name in RELEASE_FILES:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    compile_folder(folder)
    return folder


def compile_folder(folder: Path) -> None:
    done = subprocess.run(
        [INTERPRETER, "-m", "compileall", "-q", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"compileall failed:\n{done.stdout}{done.stderr}")


@functools.cache
def vendor() -> Path:
    """The folder with the server's dependencies for INTERPRETER, byte-compiled.

    Made once for each list of them, beside the packages that the tests themselves run with.
    """
    config = configparser.ConfigParser(interpolation=None)
    config.read(PROJECT / "setup.cfg", encoding="utf-8")
    wanted = config["options"]["install_requires"].split()
    version = subprocess.check_output([INTERPRETER, "-VV"], text=True)
    digest = hashlib.sha256("\n".join([version, *wanted]).encode()).hexdigest()[:12]
    folder = Path(sys.prefix) / f"site-vendor-{digest}"
    # Several test processes may be the first to ask: one makes it, the others wait for it.
    with folder.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(wanted, folder)
    return folder


def _install(requirements: list[str], folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="site-vendor-", dir=folder.parent) as temporary:
        target = Path(temporary) / "vendor"
        done = subprocess.run(
            [*_pip(), "install", "--quiet", "--target", str(target), *requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pip failed:\n{done.stdout}{done.stderr}")
        compile_folder(target)
        target.chmod(0o755)
        target.rename(folder)


def _pip() -> list[str]:
    """The interpreter's own pip; where it has none, as on Debian, that of the tests."""
    own = [INTERPRETER, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    return [sys.executable, "-m", "pip", "--python", INTERPRETER]


def passenger_site(folder: Path, base: str, python: str = "") -> str:
    """Apache's configuration of an application in a folder, served below ``base``, as a control
    panel writes it; ``python`` runs it, or the server's own.
    """
    application = [
        f"PassengerAppRoot {folder}",
        "PassengerAppType wsgi",
        *([f"PassengerPython {python}"] if python else []),
        "PassengerStartupFile passenger_wsgi.py",
    ]
    if not base:
        return "\n".join(application)
    public = folder / "public"
    inside = [f"Alias {base} {public}", f"<Location {base}>", f"PassengerBaseURI {base}"]
    outside = [f"<Directory {public}>", "Require all granted", "</Directory>"]
    return "\n".join([*inside, *application, "</Location>", *outside])
