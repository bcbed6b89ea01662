"""The faults of a chaos run. Each is a function that does the damage, waits, and mends it; when it
returns the fault is over.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.client_pool import ClientPool
from tests.faults.deployment import NAME
from tests.faults.processes import kill_a_worker
from tests.support.disk import fill
from tests.support.mariadb import MariaDB
from tests.support.net import wait_until


class Scene(NamedTuple):
    """What a fault may touch, and how long it lasts."""

    site: Any
    pool: ClientPool
    chance: random.Random
    seconds: float
    new_worker: Callable[[], None]


LONG = 8
"""How many times as long as others a long fault takes."""

Fault = Callable[[Scene], None]


def worker_killed(scene: Scene) -> None:
    scene.pool.kill_one("consume")
    scene.new_worker()


def web_process_killed(scene: Scene) -> None:
    kill_a_worker(scene.chance.choice(scene.site.servers))


def web_server_killed(scene: Scene) -> None:
    server = scene.chance.choice(scene.site.servers)
    server.kill()
    time.sleep(scene.seconds / 2)
    server.start()


def connections_cut(scene: Scene) -> None:
    """Again and again, at any moment of the calls on their way."""
    deadline = time.monotonic() + scene.seconds
    while time.monotonic() < deadline:
        for wire in scene.site.wires:
            wire.cut_all()
        time.sleep(scene.chance.uniform(0.05, 0.3))


def network_stalled(scene: Scene) -> None:
    wire = scene.chance.choice(scene.site.wires)
    wire.stall()
    time.sleep(scene.seconds)
    wire.resume()


def database_restarted(scene: Scene) -> None:
    scene.site.database.stop()
    time.sleep(scene.seconds / 2)
    scene.site.database.start()


def database_killed(scene: Scene) -> None:
    scene.site.database.kill()
    time.sleep(scene.seconds / 2)
    scene.site.database.start()


def database_paused(scene: Scene) -> None:
    scene.site.database.pause()
    time.sleep(scene.seconds)
    scene.site.database.resume()


def rows_locked(scene: Scene) -> None:
    lock_rows(scene.site.database, scene.seconds)


def rows_locked_for_long(scene: Scene) -> None:
    """For longer than a call may wait."""
    lock_rows(scene.site.database, scene.seconds * LONG)


def tables_locked(scene: Scene) -> None:
    sql = f"LOCK TABLES tasks WRITE, task_types WRITE; SELECT SLEEP({scene.seconds})"
    scene.site.database.client(sql, NAME)


def file_locked(scene: Scene) -> None:
    lock_file(scene.site.file, scene.seconds)


def file_locked_for_long(scene: Scene) -> None:
    """For longer than a call may wait."""
    lock_file(scene.site.file, scene.seconds * LONG)


def disk_full(scene: Scene) -> None:
    stuffing = scene.site.folder / "stuffing"
    try:
        fill(stuffing)
        time.sleep(scene.seconds)
    finally:
        stuffing.unlink()


def node_killed(scene: Scene) -> None:
    node = scene.chance.choice(scene.site.cluster.nodes)
    node.kill()
    time.sleep(scene.seconds)
    node.start()
    scene.site.cluster.wait_until_whole()


def node_restarted(scene: Scene) -> None:
    node = scene.chance.choice(scene.site.cluster.nodes)
    node.stop()
    time.sleep(scene.seconds / 2)
    node.start()
    scene.site.cluster.wait_until_whole()


def node_paused(scene: Scene) -> None:
    """Long enough that the others go on without it."""
    node, *others = scene.chance.sample(scene.site.cluster.nodes, 3)
    node.pause()
    try:
        wait_until(lambda: others[0].status("cluster_size") == "2", 30, "the others to go on")
        time.sleep(scene.seconds)
    finally:
        node.resume()
    scene.site.cluster.wait_until_whole()


def node_rows_locked(scene: Scene) -> None:
    lock_rows(scene.chance.choice(scene.site.cluster.nodes), scene.seconds)


def lock_file(path: Path, seconds: float) -> None:
    """As another program does that writes for long."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def lock_rows(database: MariaDB, seconds: float) -> None:
    """All that wait or are claimed, as somebody's own statement in a database tool does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        rest = deadline - time.monotonic()
        # A deadlock with the application's own changes, or a rival node's change, may end it early.
        with contextlib.suppress(RuntimeError):
            database.client(
                "BEGIN; SELECT COUNT(*) FROM (SELECT id FROM tasks "
                "WHERE status IN ('pending', 'scheduled', 'claimed') FOR UPDATE) AS locked; "
                f"SELECT COUNT(*) FROM task_types FOR UPDATE; SELECT SLEEP({rest}); ROLLBACK",
                NAME,
            )


EVERYWHERE: list[Fault] = [worker_killed, web_process_killed, web_server_killed]

FAULTS: dict[str, list[Fault]] = {
    "sqlite": [*EVERYWHERE, file_locked, file_locked_for_long, disk_full],
    "mariadb": [
        *EVERYWHERE,
        connections_cut,
        network_stalled,
        database_restarted,
        database_killed,
        database_paused,
        rows_locked,
        rows_locked_for_long,
        tables_locked,
        disk_full,
    ],
    "galera": [
        *EVERYWHERE,
        connections_cut,
        network_stalled,
        node_restarted,
        node_paused,
        node_rows_locked,
    ],
}

FAULTS["mysql"] = FAULTS["mariadb"]

REGULAR: dict[str, Fault] = {"galera": node_killed}
"""What happens every half minute, whatever else does."""
REGULAR_SECONDS = 30


def name_of(fault: Fault) -> str:
    return fault.__name__.replace("_", " ")
