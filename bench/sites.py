"""Installed sites under Apache to measure, by CGI or Passenger, with a log of their requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.install.entry import PASSENGER
from bench.queues import NOW, Version
from tests.support.apache import Apache
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST
from tests.support.site import InstalledSite, compile_folder

FLOORS = Path(__file__).parent / "floors"


class ServedSite:
    """A site, its Apache, and what the access log tells."""

    def __init__(self, site: InstalledSite, apache: Apache, log: Path) -> None:
        self.site = site
        self.apache = apache
        self._log = log

    def requests(self) -> list[tuple[float, str]]:
        """Seconds and path of each request so far."""
        lines = [line.split() for line in self._log.read_text("utf-8").splitlines()]
        return [(int(microseconds) / 1e6, path) for microseconds, path in lines]

    def post(self, path: str, body: dict[str, object]) -> None:
        """Raises RuntimeError unless it is a success."""
        response = self.apache.api("POST", path, body)
        if response.status >= 300:
            raise RuntimeError(f"{path}: {response!r}\n{self.apache.log()}")


@contextmanager
def serving_site(
    kind: str, server: str, mariadb: MariaDB, version: Version = NOW, extra: str = ""
) -> Iterator[ServedSite]:
    """An empty site; ``kind`` is as in app.install.entry, ``server`` as Apache has it."""
    database = f"tm_bench_site_{version.name}"
    mariadb.create_database(database)
    mariadb.client((version.folder / "schema.sql").read_text("utf-8"), database)
    settings = {
        "DB_HOST": f"{HOST}:{mariadb.port}",
        "DB_NAME": database,
        "DB_USER": USER,
        "DB_PASS": PASSWORD,
    }
    site = InstalledSite(kind, "", settings)
    try:
        _use(site, version)
        log = site.root / "access.log"
        passenger = site.passenger_config() if kind == PASSENGER else ""
        config = f'{passenger}\n{extra}\nCustomLog {log} "%{{usec}}t %U"'
        with Apache(site.document_root, server, extra=config) as apache:
            yield ServedSite(site, apache, log)
    finally:
        site.remove()
        mariadb.client(f"DROP DATABASE {database}")


def _use(site: InstalledSite, version: Version) -> None:
    """Have the site run another checkout's program."""
    if version == NOW:
        return
    shutil.rmtree(site.release / "app")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(version.folder / "app", site.release / "app", ignore=ignored)
    compile_folder(site.release / "app")
    site.give_to_web_server()
