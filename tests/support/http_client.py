"""HTTP for the tests: one request, and what came back. Standard library alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

SECONDS = 120


class Headers(Mapping[str, str]):
    """A response's headers, whatever the case of a name."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values = {name.lower(): value for name, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class Response:
    """The ``status``, the ``headers``, and the body, ``raw`` and as the API means it."""

    def __init__(self, status: int, headers: Iterable[tuple[str, str]], raw: bytes) -> None:
        self.status = status
        self.headers = Headers(headers)
        self.raw = raw

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers} {self.raw[:500]!r}>"

    @cached_property
    def json(self) -> dict[str, Any]:
        """The JSON object in the body, an empty one where there is no body, as for HEAD.

        Raises ValueError where the body is anything else.
        """
        document = json.loads(self.raw) if self.raw else {}
        if not isinstance(document, dict):
            raise ValueError(f"no JSON object: {self!r}")
        return document

    @cached_property
    def items(self) -> list[Any]:
        """The bare JSON list in the body. Raises ValueError where the body is anything else."""
        document = json.loads(self.raw)
        if not isinstance(document, list):
            raise ValueError(f"no JSON list: {self!r}")
        return document

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def code(self) -> str | None:
        """The error's code; None where there is no error."""
        return self.json.get("code")

    @property
    def error(self) -> str:
        return str(self.json["error"])

    @property
    def warnings(self) -> list[str]:
        """In a header where the body is a bare list."""
        if self.raw.startswith(b"["):
            return list(json.loads(self.headers.get("X-Warnings", "[]")))
        return list(self.json.get("warnings", []))

    @property
    def paths(self) -> list[str]:
        """What the details of a validation error point at."""
        return [each["path"] for each in self.json.get("details", [])]


class HttpClient:
    """Requests to one server, each over a connection of its own, as a CGI site sees them."""

    def __init__(
        self, host: str, port: int, base: str = "", api_key: str = "", seconds: float = SECONDS
    ) -> None:
        """``base`` begins the paths of `call`, and ends before ``/api``."""
        self.host, self.port = host, port
        self._base, self._api_key, self._seconds = base, api_key, seconds

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        chunked: bool = False,
    ) -> Response:
        """One request, its path (after the host) sent exactly as given.

        Raises OSError or HTTPException where no whole response comes back.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self._seconds)
        try:
            connection.request(
                method,
                path,
                body if body is None or not chunked else iter([body]),
                dict(headers or {}),
                encode_chunked=chunked,
            )
            received = connection.getresponse()
            return Response(received.status, received.getheaders(), received.read())
        finally:
            connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One call of the API, its path below ``/api``. ``body`` is sent as JSON, bytes as they
        are.

        Without ``headers`` the API key is sent; with them nothing but them.
        """
        payload = body
        if body is not None and not isinstance(body, bytes):
            payload = json.dumps(body, ensure_ascii=False).encode()
        sent = {"X-API-Key": self._api_key} if headers is None else dict(headers)
        if payload is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.request(method, f"{self._base}/api{path}", payload, sent)
