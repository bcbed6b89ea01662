"""Under which conditions a run measured: machine, versions, and what else the machine did."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from importlib import metadata
from pathlib import Path

from app.version import VERSION
from bench.queues import Version
from tests.support.mariadb import MariaDB
from tests.support.site import INTERPRETER

PACKAGES = ("PyMySQL", "Flask", "Flask-SQLAlchemy", "SQLAlchemy", "gunicorn")


def lines(mariadb: MariaDB, versions: list[Version], arguments: list[str]) -> list[str]:
    """Each one a fact."""
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    site_python = subprocess.check_output([INTERPRETER, "-V"], text=True).strip()
    return [
        f"`{' '.join(['python -m bench', *arguments])}`",
        f"{_processor()}, {os.cpu_count()} cores, {_memory()} of memory, {platform.system()} "
        f"{platform.release()}",
        f"load when it began: {load()}",
        f"TaskManager {VERSION}" + "".join(f", {each.name}: {_commit(each)}" for each in versions),
        f"Python {platform.python_version()}; under CGI and Passenger {site_python}",
        f"{mariadb.client('SELECT VERSION()').strip()}, durable defaults, "
        f"{_buffer_pool(mariadb)} of buffer pool; SQLite {sqlite3.sqlite_version}",
        packages,
        "servers, database and clients on the same machine; history on",
    ]


def load() -> str:
    """Of the last one, five and fifteen minutes; more than the cores is a busy machine."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.0f} GB"


def _buffer_pool(mariadb: MariaDB) -> str:
    return f"{int(mariadb.client('SELECT @@innodb_buffer_pool_size')) / 2**20:.0f} MB"


def _commit(version: Version) -> str:
    command = ["git", "-C", str(version.folder), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"
