"""Somebody who visits pages without a browser: as HTML, with its forms."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Union
from urllib.parse import quote, urlencode

from bs4 import BeautifulSoup, Tag

from app.dashboard.signing_in.identity import FORM_COOKIE, SESSION_COOKIE
from app.dashboard.signing_in.own_forms import token_for
from app.server import pages, wsgi
from app.site import Site

Fields = Union[Mapping[str, Any], Sequence[tuple[str, str]]]


class PageSeen:
    """A response as somebody sees it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.status} {dict(self.headers)} {self.text[:2000]}>"

    @cached_property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.body.decode("utf-8"), "html.parser")

    @cached_property
    def text(self) -> str:
        """What there is to read, with single spaces."""
        return " ".join(self.soup.get_text(" ").split())

    @property
    def title(self) -> str:
        return self.select("h1").get_text().strip()

    @property
    def location(self) -> str:
        return self.headers["Location"]

    def select(self, css: str) -> Tag:
        """The only element of this kind."""
        found = self.soup.select(css)
        assert len(found) == 1, f"{len(found)} of {css} in {self!r}"
        return found[0]

    def all(self, css: str) -> list[str]:
        """The texts of all elements of this kind."""
        return [" ".join(each.get_text(" ").split()) for each in self.soup.select(css)]

    def form(self, action: str) -> dict[str, str]:
        """The hidden fields, and the others as they are filled in, of the form for this address."""
        form = self.select(f'form[action="{action}"]')
        inputs = form.select("input[name]")
        return {str(each["name"]): str(each.get("value", "")) for each in inputs}


class Visitor:
    """Visits the dashboard of a site by the plain functions, and keeps its cookies."""

    def __init__(self, site: Site, root: str = "") -> None:
        self.site = site
        self.root = root
        self.address = "192.0.2.7"
        self.cookies: dict[str, str] = {}

    def get(self, path: str = "", **headers: str) -> PageSeen:
        """``path`` is below ``/dashboard``, as written in an address."""
        return self.request("GET", "/dashboard" + path, **headers)

    def post(self, path: str, fields: Fields = (), **headers: str) -> PageSeen:
        """As a form sends it, with the token that forms of this visitor carry."""
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        if "csrf" not in dict(pairs):
            pairs.append(("csrf", self.csrf()))
        body = urlencode(pairs).encode()
        return self.request("POST", "/dashboard" + path, body, **headers)

    def csrf(self) -> str:
        """The token that each form in this browser carries."""
        if not self._secret():
            self.get("/sign-in")
        return token_for(self._secret())

    def sign_in(self, secret: str, wanted: str = "", **headers: str) -> PageSeen:
        """With the password or a key, by the form of the page."""
        fields = self.get("/sign-in", **headers).form(f"{quote(self.root)}/dashboard/sign-in")
        return self.post("/sign-in", {**fields, "secret": secret, "next": wanted}, **headers)

    def _secret(self) -> str:
        """Of the session, else of the browser in which nobody is signed in."""
        for wanted in (SESSION_COOKIE, FORM_COOKIE):
            for name, value in self.cookies.items():
                if name.endswith(wanted):
                    return value
        return ""

    def follow(self, page: PageSeen) -> PageSeen:
        """Where a redirect leads."""
        assert page.status == 303, page
        return self.request("GET", page.location[len(self.root) :])

    def request(self, method: str, address: str, body: bytes = b"", **headers: str) -> PageSeen:
        path, _, query = address.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": self.root,
            "PATH_INFO": wsgi_path(path),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": self.address,
            "HTTP_ACCEPT": "text/html",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
        }
        if self.cookies:
            environ["HTTP_COOKIE"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        assert pages.belongs_here(environ)
        response = pages.response_to(environ, self.site)
        for name, value in response.header_list():
            if name == "Set-Cookie":
                self._keep(value)
        assert response.status in wsgi.REASONS
        return PageSeen(response.status, dict(response.header_list()), response.body())

    def _keep(self, cookie: str) -> None:
        name, _, rest = cookie.partition("=")
        if not name:
            return
        self.cookies[name] = rest.partition(";")[0]
        if "Max-Age=0" in rest:
            del self.cookies[name]


def wsgi_path(path: str) -> str:
    """As servers hand it over: decoded, each byte a character."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(path).decode("latin-1")
