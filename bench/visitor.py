"""Somebody who looks at the dashboard while it is measured."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlencode

from bench.clients import SECONDS_MORE
from tests.support.server import API_KEY


class Visitor:
    """Signed in with the root key, over one connection, or over one for each request."""

    def __init__(self, netloc: str, keeps_connection: bool = True) -> None:
        self._keeps_connection = keeps_connection
        self._connection = http.client.HTTPConnection(netloc, timeout=SECONDS_MORE)
        self._cookies: dict[str, str] = {}
        self._etags: dict[str, str] = {}
        form = self.get("/dashboard/sign-in")
        csrf = re.findall(r'name="csrf" value="([^"]+)"', form)[0]
        self._request("POST", "/dashboard/sign-in", urlencode({"csrf": csrf, "secret": API_KEY}))

    def get(self, path: str, live: bool = False) -> str:
        """The page; with ``live``, as its script asks again. Raises RuntimeError."""
        headers = {"X-Live": "1", "If-None-Match": self._etags.get(path, "")} if live else {}
        status, text = self._request("GET", path, headers=headers)
        if status not in (200, 304):
            raise RuntimeError(f"{path}: {status} {text[:500]}")
        return text

    def _request(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {"Cookie": cookies, "Accept": "text/html", **(headers or {})}
        if body:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body or None, sent)
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        if not self._keeps_connection:
            self._connection.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, rest = cookie.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        if response.headers["ETag"]:
            self._etags[path] = str(response.headers["ETag"])
        return response.status, text
