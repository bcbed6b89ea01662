"""Nothing that lies in a web folder can be had over the web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosting.conftest import FOLDER, Host, Hosted
from tests.support.http_client import Response

FILES = (
    ".htaccess",
    "index.cgi",
    "taskmanager/.htaccess",
    "taskmanager/config.py",
    "taskmanager/current",
    "taskmanager/journal.json",
    "taskmanager/data/queue.sqlite3",
    "taskmanager/logs/taskmanager.log",
    "taskmanager/releases/{release}/schema.sql",
    "taskmanager/releases/{release}/app/config.py",
    "taskmanager/releases/{release}/passenger_wsgi.py",
    "taskmanager/releases/{release}/vendor/flask/__init__.py",
)
FOLDERS = (
    "taskmanager",
    "taskmanager/",
    "taskmanager/data/",
    "taskmanager/releases/",
    "taskmanager/releases/{release}/vendor/",
)


def spellings(name: str) -> Iterator[str]:
    """Ways to write an address that have fooled servers before."""
    folder, slash, file = name.rpartition("/")
    yield "/" + name
    yield "//" + name.replace("/", "//")
    yield "/./" + name
    yield "/x/../" + name
    yield "/%2e/" + name
    yield "/x/%2e%2e/" + name
    yield "/..;/" + name
    yield "/index.cgi/../" + name
    yield "/index.cgi/" + name
    yield "/" + name + "/"
    yield "/" + name + "/more"
    yield "/" + name + "?a=b"
    yield "/" + name + "%00"
    yield "/" + name + "%0a"
    yield "/" + name + "%20"
    yield "/" + name + "."
    yield "/" + name + "~"
    yield "/" + folder + slash + file.replace(".", "%2e")
    yield "/" + folder + slash + "".join(f"%{ord(letter):02x}" for letter in file)
    yield "/" + name.replace("/", "%2f")
    yield "/" + name.replace("/", "%5c")
    yield "/" + name.upper()


KINDS = [("cgi", ""), ("cgid", FOLDER), ("passenger", ""), ("passenger", FOLDER)]


@pytest.fixture(params=KINDS, ids="".join)
def hosted(request: pytest.FixtureRequest, host: Host) -> Hosted:
    hosted = host(*request.param, "sqlite")
    assert hosted.api("GET", "/health").status == 200
    (hosted.site.home / "logs" / "taskmanager.log").write_text("a line of the log\n", "utf-8")
    hosted.site.give_to_web_server()
    return hosted


def _marks(path: Path) -> list[bytes]:
    """Pieces of a file that no response may have in it."""
    content = path.read_bytes()
    pieces = [content[start : start + 15] for start in (0, len(content) // 2)]
    return [piece for piece in pieces if piece.strip(b"\0 \n")]


def _refuses(response: Response, marks: list[bytes]) -> bool:
    return response.status >= 400 and not any(mark in response.raw for mark in marks)


def _runs(response: Response) -> bool:
    return response.status == 200 and b"TaskManager is running" in response.raw


@pytest.mark.parametrize("name", FILES)
def test_a_file_cannot_be_had_under_any_spelling(hosted: Hosted, name: str) -> None:
    name = name.format(release=hosted.site.release.name)
    path = hosted.site.web_folder / name
    if not path.exists():
        path = hosted.site.web_folder / "passenger_wsgi.py"
    marks = _marks(path)
    for spelling in spellings(name):
        response = hosted.apache.request("GET", hosted.site.base + spelling)
        runs = name == "index.cgi" and _runs(response)
        assert runs or _refuses(response, marks), (spelling, response)


def test_a_folder_is_not_listed(hosted: Hosted) -> None:
    for folder in FOLDERS:
        name = folder.format(release=hosted.site.release.name)
        response = hosted.apache.request("GET", f"{hosted.site.base}/{name}")
        assert response.status >= 400, (name, response)
        assert b"Index of" not in response.raw
