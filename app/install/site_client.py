"""Calling a site at its real address, as its users do. Standard library only."""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CALL_SECONDS = 12.0


class Unreachable(OSError):
    """The site's address does not answer at all. The text says why."""


class SiteResponse:
    """A response: its ``status``, its ``body``, its ``headers`` by lower-case names, and ``json``
    where it is an object.
    """

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {}

    @property
    def json(self) -> dict[str, Any]:
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


class SiteClient:
    """Requests to one site. ``address`` (``host:port``) is where this machine reaches itself
    when the name in the site's URL leads nowhere from here, as behind many routers.
    """

    def __init__(self, url: str, address: str = "") -> None:
        self._parts = urlsplit(url)
        self._base = self._parts.path.rstrip("/")
        self._address = address

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> SiteResponse:
        """One request; ``path`` follows the site's URL and is sent as it is. Raises Unreachable."""
        payload = None if body is None else json.dumps(body).encode()
        sent = {"Host": self._parts.netloc.rpartition("@")[2], **(headers or {})}
        if payload is not None:
            sent["Content-Type"] = "application/json"
        try:
            return self._send(self._by_name(), method, path, payload, sent)
        except (OSError, http.client.HTTPException) as error:
            first = error
        if not self._address or isinstance(first, TimeoutError):
            raise Unreachable(str(first) or type(first).__name__) from first
        try:
            return self._send(self._by_address(), method, path, payload, sent)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(first) or type(first).__name__) from error

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        payload: bytes | None,
        headers: Mapping[str, str],
    ) -> SiteResponse:
        try:
            connection.request(method, self._base + path, payload, dict(headers))
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return SiteResponse(response.status, response.read(), headers)
        finally:
            connection.close()

    def _by_name(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "localhost", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=CALL_SECONDS)
        return http.client.HTTPConnection(host, port, timeout=CALL_SECONDS)

    def _by_address(self) -> http.client.HTTPConnection:
        host, _, port = self._address.rpartition(":")
        host = host.strip("[]")
        if self._parts.scheme != "https":
            return http.client.HTTPConnection(host, int(port), timeout=CALL_SECONDS)
        # The certificate carries the site's name and not this machine's number; nothing leaves
        # the machine on this way.
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection(host, int(port), timeout=CALL_SECONDS, context=context)
