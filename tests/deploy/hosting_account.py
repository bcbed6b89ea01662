"""A user's account on a host: a real Apache, an empty web folder, and what is uploaded into it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.install.build import build_of
from tests.deploy.archives import PYTHON, bundle, made_once, shared_folder
from tests.support.account import account, as_owner
from tests.support.apache import Apache
from tests.support.disk import mount, unmount
from tests.support.mariadb import USER, MariaDB
from tests.support.net import HOST
from tests.support.server import PROJECT
from tests.support.site import passenger_site

STEPS = ["checks", "files", "dependencies", "compile", "database", "tables", "entry"]
STEPS += ["selftest", "finish"]

# As a control panel's "Setup Python App" writes it for the startup file deploy.py.
PANEL_STUB = """\
import importlib.util
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "deploy.py")
spec = importlib.util.spec_from_file_location("wsgi", path)
wsgi = importlib.util.module_from_spec(spec)
spec.loader.exec_module(wsgi)
application = wsgi.application
"""


class HostingAccount:
    """``kind`` is ``cgi``, ``cgid`` or ``passenger``; ``base`` the folder's address, or empty.

    The installer is uploaded under the name ``installer`` and run by ``python``. With ``disk``
    the account has so many megabytes, and no more.
    """

    def __init__(
        self,
        kind: str = "cgi",
        base: str = "",
        installer: str = "deploy.py",
        python: str = PYTHON,
        disk: int = 0,
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="tm-account-", dir="/tmp"))
        self.base = base
        self.python = python
        self._has_disk = bool(disk)
        if disk:
            mount(self.root, disk)
        self.is_passenger = kind == "passenger"
        self.document_root = self.root / "public_html"
        self.web_folder = self.document_root / base.strip("/")
        extra = ""
        if self.is_passenger:
            self.web_folder = self.root / "app"
            (self.web_folder / "public").mkdir(parents=True)
            self.document_root.mkdir()
            extra = passenger_site(self.web_folder, base, python)
        self.web_folder.mkdir(parents=True, exist_ok=True)
        self.installer = self.web_folder / installer
        root = self.web_folder / "public" if self.is_passenger and not base else self.document_root
        self.apache = Apache(root, kind, base, extra=extra)
        self.url = self.apache.url[: -len("/api")]

    def __enter__(self) -> HostingAccount:
        self.own()
        self.apache.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.apache.remove()
        if self._has_disk:
            unmount(self.root)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def home(self) -> Path:
        """Where the installer puts everything that no address may reach."""
        if self.is_passenger:
            return self.web_folder / "taskmanager"
        return self.root / ("taskmanager" + self.base.replace("/", "-"))

    @property
    def page(self) -> str:
        return f"{self.url}/{self.installer.name}"

    def upload_installer(self, password: str = "", source: Path = PROJECT / "deploy.py") -> None:
        """deploy.py, with the password set if there is one, and the line that names Python."""
        text = source.read_text("utf-8")
        text = text.replace("#!/usr/bin/env python3", f"#!{self.python}", 1)
        if password:
            text = text.replace('ADMIN_PASSWORD = ""', f"ADMIN_PASSWORD = {password!r}", 1)
        self.installer.write_text(text, "utf-8")
        self.installer.chmod(0o755)
        if self.is_passenger:
            stub = self.web_folder / "passenger_wsgi.py"
            if not stub.exists():
                stub.write_text(PANEL_STUB, "utf-8")
        self.own()

    def upload(self, archive: Path) -> None:
        """An archive with its checksum."""
        shutil.copy(archive, self.web_folder)
        checksum = archive.with_name(archive.name + ".sha256")
        if checksum.exists():
            shutil.copy(checksum, self.web_folder)
        self.own()

    def create(self, name: str) -> None:
        """An empty file, as with an FTP program."""
        (self.web_folder / name).touch()
        self.own()

    def copy(self, template: Path) -> None:
        """The files of another account of this kind, as if they had been made here."""
        facts = json.loads((template / "facts.json").read_text())
        subprocess.run(["cp", "-a", f"{template / 'root'}/.", str(self.root)], check=True)
        (self.root / "answers.json").unlink()
        tops = [self.home, self.web_folder, self.web_folder / "__pycache__"]
        for path in [path for top in tops if top.is_dir() for path in top.iterdir()]:
            if path.is_file() and not path.name.startswith(("deploy", "taskmanager-")):
                before = path.read_bytes()
                # Both are of one length: bytecode stays what it is.
                after = before.replace(facts["root"].encode(), str(self.root).encode())
                after = after.replace(facts["url"].encode(), self.url.encode())
                if after != before:
                    times = path.stat()
                    path.write_bytes(after)
                    # The installer compares the times of its files.
                    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.own()

    def own(self) -> None:
        """Everything belongs to the user whom programs run as."""
        self.root.chmod(0o755)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{account()}:", str(self.root)], check=True)

    def journal(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.home / "journal.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return content

    def api_key(self) -> str:
        found = re.search(r"^API_KEY = '(.+)'$", (self.home / "config.py").read_text(), re.M)
        assert found
        return found[1]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """One call of the installed site's API."""
        response = self.apache.api(method, path, body, {"X-API-Key": self.api_key()})
        return response.status, response.json

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command line as cron runs it: a bare shell of the owner."""
        return subprocess.run(
            [
                *as_owner(),
                "env",
                "-i",
                "PATH=/usr/bin:/bin",
                f"HOME={self.root}",
                "sh",
                "-c",
                command,
            ],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=300,
            check=False,
        )

    def install(
        self,
        config: Mapping[str, Any] | None = None,
        *options: str,
        mode: str = "--install",
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """deploy.py --install, unattended, as the owner."""
        process = self.start_install(config, *options, mode=mode, **env)
        out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start_install(
        self,
        config: Mapping[str, Any] | None = None,
        *options: str,
        mode: str = "--install",
        **env: str,
    ) -> subprocess.Popen[str]:
        path = self.root / "answers.json"
        kind = "passenger" if self.is_passenger else "cgi"
        path.write_text(json.dumps({"url": self.url, "kind": kind, **(config or {})}), "utf-8")
        path.chmod(0o644)
        command = [self.python, str(self.installer), mode, "--config", str(path)]
        return subprocess.Popen(
            [*as_owner(), *command, *options],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.root), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill_processes(self) -> int:
        """SIGKILL to every process of this installation, as a host does: how many."""
        found = 0
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                folder = os.readlink(entry / "cwd")
            except OSError:
                continue
            if entry.name.isdecimal() and (
                str(self.installer) in line or folder.startswith(str(self.home))
            ):
                with contextlib.suppress(ProcessLookupError):  # it ended just now
                    os.kill(int(entry.name), signal.SIGKILL)
                    found += 1
        return found


@contextlib.contextmanager
def installed_account(kind: str = "cgi", base: str = "") -> Iterator[HostingAccount]:
    """An account on which the archive of the working tree is installed and deploy.py is locked: a
    copy of one that was installed once for all tests of the run.
    """
    with HostingAccount(kind, base) as account:
        account.copy(installed_template(kind, base))
        yield account


def installed_template(kind: str, base: str) -> Path:
    """The folder with such an account's files, its root and its address."""
    folder = shared_folder[0] / f"installed-{kind}{base.replace('/', '-')}"
    with made_once(folder) as is_there:
        if not is_there:
            with HostingAccount(kind, base) as account:
                account.upload_installer()
                account.upload(bundle())
                done = account.install()
                assert done.returncode == 0, done
                subprocess.run(["cp", "-a", str(account.root), str(folder / "root")], check=True)
                facts = {"root": str(account.root), "url": account.url}
                (folder / "facts.json").write_text(json.dumps(facts))
    return folder


def upload_bundle(account: HostingAccount, archive: Path) -> None:
    """An archive without packages; those of the version that serves stand in for pip's work."""
    account.upload(archive)
    folder = account.home / "releases" / build_of(archive)
    with_packages = folder / "vendor"
    if not with_packages.exists():
        subprocess.run(
            [PYTHON, "-m", "zipfile", "-e", str(archive), str(folder)], check=True, cwd="/"
        )
        serving = account.home / "releases" / (account.home / "current").read_text().strip()
        subprocess.run(["cp", "-al", str(serving / "vendor"), str(with_packages)], check=True)
    account.own()


def mysql(mariadb: MariaDB, database: str, **more: str) -> dict[str, Any]:
    """The answers about a database, for `install`."""
    host = f"{HOST}:{mariadb.port}"
    return {"database": {"engine": "mysql", "host": host, "name": database, "user": USER, **more}}


def lines(text: str) -> list[dict[str, Any]]:
    """What --json printed."""
    return [json.loads(line) for line in text.splitlines()]


def assert_closed(account: HostingAccount) -> None:
    """Nothing private can be had from outside, and no request compiles anything."""
    for name in ("config.py", "journal.json", "current", ".htaccess", "schema.sql"):
        response = account.apache.request("GET", f"{account.base}/{name}")
        assert response.status in (403, 404), name
    assert b"import" not in account.apache.request("GET", f"{account.base}/index.cgi").raw
    before = sorted(account.home.rglob("*.pyc"))
    assert len(before) > 100
    stamps = [path.stat().st_mtime_ns for path in before]
    assert account.call("GET", "/tasks")[0] == 200
    assert account.call("POST", "/tasks/claim", {"worker_id": "w"})[0] == 404
    after = sorted(account.home.rglob("*.pyc"))
    assert after == before
    assert [path.stat().st_mtime_ns for path in after] == stamps
