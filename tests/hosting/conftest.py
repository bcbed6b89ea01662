"""Installed sites behind a real Apache, each started when the first test asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.install.entry import CGI, PASSENGER
from tests.support.apache import Apache
from tests.support.database import mariadb_with_tables
from tests.support.http_client import Response
from tests.support.site import InstalledSite

SETTINGS = {"MAX_BODY_BYTES": 4 * 1024 * 1024, "MAX_PARAMS_BYTES": 3 * 1024 * 1024}
FOLDER = "/queue"


class Hosted:
    """A site and the Apache that serves it."""

    def __init__(self, site: InstalledSite, apache: Apache) -> None:
        self.site = site
        self.apache = apache

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """A call with the API key, or with ``headers`` (``X_API_Key`` is ``X-API-Key``)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.apache.api(method, path, body, sent or None)


Host = Callable[[str, str, str], Hosted]


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """``host(server, base, engine)``; the same again gives the same site. Tests tell their tasks
    apart by the names of their types.
    """
    known: dict[tuple[str, str, str], Hosted] = {}
    with contextlib.ExitStack() as stack:

        def make(server: str, base: str, engine: str) -> Hosted:
            key = (server, base, engine)
            if key not in known:
                known[key] = _start(stack, key, _database(request, key))
            return known[key]

        yield make


def _start(stack: contextlib.ExitStack, key: tuple[str, str, str], url: str) -> Hosted:
    server, base, _ = key
    kind = PASSENGER if server == "passenger" else CGI
    site = stack.enter_context(InstalledSite(kind, base, {"DATABASE_URL": url, **SETTINGS}))
    extra = site.passenger_config() if kind == PASSENGER else ""
    apache = stack.enter_context(Apache(site.document_root, server, base, extra=extra))
    return Hosted(site, apache)


def _database(request: pytest.FixtureRequest, key: tuple[str, str, str]) -> str:
    server, base, engine = key
    if engine == "sqlite":
        return "sqlite:///data/queue.sqlite3"
    name = f"tm_{server}_{base.strip('/') or 'root'}"
    return mariadb_with_tables(request.getfixturevalue("mariadb"), name)


@pytest.fixture(params=["", FOLDER], ids=["root", "folder"])
def base(request: pytest.FixtureRequest) -> str:
    """Where the site is: in the document root, or in a folder below it."""
    return str(request.param)
