"""A wire to the database that a test can cut at a chosen moment."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

from tests.support.net import HOST

CHUNK = 65536
QUIET_SECONDS = 0.3
"""A database that says nothing for so long has done all that it was sent."""


class TcpProxy:
    """Passes connections on to a port of this host, until it is told to cut or to hold them."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._marker = b""
        self._is_forwarded = False
        self.cuts = 0
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_before(self, marker: str) -> None:
        """Cut the wire under the next call that holds this text: it never reaches the database."""
        self._arm(marker, is_forwarded=False)

    def cut_after(self, marker: str) -> None:
        """Cut the wire when the database has done the next call that holds this text: its response
        never comes back.
        """
        self._arm(marker, is_forwarded=True)

    def cut_all(self) -> None:
        """Cut every connection that there is, whatever is on its way."""
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """From now on nothing arrives, at either end, and nobody is told so."""
        self._flows.clear()

    def resume(self) -> None:
        """Deliver what was held up, and go on."""
        self._flows.set()

    def through(self, url: str) -> str:
        """The database's address, by way of this proxy."""
        return url.replace(f":{self._target_port}/", f":{self.port}/")

    def close(self) -> None:
        self._listener.close()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _arm(self, marker: str, is_forwarded: bool) -> None:
        self.cuts = 0
        self._is_forwarded = is_forwarded
        self._marker = marker.encode()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            suppress(OSError),
            client,
            socket.create_connection((HOST, self._target_port)) as database,
        ):
            self._open |= {client, database}
            try:
                self._pass_on(client, database)
            finally:
                self._open -= {client, database}

    def _pass_on(self, client: socket.socket, database: socket.socket) -> None:
        other_end = {client: database, database: client}
        while True:
            for source in select.select(list(other_end), [], [])[0]:
                data = source.recv(CHUNK)
                self._flows.wait()
                if source is client and self._marker and self._marker in data:
                    self._cut(database, data)
                    return
                if not data:
                    return
                other_end[source].sendall(data)

    def _cut(self, database: socket.socket, data: bytes) -> None:
        """What is left to do before both ends are closed."""
        self._marker = b""
        self.cuts += 1
        if self._is_forwarded:
            database.sendall(data)
            database.settimeout(QUIET_SECONDS)
            with suppress(socket.timeout):
                while database.recv(CHUNK):
                    pass
