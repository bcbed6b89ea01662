"""Steps as other versions ask for them: an older deploy.py, and a version that is gone back to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import PROJECT

BUILD = "1.2.3-000000000000"


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """An installation, described as it was in the first version. This text stays."""
    home, web_folder = tmp_path / "home", tmp_path / "public_html"
    shutil.copytree(
        PROJECT / "app",
        home / "releases" / BUILD / "app",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    web_folder.mkdir()
    return {
        "web_folder": str(web_folder),
        "home": str(home),
        "release": BUILD,
        "interpreter": sys.executable,
        "kind": "cgi",
        "url": "http://127.0.0.1:9/queue",
        "address": "127.0.0.1:9",
        "before": "",
    }


def ask(site: dict[str, str], **request: Any) -> dict[str, Any]:
    home = Path(site["home"])
    result = home / ".htanswer-of-other"
    subprocess.run(
        [sys.executable, "-s", "-m", "app.install"],
        input=json.dumps({"site": site, "answer": str(result), **request}).encode(),
        cwd=home / "releases" / BUILD,
        check=True,
    )
    content: dict[str, Any] = json.loads(result.read_bytes())
    return content


def test_one_that_is_done(site: dict[str, str]) -> None:
    done = ask(site, step="entry")
    assert done == {"ok": True, "detail": "index.cgi and .htaccess"}
    assert (Path(site["home"]) / "current").read_text("utf-8") == f"{BUILD}\n"
    assert (Path(site["web_folder"]) / "index.cgi").is_file()


def test_one_that_fails_for_what_was_typed(site: dict[str, str]) -> None:
    form = {"engine": "mysql", "host": "localhost", "name": "", "user": "u", "password": "p"}
    failed = ask(site, step="database", form=form, before="")
    assert failed == {
        "ok": False,
        "sentence": "Please fill in the database's name.",
        "field": "name",
    }


def test_one_that_fails_otherwise(site: dict[str, str]) -> None:
    failed = ask({**site, "release": "9.9.9-of-nowhere"}, step="entry")
    assert failed["ok"] is False
    assert "there is no version '9.9.9-of-nowhere'" in failed["sentence"]
