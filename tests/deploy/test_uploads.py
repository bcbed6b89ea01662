"""Files as FTP programs leave them: not executable, with Windows' line ends, or both."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount, installed_account
from tests.deploy.visitor import Visitor
from tests.support.server import PROJECT

HOSTING = (PROJECT / "docs" / "hosting.md").read_text("utf-8")


@pytest.fixture(scope="module", params=["cgi", "cgid"])
def account(request: pytest.FixtureRequest) -> Iterator[HostingAccount]:
    with HostingAccount(str(request.param), "/queue") as account:
        yield account


def as_text(account: HostingAccount) -> None:
    """Uploaded from Windows in text mode, or saved there by an editor."""
    content = account.installer.read_bytes().replace(b"\n", b"\r\n")
    account.installer.write_bytes(content)


def page_of(account: HostingAccount) -> tuple[int, str]:
    response = account.apache.request("GET", f"{account.base}/deploy.py")
    return response.status, response.raw.decode()


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
    account: HostingAccount, mode: int, windows: bool, log: str
) -> None:
    account.upload_installer()
    if windows:
        as_text(account)
    account.installer.chmod(mode)
    status, text = page_of(account)
    assert status == 500
    assert "Internal Server Error" in text
    assert "misconfiguration" in text
    assert "ADMIN_PASSWORD" not in text
    assert log in account.apache.log()
    assert "deploy.py" in account.apache.log()
    (row,) = (line for line in first_table() if log in line and "deploy.py" in line)
    assert ("755" in row) is (log == "Permission denied")
    assert ("binary" in row) is (log != "Permission denied")

    account.upload_installer()
    assert page_of(account)[0] == 200


def first_table() -> list[str]:
    """The rows of the first table of docs/hosting.md: what one meets before the first page."""
    found = re.search(r"(?:^ *\|.*\n)+", HOSTING, re.MULTILINE)
    assert found
    return found[0].splitlines()[2:]


def test_the_first_table_quotes_the_page(account: HostingAccount) -> None:
    account.upload_installer()
    account.installer.chmod(0o644)
    text = re.sub(r"<[^>]+>|\s+", " ", page_of(account)[1])
    quoted = re.findall(r"“([^”]+)”", "".join(first_table()))
    sentences = [each for each in quoted if "misconfiguration" in each]
    assert sentences
    for sentence in sentences:
        assert sentence in re.sub(r" +", " ", text)


def test_an_archive_that_was_uploaded_as_text_is_refused(account: HostingAccount) -> None:
    account.upload_installer()
    archive = bundle()
    damaged = account.web_folder / archive.name
    damaged.write_bytes(archive.read_bytes().replace(b"\n", b"\r\n"))
    account.own()
    visitor = Visitor(account.page).get()
    account.create(visitor.proof())
    visitor.post("proof")
    assert "in binary mode" in visitor.text
    assert "<button>Check again</button>" in visitor.text
    damaged.unlink()


def test_passenger_takes_it_either_way() -> None:
    with HostingAccount("passenger") as account:
        account.upload_installer()
        as_text(account)
        account.installer.chmod(0o644)
        assert "is this yours" in Visitor(account.page).get().text


def test_a_site_that_was_moved_by_ftp() -> None:
    """Downloaded and uploaded again: settings work with Windows' line ends, programs do not, and
    reinstalling mends them.
    """
    with installed_account("cgi", "/queue") as account:
        entry = account.web_folder / "index.cgi"
        for path in (account.home / "config.py", account.web_folder / ".htaccess"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert account.call("GET", "/tasks")[0] == 200
        whole = entry.read_bytes()
        for content, mode in ((whole, 0o644), (whole.replace(b"\n", b"\r\n"), 0o755)):
            entry.write_bytes(content)
            entry.chmod(mode)
            response = account.apache.request("GET", f"{account.base}/api/health")
            assert (response.status, b"Internal Server Error" in response.raw) == (500, True)
            done = account.install()
            assert done.returncode == 0, done
            assert account.call("GET", "/tasks")[0] == 200
