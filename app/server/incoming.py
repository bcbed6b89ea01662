"""A request's body on its way in: read when it is needed, and discarded otherwise.

Nobody without a key makes a process wait for a body that does not come.
"""

from __future__ import annotations

from app.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    Environ = dict[str, Any]

MAX_IGNORED_BYTES = 16 * 1024 * 1024
PIECE = 65536


KEPT = "taskmanager.body"


def body_of(environ: Environ, max_bytes: int = 0) -> Body:
    """The body of the request in a WSGI or CGI environment, the same one each time."""
    if KEPT not in environ:
        environ[KEPT] = Body(environ, max_bytes)
    body: Body = environ[KEPT]
    return body


class Body:
    """``read`` or ``drain``: whichever comes first is all that happens."""

    def __init__(self, environ: Environ, max_bytes: int) -> None:
        self._environ = environ
        self._max_bytes = max_bytes
        self._stream: BinaryIO = environ["wsgi.input"]
        length: str = environ.get("CONTENT_LENGTH") or ""
        self._length = int(length) if length.isascii() and length.isdigit() else None
        self._is_done = not self._length and "HTTP_TRANSFER_ENCODING" not in environ

    def read(self) -> bytes:
        """All of it; of one that is too long, a byte more than it may have. Raises ApiError
        ``length_required``.
        """
        if self._length is not None:
            self._is_done = True
            body = self._take(min(self._length, self._max_bytes + 1))
            self._read_on(self._length - len(body))
            return body
        if self._environ.get("wsgi.input_terminated"):
            self._is_done = True
            return self._take(self._max_bytes + 1)
        if "HTTP_TRANSFER_ENCODING" in self._environ:
            raise ApiError(
                "length_required",
                "This server cannot read a body in chunks: send its length (Content-Length)",
            )
        return b""

    def read_form(self, max_bytes: int) -> bytes:
        """A short body, from a caller who may be anybody: what arrives of it within a second or
        so. Raises ApiError.
        """
        if self._length is None:
            raise ApiError("length_required", "Forms are sent with their length (Content-Length)")
        if self._length > max_bytes:
            raise ApiError("too_large", f"This form may have {max_bytes} bytes")
        self._is_done = True
        # Loaded when needed: people sign in now and then.
        from app.server.draining import receive

        return receive(self._environ, self._length)

    def drain(self) -> None:
        """Discard what was not read, as far as it arrives at once: many clients read no
        response before they have sent everything, and mod_cgid cuts the response of a program
        that leaves something unread.
        """
        if self._is_done:
            return
        self._is_done = True
        # Loaded when needed: ordinary calls are read to their end.
        from app.server.draining import drain

        drain(self._environ, min(self._length or MAX_IGNORED_BYTES, MAX_IGNORED_BYTES))

    def _take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or as many as there are: one read may bring fewer."""
        body = self._stream.read(size)
        while body and len(body) < size:
            more = self._stream.read(size - len(body))
            if not more:
                break
            body += more
        return body

    def _read_on(self, left: int) -> None:
        """Take in the rest of a body that is too long, from a caller with a key. What is longer
        still is not waited for.
        """
        left = min(left, MAX_IGNORED_BYTES)
        while left > 0:
            taken = len(self._stream.read(min(left, PIECE)))
            left = left - taken if taken else 0
