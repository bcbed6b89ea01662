"""Cold CGI: what one request costs under a real Apache, where each starts a new Python.

    .venv-tests/bin/python -m bench.cold [--rounds 30] [--server cgi|cgid]

TaskManager's calls side by side with floors on the same server, interpreter, packages and
database: a bare Flask program; Flask + PyMySQL with one SELECT 1, taken naively; a list page by
Flask-SQLAlchemy, taken naively (bench/floors). Each round asks for each of them once, in a random
order. Times go from connecting to the last byte of the body: Apache closes the connection later.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.install.entry import CGI
from tests.support.apache import Apache
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST
from tests.support.server import API_KEY
from tests.support.site import INTERPRETER, InstalledSite

FLOORS = Path(__file__).parent / "floors"
SELECT_ONE = "floor: Flask + PyMySQL, SELECT 1"
PAGE = "floor: Flask-SQLAlchemy list"
BARE = "floor: Flask alone"
MOST_OF_FLOOR = {SELECT_ONE: 0.6, PAGE: 1.5}
DATABASE = "tm_cold"
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "name": {"type": "string", "minLength": 1}},
    "required": ["n"],
}

Case = Callable[[], float]


class Bench:
    """One site, its floors beside it, and what each case needs to have been done before."""

    def __init__(self, apache: Apache) -> None:
        self._apache = apache
        self._number = 0

    def prepare(self) -> None:
        for name, schema in (("cold.plain", {}), ("cold.schema", SCHEMA)):
            self._post("/task-types/register", name=name, version="1", param_schema=schema)
        tasks = [{"type": "cold.plain", "params": {"n": -n}} for n in range(1, 501)]
        self._post("/tasks", tasks=tasks)

    def floor(self, name: str) -> Case:
        return lambda: self._timed("GET", f"/{name}.cgi/", None)[0]

    def claim(self) -> float:
        return self._timed("POST", "/api/tasks/claim", {"worker_id": "w"})[0]

    def settle(self) -> float:
        task = self._post("/tasks/claim", worker_id="w")
        body = {"worker_id": "w", "attempt": task["attempts"], "result": {"ok": True}}
        return self._timed("POST", f"/api/tasks/{task['id']}/complete", body)[0]

    def create(self, kind: str) -> Case:
        def timed() -> float:
            self._number += 1
            body = {"type": kind, "params": {"n": self._number, "name": "x"}}
            return self._timed("POST", "/api/tasks", body)[0]

        return timed

    def list(self) -> float:
        return self._timed("GET", "/api/tasks?limit=50", None)[0]

    def health(self) -> float:
        return self._timed("GET", "/api/health", None)[0]

    def _post(self, path: str, **body: Any) -> Any:
        return self._timed("POST", f"/api{path}", body)[1]["data"]

    def _timed(self, method: str, path: str, body: Any) -> tuple[float, Any]:
        """Milliseconds and the answer. Raises RuntimeError unless it is a success."""
        payload = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(HOST, self._apache.port, timeout=60)
        begun = time.perf_counter()
        connection.request(method, path, payload, {"X-API-Key": API_KEY})
        answer = connection.getresponse()
        raw = answer.read()
        spent = (time.perf_counter() - begun) * 1000
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {raw!r}\n{self._apache.log()}")
        is_json = str(answer.headers["Content-Type"]).startswith("application/json")
        return spent, json.loads(raw) if is_json else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--server", choices=("cgi", "cgid"), default="cgi")
    wanted = parser.parse_args()
    database = MariaDB()
    database.start()
    try:
        url = mariadb_with_tables(database, DATABASE)
        parts = {
            "DB_HOST": f"{HOST}:{database.port}",
            "DB_NAME": DATABASE,
            "DB_USER": USER,
            "DB_PASS": PASSWORD,
        }
        site = InstalledSite(CGI, "", parts)
        try:
            _write_floors(site)
            extra = _floor_config(url, database.port)
            with Apache(site.document_root, wanted.server, extra=extra) as apache:
                times = run(Bench(apache), wanted.rounds)
        finally:
            site.remove()
        report(times, wanted.server, wanted.rounds, database)
    finally:
        database.remove()


def run(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every case in every round, after one that is not counted."""
    cases: dict[str, Case] = {
        BARE: bench.floor("bare"),
        SELECT_ONE: bench.floor("select_one"),
        PAGE: bench.floor("page"),
        "health": bench.health,
        "claim": bench.claim,
        "settle": bench.settle,
        "create without schema": bench.create("cold.plain"),
        "create with schema": bench.create("cold.schema"),
        "list of 50": bench.list,
    }
    bench.prepare()
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name in random.sample(list(cases), len(cases)):
            spent = cases[name]()
            if number:
                times[name].append(spent)
    return times


def report(times: dict[str, list[float]], server: str, rounds: int, database: MariaDB) -> None:
    version = subprocess.check_output([INTERPRETER, "-V"], text=True).strip()
    print(
        f"Apache mod_{server}, {version}, MariaDB {database.client('SELECT VERSION()').strip()} "
        f"over TCP, {os.cpu_count()} cores of {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f}; {rounds} interleaved rounds, milliseconds\n"
    )
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(f"{'':34}{'median':>8}{'fastest':>9}{'x SELECT 1':>12}{'x list':>8}")
    for name, each in times.items():
        print(
            f"{name:34}{medians[name]:8.1f}{min(each):9.1f}"
            f"{medians[name] / medians[SELECT_ONE]:12.2f}{medians[name] / medians[PAGE]:8.2f}"
        )
    print()
    for floor, names in (
        (SELECT_ONE, ("claim", "settle", "create without schema")),
        (PAGE, ("list of 50",)),
    ):
        for name in names:
            ratio, most = medians[name] / medians[floor], MOST_OF_FLOOR[floor]
            verdict = "within" if ratio <= most else "ABOVE"
            print(f"{name}: {ratio:.2f} of its floor, {verdict} the {most} that it may cost")


def _write_floors(site: InstalledSite) -> None:
    """Beside the entry, with the release's packages; the front controller lets them through."""
    vendor = str(site.release / "vendor")
    for source in sorted(FLOORS.glob("*.py")):
        program = site.web_folder / f"{source.stem}.cgi"
        path = f"import sys; sys.path.insert(0, {vendor!r})"
        program.write_text(f"#!{INTERPRETER}\n{path}\n{source.read_text('utf-8')}", "utf-8")
        program.chmod(0o755)
    rules = site.web_folder / ".htaccess"
    through = "RewriteEngine On\nRewriteRule ^(bare|select_one|page)\\.cgi(/|$) - [L]\n"
    rules.write_text(through + rules.read_text("utf-8"), "utf-8")
    site.give_to_web_server()


def _floor_config(url: str, port: int) -> str:
    values = {"HOST": HOST, "PORT": port, "USER": USER, "PASSWORD": PASSWORD, "NAME": DATABASE}
    lines = [f'SetEnv BENCH_{name} "{value}"' for name, value in values.items()]
    return "\n".join([*lines, f'SetEnv BENCH_URL "{url}"'])


if __name__ == "__main__":
    main()
