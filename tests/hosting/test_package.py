"""``pip install .`` gives the same server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from app.version import VERSION
from tests.support.checkout import copy_project

SCRIPT = """
import io, json, os, sys
os.environ["TASKMANAGER_DATABASE_URL"] = "sqlite:///" + sys.argv[1]
os.environ["TASKMANAGER_API_KEY"] = "test-key-of-a-good-length"
import passenger_wsgi, app, worker
assert "site-packages" in app.__file__ or "installed" in app.__file__, app.__file__
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/health", "wsgi.input": io.BytesIO()}
body = b"".join(passenger_wsgi.application(environ, lambda status, headers: None))
print(json.loads(body)["status"])
"""


def test_pip_install_brings_what_a_server_needs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    copy_project(source)
    target = tmp_path / "installed"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(source)]
    subprocess.run([sys.executable, *install], check=True, timeout=300)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "q.sqlite3")],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "healthy", done.stderr
    assert not list(target.glob("tests*"))
    (metadata,) = target.glob("taskmanager-*.dist-info")
    assert metadata.name == f"taskmanager-{VERSION}.dist-info"
