"""Cold CGI: what one request costs where each starts a new Python.

TaskManager's calls side by side with floors on the same server, interpreter, packages and
database: a bare Flask program; Flask + PyMySQL with one SELECT 1, taken naively; a list page by
Flask-SQLAlchemy, taken naively (bench/floors). Each round asks for each of them once, in a random
order. Times go from connecting to the last byte of the body: Apache closes the connection later.
Processor time and memory are those of the same programs, run by hand in the same environment.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from app.install.entry import CGI
from bench.queues import Version
from bench.report import Table
from bench.run import Run
from bench.sites import FLOORS, ServedSite, serving_site
from bench.visitor import Visitor
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST
from tests.support.server import API_KEY
from tests.support.site import INTERPRETER

SELECT_ONE = "floor: Flask + PyMySQL, SELECT 1"
PAGE = "floor: Flask-SQLAlchemy list"
BARE = "floor: Flask alone"
OVERVIEW = "page: overview"
PROGRAMS = {BARE: "bare", SELECT_ONE: "select_one", PAGE: "page"}
MOST_OF_SELECT_ONE = 0.2
MOST_OF_PAGE = 1.5
MOST_OF_PLAIN_CREATE = 1.5
ROUNDS = {"usual": 15, "quick": 1, "full": 30}
SPENT = Path(__file__).parents[1] / "spent.py"
CLAIM = b'{"worker_id":"w"}'
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "name": {"type": "string", "minLength": 1}},
    "required": ["n"],
}


def measure(run: Run) -> None:
    rounds = run.count(**ROUNDS)
    with ExitStack() as stack:
        calls = {
            version.name: stack.enter_context(_calls(version, run.mariadb))
            for version in run.versions
        }
        cases: dict[str, Callable[[], float]] = {}
        for name, each in calls.items():
            each.prepare()
            suffix = "" if name == "now" else f", {name}"
            cases.update({f"{call}{suffix}": case for call, case in each.cases().items()})
        cases.update(calls["now"].pages())
        cases.update({name: partial(calls["now"].floor, name) for name in PROGRAMS})
        for case in cases.values():
            case()
        times = run.interleaved(cases, rounds=rounds)
        costs = {
            name: calls["now"].cost(program, run.count(7, 1, full=15))
            for name, program in {**PROGRAMS, "claim": "index"}.items()
        }
    _report(run, times, costs, rounds)


def _report(
    run: Run, times: dict[str, float], costs: dict[str, tuple[float, float]], rounds: int
) -> None:
    table = Table(
        "Cold CGI: milliseconds a request",
        ["request", "median", "x SELECT 1", "x list", "processor ms", "peak MB"],
        note=f"Apache mod_cgi, {INTERPRETER}, MariaDB over TCP, {rounds} interleaved rounds.",
    )
    for name, median in times.items():
        cells = [median, median / times[SELECT_ONE], median / times[PAGE]]
        table.add(name, *cells, *costs.get(name, ("", "")))
    run.report.table(table)
    run.report.bars("cold", "Cold CGI", "ms", times)
    goal = run.report.goal
    goal("cold claim / SELECT 1", times["claim"] / times[SELECT_ONE], at_most=MOST_OF_SELECT_ONE)
    goal("cold list / list page", times["list of 50"] / times[PAGE], at_most=MOST_OF_PAGE)
    goal("cold overview / list page", times[OVERVIEW] / times[PAGE], at_most=MOST_OF_PAGE)
    ratio = times["create with schema"] / times["create without schema"]
    goal("cold create with schema / without", ratio, at_most=MOST_OF_PLAIN_CREATE)


class _Calls:
    """The calls of one site, and the floors beside it."""

    def __init__(self, served: ServedSite, floor_environment: dict[str, str]) -> None:
        self._served = served
        self._floor_environment = floor_environment
        self._number = 0

    def prepare(self) -> None:
        for name, schema in (("cold.plain", {}), ("cold.schema", SCHEMA)):
            self._post("/task-types/register", name=name, version="1", param_schema=schema)
        tasks = [{"type": "cold.plain", "params": {"n": -n}} for n in range(1, 501)]
        self._post("/tasks", tasks=tasks)

    def cases(self) -> dict[str, Callable[[], float]]:
        """Milliseconds of each call."""
        return {
            "health": lambda: self._timed("GET", "/api/health", None)[0],
            "claim": lambda: self._timed("POST", "/api/tasks/claim", {"worker_id": "w"})[0],
            "settle": self._settle,
            "create without schema": partial(self._create, "cold.plain"),
            "create with schema": partial(self._create, "cold.schema"),
            "list of 50": lambda: self._timed("GET", "/api/tasks?limit=50", None)[0],
        }

    def pages(self) -> dict[str, Callable[[], float]]:
        """Milliseconds of pages of the dashboard, for somebody who is signed in."""
        visitor = Visitor(f"{HOST}:{self._served.apache.port}", keeps_connection=False)

        def timed(path: str) -> float:
            begun = time.perf_counter()
            visitor.get(path)
            return (time.perf_counter() - begun) * 1000

        return {
            OVERVIEW: partial(timed, "/dashboard"),
            "page: tasks": partial(timed, "/dashboard/tasks"),
        }

    def floor(self, name: str) -> float:
        return self._timed("GET", f"/{PROGRAMS[name]}.cgi/", None)[0]

    def cost(self, program: str, rounds: int) -> tuple[float, float]:
        """Median milliseconds of processor time, and the peak of memory in MB, of a claim by
        ``index``, or of a floor.
        """
        path = self._served.site.web_folder / f"{program}.cgi"
        environment = self._claim_environment()
        if program != "index":
            environment.update(REQUEST_METHOD="GET", PATH_INFO="/")
        found = [_spent(path, environment, CLAIM) for _ in range(rounds)]
        return statistics.median(ms for ms, _ in found), max(mb for _, mb in found)

    def _claim_environment(self) -> dict[str, str]:
        return {
            **self._floor_environment,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REQUEST_METHOD": "POST",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": HOST,
            "SERVER_PORT": "80",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/api/tasks/claim",
            "REQUEST_URI": "/api/tasks/claim",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(CLAIM)),
            "HTTP_X_API_KEY": API_KEY,
        }

    def _settle(self) -> float:
        task = self._post("/tasks/claim", worker_id="w")
        body = {"worker_id": "w", "attempt": task["attempts"], "result": {"ok": True}}
        return self._timed("POST", f"/api/tasks/{task['id']}/complete", body)[0]

    def _create(self, kind: str) -> float:
        self._number += 1
        body = {"type": kind, "params": {"n": self._number, "name": "x"}}
        return self._timed("POST", "/api/tasks", body)[0]

    def _post(self, path: str, **body: Any) -> Any:
        return self._timed("POST", f"/api{path}", body)[1]["data"]

    def _timed(self, method: str, path: str, body: Any) -> tuple[float, Any]:
        """Milliseconds and the response. Raises RuntimeError unless it is a success."""
        payload = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(HOST, self._served.apache.port, timeout=60)
        begun = time.perf_counter()
        connection.request(method, path, payload, {"X-API-Key": API_KEY})
        response = connection.getresponse()
        raw = response.read()
        spent = (time.perf_counter() - begun) * 1000
        connection.close()
        if response.status >= 300:
            log = self._served.apache.log()
            raise RuntimeError(f"{method} {path}: {response.status} {raw!r}\n{log}")
        is_json = str(response.headers["Content-Type"]).startswith("application/json")
        return spent, json.loads(raw) if is_json else None


def _spent(program: Path, environment: dict[str, str], body: bytes) -> tuple[float, float]:
    """Milliseconds of processor time and MB of one run of a CGI program. Raises RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="tm-bench-") as folder:
        given, printed = Path(folder, "given"), Path(folder, "printed")
        given.write_bytes(body)
        command = [INTERPRETER, "-ES", str(SPENT), str(program), str(given), str(printed)]
        told = subprocess.check_output(command, env=environment, text=True).split()
        head = printed.read_bytes()[:100]
    if told[0] != "0" or not head.startswith(b"Status: 200"):
        raise RuntimeError(f"{program.name} ended with {told[0]}: {head!r}")
    return float(told[1]), float(told[2])


@contextmanager
def _calls(version: Version, mariadb: MariaDB) -> Iterator[_Calls]:
    name = f"tm_bench_site_{version.name}"
    values = {
        "BENCH_HOST": HOST,
        "BENCH_PORT": str(mariadb.port),
        "BENCH_USER": USER,
        "BENCH_PASSWORD": PASSWORD,
        "BENCH_NAME": name,
        "BENCH_URL": mariadb.url(name),
    }
    extra = "\n".join(f'SetEnv {key} "{value}"' for key, value in values.items())
    with serving_site(CGI, "cgi", mariadb, version, extra) as served:
        _write_floors(served)
        yield _Calls(served, values)


def _write_floors(served: ServedSite) -> None:
    """Beside the entry, with the release's packages; the front controller lets them through."""
    site = served.site
    vendor = str(site.release / "vendor")
    for name in PROGRAMS.values():
        program = site.web_folder / f"{name}.cgi"
        path = f"import sys; sys.path.insert(0, {vendor!r})"
        source = (FLOORS / f"{name}.py").read_text("utf-8")
        program.write_text(f"#!{INTERPRETER}\n{path}\n{source}", "utf-8")
        program.chmod(0o755)
    rules = site.web_folder / ".htaccess"
    through = f"RewriteEngine On\nRewriteRule ^({'|'.join(PROGRAMS.values())})\\.cgi(/|$) - [L]\n"
    rules.write_text(through + rules.read_text("utf-8"), "utf-8")
    site.give_to_web_server()
