"""A request, independent of the server that brings it."""

from __future__ import annotations

from app.api import routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Request:
    """``path`` begins after ``/api``, decoded; ``headers`` have lower-case names; ``body`` may be
    a function that reads it; ``address`` is the caller's as the server sees it. ``root`` and
    ``scheme`` are how the site is reached: the folder, and ``http`` or ``https``. ``target`` is
    what the path stands for.
    """

    __slots__ = (
        *("_body", "address", "headers", "method", "path", "query"),
        *("root", "scheme", "target"),
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], bytes] = b"",
        address: str = "",
        root: str = "",
        scheme: str = "http",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query or {}
        self.headers = headers or {}
        self.address = address
        self.root = root
        self.scheme = scheme
        self.target = routes.resolve(method, path)
        self._body = body

    @property
    def body(self) -> bytes:
        """Read when it is first asked for. Raises ApiError when it cannot be."""
        if not isinstance(self._body, bytes):
            self._body = self._body()
        return self._body
