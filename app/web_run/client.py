"""What a worker calls instead of an address: the API as a function in this process.

Over HTTP it could wait for ever: some hosts give a site one process, and that one serves the
request which started the worker.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from app.api.dispatch import handle
from app.api.request import Request
from worker import ApiError, Client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.site import Site

NO_ADDRESS = "http://localhost/api"


class SiteClient(Client):
    """A client of the site in this process, with its root key."""

    def __init__(self, site: Site) -> None:
        super().__init__(NO_ADDRESS, site.settings.api_key)
        self._site = site

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        again: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """As over HTTP, without the connection that may break."""
        plain, _, query = path.partition("?")
        content = b"" if body is None else json.dumps(body).encode("utf-8")
        headers = {"x-api-key": self.api_key}
        request = Request(method, plain, dict(parse_qsl(query)), headers, content)
        response = handle(request, self._site)
        if response.status >= 400:
            raise _error(response.status, response.payload, response.headers)
        answered: dict[str, Any] = response.payload
        return answered


def _error(status: int, payload: dict[str, Any], headers: Mapping[str, str]) -> ApiError:
    return ApiError(
        status,
        payload["code"],
        payload["error"],
        payload.get("details", ()),
        float(headers.get("Retry-After", 0)),
    )
