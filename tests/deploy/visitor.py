"""A browser without script or style: what a page says and what its forms send."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


class Visitor:
    """A browser without script or style: keeps its cookie, sends the forms of the page it saw."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookie = ""
        self.status = 0
        self.text = ""
        self.headers: dict[str, str] = {}
        self._opener = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))

    def get(self, **headers: str) -> Visitor:
        """Open the page, and the one that it sends on to."""
        self._send(urllib.request.Request(self.url, headers=self._headers(headers)))
        return self.get() if self.status == 303 else self

    def post(
        self,
        action: str,
        follow: bool = True,
        headers: Mapping[str, str] | None = None,
        **fields: str,
    ) -> Visitor:
        """Send a form of this page, with the token that the page gave unless ``csrf`` is named."""
        data = urlencode({"csrf": self.csrf(), "action": action, **fields}).encode()
        request = urllib.request.Request(self.url, data, self._headers(headers or {}))
        self._send(request)
        return self.get() if follow and self.status == 303 else self

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        return found[1] if found else ""

    def proof(self) -> str:
        found = re.search(r'id="proof">([^<]+)<', self.text)
        return found[1] if found else ""

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**({"Cookie": self.cookie} if self.cookie else {}), **more}

    def _send(self, request: urllib.request.Request) -> Visitor:
        try:
            response = self._opener.open(request, timeout=120)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            self.status = int(response.status or 0)
            self.headers = {name.lower(): value for name, value in response.headers.items()}
            self.text = response.read().decode("utf-8", "replace")
        if "set-cookie" in self.headers:
            self.cookie = self.headers["set-cookie"].partition(";")[0]
        return self


def press_until(visitor: Visitor, text: str) -> None:
    """Go on, as somebody without script does."""
    for _ in range(60):
        if text in visitor.text:
            return
        visitor.post("work")
    raise AssertionError(visitor.text.partition("</style>")[2])


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
