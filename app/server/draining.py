"""Bodies of callers who may be anybody: discarded, or read, within a second, whether they arrive or
not.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    Environ = dict[str, Any]

SECONDS = 1.0
PIECE = 65536


def drain(environ: Environ, size: int) -> None:
    """Read up to ``size`` bytes of the request's body. Never raises: whatever goes wrong with a
    body that is not wanted, the response has been decided.
    """
    with suppress(Exception):
        if environ.get("wsgi.run_once"):
            _drain_program_input(environ["wsgi.input"].fileno(), size)
            return
        connection = _connection(environ)
        if connection is not None:
            with connection:
                _drain_connection(environ["wsgi.input"], connection, size)


def receive(environ: Environ, size: int) -> bytes:
    """The body, or what arrives of it. Never raises: what is missing, the form lacks."""
    pieces: list[bytes] = []
    with suppress(Exception):
        if environ.get("wsgi.run_once"):
            _drain_program_input(environ["wsgi.input"].fileno(), size, pieces)
            return b"".join(pieces)
        connection = _connection(environ)
        if connection is None:
            return bytes(environ["wsgi.input"].read(size))
        with connection:
            _drain_connection(environ["wsgi.input"], connection, size, pieces)
    return b"".join(pieces)


def _drain_program_input(descriptor: int, size: int, pieces: list[bytes] | None = None) -> None:
    """A CGI program's input: a pipe, or mod_cgid's socket. What was read goes into ``pieces``."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + SECONDS
    while size > 0:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            break
        piece = os.read(descriptor, PIECE)
        if pieces is not None:
            pieces.append(piece)
        if not piece:
            return
        size -= len(piece)
    if size > 0 or pieces is None:
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


def _drain_connection(
    stream: Any, connection: socket.socket, size: int, pieces: list[bytes] | None = None
) -> None:
    """The server's own reader may wait for more than there is, so a timer ends what it reads:
    then it finds the end of the input. What is sent stays as it was.
    """
    from threading import Timer

    timer = Timer(SECONDS, _stop_receiving, (connection,))
    timer.daemon = True
    timer.start()
    try:
        while size > 0:
            piece = stream.read(min(size, PIECE))
            if pieces is not None:
                pieces.append(piece)
            size = size - len(piece) if piece else 0
    finally:
        timer.cancel()


def _stop_receiving(connection: socket.socket) -> None:
    import socket

    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
