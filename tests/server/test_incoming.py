"""Bodies that take their time on a slow connection, and bodies that nobody reads."""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from typing import Any

import pytest

from app.server import wsgi
from app.server.incoming import body_of
from tests.support.queue import register, site_at
from tests.support.server import API_KEY


class SlowInput(io.BytesIO):
    """Brings a few bytes at a time, later than the database may take for the whole call."""

    def read(self, size: int | None = -1) -> bytes:
        time.sleep(0.4)
        return super().read(min(size or 0, 20))


def test_takes_no_time_from_the_call(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_at(database_url, API_KEY=API_KEY)
    register(site, "job")
    monkeypatch.setattr(site.db, "seconds", 1.0)
    body = json.dumps({"type": "job", "params": {"text": "x" * 40}}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/tasks",
        "HTTP_X_API_KEY": API_KEY,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": SlowInput(body),
    }
    started = time.monotonic()
    assert wsgi.response_to(environ, site).status == 201
    assert time.monotonic() - started > 1.0
    site.db.close()


def test_a_file_that_nobody_reads_leaves_no_descriptor_behind() -> None:
    """Some servers take in a large body whole and hand it on as a file."""
    with tempfile.TemporaryFile() as file:
        environ: dict[str, Any] = {"CONTENT_LENGTH": "1000000", "wsgi.input": file}
        body_of(environ).drain()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            del environ["taskmanager.body"]
            body_of(environ).drain()
        assert len(os.listdir("/proc/self/fd")) == before
