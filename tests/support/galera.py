"""A Galera cluster for the tests: three real MariaDB nodes on this host.

`python -m tests.support.galera [NAME]` starts one, makes a database with the project's tables,
prints the address of each node, and ends the cluster on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

from tests.support.database import mariadb_with_tables
from tests.support.mariadb import MariaDB, grants
from tests.support.net import HOST, free_port, wait_until
from tests.support.processes import Startable, wait_for_ctrl_c

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
NODES = 3
JOIN_SECONDS = 120

SMALL = (
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--performance-schema=OFF",
    "--max-connections=100",
)
FORGET_QUICKLY = (
    "evs.keepalive_period=PT0.5S",
    "evs.suspect_timeout=PT2S",
    "evs.inactive_check_period=PT0.5S",
    "evs.inactive_timeout=PT5S",
    "evs.install_timeout=PT5S",
)
"""A node that died is voted out after two seconds instead of five."""


class Node(MariaDB):
    """One member. Its `start` joins the cluster and waits until it takes calls."""

    def __init__(self, number: int, port_of_group: int, addresses: list[str]) -> None:
        self.number = number
        incremental, snapshot = free_port(), free_port()
        provider = [
            f"gmcast.listen_addr=tcp://{HOST}:{port_of_group}",
            f"ist.recv_addr={HOST}:{incremental}",
            "gcache.size=32M",
            "gcache.recover=yes",
            *FORGET_QUICKLY,
        ]
        super().__init__(
            *SMALL,
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            "--wsrep-cluster-name=tm",
            f"--wsrep-cluster-address=gcomm://{','.join(addresses)}",
            f"--wsrep-node-name=node{number}",
            f"--wsrep-node-address={HOST}:{port_of_group}",
            f"--wsrep-node-incoming-address={HOST}",
            f"--wsrep-provider-options={';'.join(provider)}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address={HOST}:{snapshot}",
            "--wsrep-slave-threads=2",
        )

    def bootstrap(self) -> None:
        """Start it as the first member of a new cluster."""
        self._prepare()
        self._install()
        self.launch("--wsrep-new-cluster")
        self.wait_until_ready()
        self.client(grants(HOST, "localhost"))

    def join(self) -> None:
        """Start its process; the members send it what it lacks."""
        self._prepare()
        if not self._data.exists():
            self._data.mkdir(mode=0o700)
            shutil.chown(self._data, self._account)
        self.launch()

    def start(self) -> None:
        self.join()
        self.wait_until_ready()

    def status(self, name: str) -> str:
        """A status variable of the cluster as this node sees it, "" where the node is silent."""
        with contextlib.suppress(RuntimeError):
            line = self.client(f"SHOW STATUS LIKE 'wsrep_{name}'").split()
            return line[1] if len(line) > 1 else ""
        return ""

    def _is_ready(self) -> bool:
        if not self.is_running():
            return super()._is_ready()  # which says what it printed
        return self.status("local_state_comment") == "Synced" and self.status("ready") == "ON"


class Galera(Startable):
    """A cluster of three nodes. `start` makes it, `remove` ends it and deletes its data."""

    def __init__(self, nodes: int = NODES) -> None:
        if not PROVIDER.exists():
            raise RuntimeError(f"{PROVIDER} is not installed; tests/run brings it")
        ports = [free_port() for _ in range(nodes)]
        addresses = [f"{HOST}:{port}" for port in ports]
        self.nodes = [Node(number, port, addresses) for number, port in enumerate(ports)]

    def start(self) -> None:
        """All nodes, the first one as the cluster's beginning. Raises RuntimeError."""
        first, *others = self.nodes
        first.bootstrap()
        for node in others:  # one after another: the only donor serves one at a time
            node.start()
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Until every node sees every other."""
        wait_until(self.is_whole, JOIN_SECONDS, "the cluster to be whole")

    def is_whole(self) -> bool:
        return all(node.status("cluster_size") == str(len(self.nodes)) for node in self.nodes)

    def with_tables(self, name: str) -> list[str]:
        """A new database with the project's tables: its address at each node."""
        mariadb_with_tables(self.nodes[0], name)
        return [node.url(name) for node in self.nodes]

    def kill(self, number: int) -> None:
        """End a node as a crash does."""
        self.nodes[number].kill()

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()


def main() -> None:
    with Galera() as cluster:
        for url in cluster.with_tables((sys.argv[1:] or ["tm_galera"])[0]):
            print(url, flush=True)
        wait_for_ctrl_c()


if __name__ == "__main__":
    main()
