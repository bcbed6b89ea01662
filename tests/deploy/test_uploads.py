"""Files as FTP programs leave them: not executable, with Windows' line ends, or both."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.deploy.webspace import Visitor, WebSpace, archives
from tests.support.server import PROJECT

HOSTING = (PROJECT / "docs" / "hosting.md").read_text("utf-8")


@pytest.fixture(scope="module", params=["cgi", "cgid"])
def space(request: pytest.FixtureRequest) -> Iterator[WebSpace]:
    with WebSpace(str(request.param), "/queue") as space:
        yield space


def as_text(space: WebSpace) -> None:
    """Uploaded from Windows in text mode, or saved there by an editor."""
    content = space.installer.read_bytes().replace(b"\n", b"\r\n")
    space.installer.write_bytes(content)


def answer(space: WebSpace) -> tuple[int, str]:
    reply = space.apache.request("GET", f"{space.base}/deploy.py")
    return reply.status, reply.raw.decode()


@pytest.mark.parametrize(
    ("mode", "windows", "log"),
    [
        (0o644, False, "Permission denied"),
        (0o755, True, "No such file or directory"),
        (0o644, True, "Permission denied"),
    ],
    ids=["mode 644", "CRLF", "both"],
)
def test_apaches_own_error_page_and_what_hosting_md_says_of_it(
    space: WebSpace, mode: int, windows: bool, log: str
) -> None:
    space.upload_installer()
    if windows:
        as_text(space)
    space.installer.chmod(mode)
    status, text = answer(space)
    assert status == 500
    assert "Internal Server Error" in text
    assert "misconfiguration" in text
    assert "ADMIN_PASSWORD" not in text
    assert log in space.apache.log()
    assert "deploy.py" in space.apache.log()
    (row,) = (line for line in first_table() if log in line and "deploy.py" in line)
    assert ("755" in row) is (log == "Permission denied")
    assert ("binary" in row) is (log != "Permission denied")

    space.upload_installer()
    assert answer(space)[0] == 200


def first_table() -> list[str]:
    """The rows of the first table of docs/hosting.md: what one meets before the first page."""
    found = re.search(r"(?:^ *\|.*\n)+", HOSTING, re.MULTILINE)
    assert found
    return found[0].splitlines()[2:]


def test_the_first_table_quotes_the_page(space: WebSpace) -> None:
    space.upload_installer()
    space.installer.chmod(0o644)
    text = re.sub(r"<[^>]+>|\s+", " ", answer(space)[1])
    quoted = re.findall(r"“([^”]+)”", "".join(first_table()))
    sentences = [each for each in quoted if "misconfiguration" in each]
    assert sentences
    for sentence in sentences:
        assert sentence in re.sub(r" +", " ", text)


def test_an_archive_that_was_uploaded_as_text_is_refused(space: WebSpace) -> None:
    space.upload_installer()
    archive = next(archives().glob("*.zip"))
    damaged = space.web_folder / archive.name
    damaged.write_bytes(archive.read_bytes().replace(b"\n", b"\r\n"))
    space.own()
    visitor = Visitor(space.page).get()
    space.create(visitor.proof())
    visitor.post("proof")
    assert "in binary mode" in visitor.text
    assert "<button>Check again</button>" in visitor.text
    damaged.unlink()


def test_passenger_takes_it_either_way() -> None:
    with WebSpace("passenger") as space:
        space.upload_installer()
        as_text(space)
        space.installer.chmod(0o644)
        assert "is this yours" in Visitor(space.page).get().text


def test_a_site_that_was_moved_by_ftp() -> None:
    """Downloaded and uploaded again: settings work with Windows' line ends, programs do not, and
    reinstalling mends them.
    """
    with WebSpace("cgi", "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        assert space.install().returncode == 0
        entry = space.web_folder / "index.cgi"
        for path in (space.home / "config.py", space.web_folder / ".htaccess"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert space.call("GET", "/tasks")[0] == 200
        whole = entry.read_bytes()
        for content, mode in ((whole, 0o644), (whole.replace(b"\n", b"\r\n"), 0o755)):
            entry.write_bytes(content)
            entry.chmod(mode)
            reply = space.apache.request("GET", f"{space.base}/api/health")
            assert (reply.status, b"Internal Server Error" in reply.raw) == (500, True)
            done = space.install()
            assert done.returncode == 0, done
            assert space.call("GET", "/tasks")[0] == 200
