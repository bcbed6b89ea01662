"""Bodies from callers without a key: read or discarded within a second, even if they never come."""

from __future__ import annotations

import os
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    Environ = dict[str, Any]
    Take = Callable[[bytes], object]

SECONDS = 1.0
PIECE = 65536


def drain(environ: Environ, size: int) -> None:
    """Read up to ``size`` bytes of the request's body. Never raises: whatever goes wrong with a
    body that is not wanted, the response has been decided.
    """
    with suppress(Exception):
        if environ.get("wsgi.run_once"):
            _read_program_input(environ["wsgi.input"].fileno(), size, _discard)
            return
        connection = _connection(environ)
        if connection is not None:
            with connection:
                _read_connection(environ["wsgi.input"], connection, size, _discard)


def receive(environ: Environ, size: int) -> bytes:
    """The body, as far as it arrives. Never raises."""
    pieces: list[bytes] = []
    with suppress(Exception):
        if environ.get("wsgi.run_once"):
            _read_program_input(environ["wsgi.input"].fileno(), size, pieces.append)
            return b"".join(pieces)
        connection = _connection(environ)
        if connection is None:
            return bytes(environ["wsgi.input"].read(size))
        with connection:
            _read_connection(environ["wsgi.input"], connection, size, pieces.append)
    return b"".join(pieces)


def _discard(_piece: bytes) -> None:
    pass


def _read_program_input(descriptor: int, size: int, take: Take) -> None:
    """A CGI program's input: a pipe, or mod_cgid's socket."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + SECONDS
    while size > 0:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            break
        piece = os.read(descriptor, PIECE)
        if not piece:
            return
        take(piece)
        size -= len(piece)
    _refuse_the_rest(descriptor)


def _refuse_the_rest(descriptor: int) -> None:
    """Tell the web server that the rest will not be read; it discards that itself. A pipe says so
    when the program ends; a socket with something unread in it would lose the response instead.
    """
    import socket

    if not _is_socket(descriptor):
        return
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RD)
        while connection.recv(PIECE):
            pass


def _connection(environ: Environ) -> socket.socket | None:
    """A handle of the socket that the body comes from, where the server shows it. Some have the
    whole body in a file already.
    """
    import socket

    shown = environ.get("gunicorn.socket") or environ["wsgi.input"]
    try:
        if not _is_socket(shown.fileno()):
            return None
    except (AttributeError, OSError):  # not even a file
        return None
    return socket.socket(fileno=os.dup(shown.fileno()))


def _is_socket(descriptor: int) -> bool:
    import stat

    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


def _read_connection(stream: Any, connection: socket.socket, size: int, take: Take) -> None:
    """The server's own reader may wait for more than there is, so a timer shuts down receiving:
    then the reader finds the end of the input. Sending is not affected.
    """
    from threading import Timer

    timer = Timer(SECONDS, _stop_receiving, (connection,))
    timer.daemon = True
    timer.start()
    try:
        while size > 0:
            piece = stream.read(min(size, PIECE))
            take(piece)
            size = size - len(piece) if piece else 0
    finally:
        timer.cancel()


def _stop_receiving(connection: socket.socket) -> None:
    import socket

    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
