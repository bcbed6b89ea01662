"""Cycles per second over HTTP: claim a task and complete it, one by one and in batches.

    .venv-tests/bin/python -m bench.cycles [--clients 1 8] [--seconds 3] [--rounds 3]

Every way runs on SQLite and on a private MariaDB, in turn within each round, against gunicorn
with real HTTP; the median of the rounds is printed, and its ratio to claim + complete singly.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from typing import Any, Callable
from urllib.parse import urlsplit

from tests.support.database import mariadb_with_tables
from tests.support.mariadb import MariaDB
from tests.support.server import API_KEY, Server

TYPE = "bench.cycle"
BATCH = 1000
LOW_WATER = 20_000

Way = Callable[["Client", str, float], int]


class Client:
    """One connection that is kept open, as a busy worker keeps it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer's data; None for 404. Raises RuntimeError for any other refusal."""
        headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
        self._connection.request("POST", f"/api{path}", json.dumps(body), headers)
        answer = self._connection.getresponse()
        document = json.loads(answer.read())
        if answer.status >= 400 and answer.status != 404:
            raise RuntimeError(f"{path}: {answer.status} {document}")
        return document.get("data")


def singly(client: Client, worker: str, until: float) -> int:
    """Two calls a task: claim, complete."""
    done = 0
    while time.monotonic() < until:
        task = client.post("/tasks/claim", {"worker_id": worker})
        outcome = {"worker_id": worker, "attempt": task["attempts"], "result": {"ok": True}}
        client.post(f"/tasks/{task['id']}/complete", outcome)
        done += 1
    return done


def folded(client: Client, worker: str, until: float) -> int:
    """One call a task: complete with the next claim folded in."""
    done = 0
    task = client.post("/tasks/claim", {"worker_id": worker})
    while time.monotonic() < until:
        outcome = {"worker_id": worker, "attempt": task["attempts"], "claim": {}}
        task = client.post(f"/tasks/{task['id']}/complete", outcome)["tasks"][0]
        done += 1
    return done


def in_batches(size: int) -> Way:
    """One call for ``size`` tasks: settle them, claim the next."""

    def run(client: Client, worker: str, until: float) -> int:
        done = 0
        tasks = client.post("/tasks/claim", {"worker_id": worker, "limit": size})["tasks"]
        while time.monotonic() < until:
            outcomes = [
                {"id": task["id"], "attempt": task["attempts"], "result": {"ok": True}}
                for task in tasks
            ]
            body = {"worker_id": worker, "outcomes": outcomes, "claim": {"limit": size}}
            answer = client.post("/tasks/settle", body)
            done += len(answer["settled"])
            tasks = answer["tasks"]
        return done

    return run


WAYS: dict[str, Way] = {
    "claim + complete": singly,
    "complete with claim": folded,
    "batches of 10": in_batches(10),
    "batches of 50": in_batches(50),
}


def _client(url: str, way: str, name: str, seconds: float, results: Any) -> None:
    client = Client(url)
    started = time.monotonic()
    done = WAYS[way](client, name, started + seconds)
    results.put(done / (time.monotonic() - started))


def measure(server: Server, way: str, clients: int, seconds: float) -> float:
    """Tasks per second that ``clients`` processes complete together."""
    results: Any = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(
            target=_client, args=(server.url, way, f"bench-{number}", seconds, results)
        )
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    total = sum(results.get(timeout=seconds + 60) for _ in processes)
    for process in processes:
        process.join()
    return float(total)


class Stock:
    """Keeps enough pending tasks in a server's queue."""

    def __init__(self, server: Server, pending: int) -> None:
        self._url = server.url
        self._pending = pending
        Client(self._url).post(
            "/task-types/register", {"name": TYPE, "version": "1", "param_schema": {}}
        )
        self._left = 0

    def used(self, count: float) -> None:
        self._left -= int(count) + 1

    def refill(self) -> None:
        client = Client(self._url)
        while self._left < self._pending:
            tasks = [
                {"type": TYPE, "params": {"n": number}, "dedupe": False} for number in range(BATCH)
            ]
            client.post("/tasks", {"tasks": tasks})
            self._left += BATCH


def main() -> None:
    options = _options()
    mariadb = MariaDB()
    try:
        mariadb.start()
        with tempfile.TemporaryDirectory(prefix="tm-bench-") as folder:
            urls = {
                "SQLite": f"sqlite:///{folder}/queue.sqlite3",
                "MariaDB": mariadb_with_tables(mariadb, "tm_bench"),
            }
            _print_conditions(mariadb, options)
            for clients in options.clients:
                _compare(urls, clients, options)
    finally:
        mariadb.remove()


def _compare(urls: dict[str, str], clients: int, options: argparse.Namespace) -> None:
    rates: dict[tuple[str, str], list[float]] = {}
    processes = os.cpu_count() or 1
    for engine, url in urls.items():
        with Server({"DATABASE_URL": url}, workers=processes, threads=max(2, clients)) as server:
            stock = Stock(server, options.pending)
            for _ in range(options.rounds):
                for way in WAYS:
                    stock.refill()
                    rate = measure(server, way, clients, options.seconds)
                    stock.used(rate * options.seconds)
                    rates.setdefault((engine, way), []).append(rate)
    print(f"\n{clients} client{'s' if clients > 1 else ''}, tasks completed per second (ratio)")
    print(f"{'':22}" + "".join(f"{engine:>20}" for engine in urls))
    for way in WAYS:
        cells = []
        for engine in urls:
            rate = statistics.median(rates[engine, way])
            ratio = rate / statistics.median(rates[engine, "claim + complete"])
            cells.append(f"{rate:12.0f} ({ratio:.1f})")
        print(f"{way:22}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def _print_conditions(mariadb: MariaDB, options: argparse.Namespace) -> None:
    version = mariadb.client("SELECT VERSION()").strip()
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {version} (durable "
        f"defaults), SQLite {sqlite3.sqlite_version} (WAL, synchronous FULL)\n"
        f"gunicorn with a process a core on loopback, clients on the same machine, "
        f"at least {options.pending} tasks pending, history on, "
        f"{options.rounds} rounds of {options.seconds:g} s, median"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cycles", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pending", type=int, default=LOW_WATER)
    return parser.parse_args()


if __name__ == "__main__":
    main()
