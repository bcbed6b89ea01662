"""What the self-test says of hosts that serve the API, and answer the dashboard's addresses
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from app.install.errors import InstallError
from app.install.installation import Installation
from app.install.page_test import PageTest
from app.install.site_client import SiteClient
from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount, installed_account
from tests.support.apache import Apache

BASE = "/queue"

LOOKS_FOR_FILES = 'RedirectMatch 404 "\\.(css|js|svg)$"\n'
"""As nginx in front of Apache does on many hosts: what looks like a file is not passed on."""


def replace_apache(account: HostingAccount, extra: str) -> None:
    """Let the account's files be served by an Apache that the host configured otherwise."""
    account.apache.remove()
    account.apache = Apache(account.document_root, "cgi", BASE, extra=extra)
    account.url = account.apache.url[: -len("/api")]
    account.apache.start()


@pytest.fixture(scope="module")
def account() -> Iterator[HostingAccount]:
    with installed_account("cgi", BASE) as account:
        yield account


def look(account: HostingAccount, extra: str) -> str:
    """What there is to say about the pages of a site on such a host."""
    replace_apache(account, extra)
    assert account.call("GET", "/health")[0] == 200
    installation = Installation(
        {
            "web_folder": str(account.web_folder),
            "home": str(account.home),
            "kind": "cgi",
            "url": account.url,
        }
    )
    pages = PageTest(installation, SiteClient(account.url))
    try:
        return pages.problem(pages.fetch_first_page())
    except InstallError as error:
        return str(error)


def page_of_the_host(account: HostingAccount, addresses: str, text: str) -> str:
    """What has Apache answer these addresses (a regular expression) with a page of the host."""
    folder = account.root / "host"
    folder.mkdir(exist_ok=True)
    (folder / "page.html").write_text(text)
    account.own()
    return (
        f'AliasMatch "{addresses}" "{folder}/page.html"\n'
        f'<Directory "{folder}">\nRequire all granted\nForceType text/html\n</Directory>\n'
    )


def test_all_of_it_arrives(account: HostingAccount) -> None:
    assert look(account, "") == ""


def test_a_front_page_of_the_host(account: HostingAccount) -> None:
    text = "<h1>Here comes a new website</h1>"
    said = look(account, page_of_the_host(account, f"^{BASE}/?$", text))
    assert said.startswith(
        f"{account.url}/ is answered with 200 and does not lead to the dashboard"
    )
    assert "Delete that file or redirect" in said


def test_a_front_page_that_leads_elsewhere(account: HostingAccount) -> None:
    said = look(account, f'RedirectMatch 302 "^{BASE}/$" "/welcome"\n')
    assert said.startswith(
        f"{account.url}/ is answered with 302 and does not lead to the dashboard"
    )


def test_files_that_the_web_server_looks_for_itself(account: HostingAccount) -> None:
    said = look(account, LOOKS_FOR_FILES)
    assert f"{account.url}/dashboard/static/" in said
    assert " is answered with 404 " in said
    assert "ask your host" in said


def test_a_page_instead_of_a_file(account: HostingAccount) -> None:
    """Some hosts answer what they do not find with a page of their own, and 200."""
    said = look(account, page_of_the_host(account, r"\.css$", "<p>Nothing found</p>"))
    assert "/dashboard/static/style.css is answered with 200 (text/html)" in said


def test_only_the_api_reaches_the_program(account: HostingAccount) -> None:
    said = look(account, f'RedirectMatch 404 "^{BASE}/dashboard"\n')
    assert said.startswith(f"{account.url}/dashboard/sign-in is answered with 404")
    assert "pass all addresses of this folder on to the program" in said


def test_an_installation_says_so_and_goes_on() -> None:
    """The queue works, and the owner of a cheap plan may not be able to change the host."""
    with HostingAccount("cgi", BASE) as account:
        replace_apache(account, LOOKS_FOR_FILES)
        account.upload_installer()
        account.upload(bundle())
        done = account.install()
        assert done.returncode == 0, done
        assert re.search(r"Self-test: a task done, .* but .*/dashboard/static/", done.stdout)
        # Nor does the dashboard tell of tasks before the owner has any.
        stats = account.call("GET", "/stats")[1]["data"]
        assert stats["completed"] == {"minute": 0, "hour": 0, "day": 0}
