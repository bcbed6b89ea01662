"""A database server that somebody else runs, given to the tests by its address."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.support.mariadb import DatabaseServer, grants
from tests.support.net import HOST

VARIABLE = "TEST_DATABASE_SERVER"
"""Such as mysql+pymysql://root:password@127.0.0.1:3307/ for an administrator of any server that
speaks MySQL's protocol. The tests make and drop databases named `tm_...` and the user tm_tester.
"""


class GivenServer(DatabaseServer):
    """The server at the address that the environment names."""

    def __init__(self, address: str) -> None:
        url = make_url(address)
        self.host = url.host or HOST
        self.port = url.port or 3306
        self._user, self._password = url.username or "root", url.password or ""
        self.socket = Path(self.client("SELECT @@socket").strip())
        self.client(grants("%", "localhost"))

    def _login(self) -> list[str]:
        return [
            "--no-defaults",
            *("--protocol", "tcp"),
            f"--host={self.host}",
            f"--port={self.port}",
            f"--user={self._user}",
            f"--password={self._password}",
        ]


def given_server() -> GivenServer | None:
    """The server that the environment names, None where it names none."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return None
    if "PYTEST_XDIST_WORKER" in os.environ:
        raise RuntimeError(
            f"Tests that share the server of {VARIABLE} would drop each other's databases. "
            "Run them one after another: leave out -n."
        )
    return GivenServer(address)
