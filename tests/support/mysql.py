"""MySQL 9 for the tests, beside the system: Debian's unstable suite has it, older ones do not.

`python -m tests.support.mysql` fetches it, starts a server, prints the address that tests/run takes
as TEST_DATABASE_SERVER, and ends the server on Ctrl-C or SIGTERM. No package is installed: they are
unpacked in a folder and run through their own dynamic loader, so they need nothing of the system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.mariadb import MariaDB
from tests.support.net import HOST
from tests.support.processes import wait_for_ctrl_c

PACKAGE = "mysql-server-core"
SUITE = "unstable"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FOLDER = Path(tempfile.gettempdir()) / f"tm-mysql-{os.geteuid()}"
PASSWORD = "root"


class MySQL(MariaDB):
    """A mysqld with durable defaults."""

    def __init__(self, *options: str) -> None:
        self._root = unpacked()
        super().__init__(
            f"--basedir={self._root / 'usr'}",
            "--mysqlx=OFF",
            "--secure-file-priv=",
            # The tests' user makes triggers, and the binary log is on, as it is by default.
            "--log-bin-trust-function-creators=ON",
            *options,
        )

    def start(self) -> None:
        new = not self._data.exists()
        super().start()
        if new:
            self.client(
                f"CREATE USER root@'{HOST}' IDENTIFIED BY '{PASSWORD}';"
                f"GRANT ALL ON *.* TO root@'{HOST}' WITH GRANT OPTION;"
            )

    def _command(self) -> list[str]:
        (loader,) = self._root.glob("usr/lib*/ld-linux-*.so.*")
        folders = {path.parent for path in self._root.glob("usr/lib/**/*.so*")}
        (program,) = self._root.glob("usr/sbin/mysqld")
        return [str(loader), "--library-path", ":".join(map(str, sorted(folders))), str(program)]

    def _install(self) -> None:
        command = [
            *self._command(),
            "--no-defaults",
            f"--user={self._account}",
            f"--basedir={self._root / 'usr'}",
            f"--datadir={self._data}",
            f"--tmpdir={self._temporary}",
            "--initialize-insecure",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mysqld --initialize-insecure failed:\n{done.stdout}{done.stderr}")


def unpacked() -> Path:
    """The folder with the server and all that it needs; the first time it is fetched.

    Raises RuntimeError with what apt or dpkg said.
    """
    if FOLDER.exists():
        if FOLDER.stat().st_uid != os.geteuid():
            raise RuntimeError(f"{FOLDER} belongs to somebody else. Delete it, then try again.")
    else:
        # In a folder of its own until it is complete, so that a broken fetch leaves nothing behind.
        building = Path(tempfile.mkdtemp(prefix="tm-mysql-"))
        try:
            for archive in _fetch(building / "apt"):
                _run("dpkg", "-x", str(archive), str(building / "root"))
            (building / "root").chmod(0o755)
            (building / "root").rename(FOLDER)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return FOLDER


def _fetch(folder: Path) -> list[Path]:
    """The package with everything it depends on, from the mirror that this system's apt uses."""
    for name in ("state/lists/partial", "cache/archives/partial", "empty"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()  # nothing is installed, so that the C library comes along
    (folder / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n", "utf-8"
    )
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "empty",
        "Dir::Etc::preferencesparts": folder / "empty",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", *(f"--option={name}={value}" for name, value in settings.items())]
    _run(*apt, "update")
    _run(*apt, "install", "--yes", "--download-only", PACKAGE)
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def _mirror() -> str:
    """Where this system's apt gets Debian's packages from."""
    wanted = ("Created-By: Packages", "Origin: Debian", "Label: Debian")
    found = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).split()
    if not found:
        raise RuntimeError("apt knows no mirror of Debian; run apt-get update first")
    return found[0]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    with MySQL() as server:
        print(f"mysql+pymysql://root:{PASSWORD}@{HOST}:{server.port}/", flush=True)
        wait_for_ctrl_c()


if __name__ == "__main__":
    main()
