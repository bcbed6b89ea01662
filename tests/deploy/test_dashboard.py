"""From the installer into the dashboard of a site that Apache runs as a CGI program."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from bs4 import BeautifulSoup

from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount, lines

PASSWORD = "correct horse battery"
HTTPS = {"X-Forwarded-Proto": "https"}


class Browser:
    """Keeps cookies by name, whatever they are for, and follows nothing."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        self.status = 0
        self.location = ""
        self.soup = BeautifulSoup("", "html.parser")

    def get(self, path: str, **headers: str) -> Browser:
        return self._send("GET", path, None, headers)

    def press(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Browser:
        """Send the form on this page that goes to this path, filled in like this."""
        inputs = self.soup.select(f'form[action="{self._parts.path}{path}"] input[name]')
        filled = {str(each["name"]): str(each.get("value", "")) for each in inputs}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({**filled, **fields})
        return self._send("POST", path, body, {**kind, **(headers or {})})

    def is_signed_in(self) -> bool:
        return self.get("/dashboard/sessions").status == 200

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Browser:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection(self._parts.netloc, timeout=120)
        connection.request(
            method,
            self._parts.path + path,
            body,
            {**headers, **({"Cookie": cookies} if cookies else {})},
        )
        response = connection.getresponse()
        self.soup = BeautifulSoup(response.read().decode("utf-8"), "html.parser")
        connection.close()
        self.status = response.status
        self.location = response.getheader("Location") or ""
        self.set_cookies = response.headers.get_all("Set-Cookie") or []
        for each in self.set_cookies:
            name, _, rest = each.partition("=")
            self.cookies[name] = rest.partition(";")[0]
            if "Max-Age=0" in rest:
                del self.cookies[name]
        return self


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[HostingAccount, str]]:
    """A site with a password in a sub-folder, and the link that the installer printed."""
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        done = account.install(None, "--json", DEPLOY_DASHBOARD_PASSWORD=PASSWORD)
        assert done.returncode == 0, done
        assert PASSWORD not in done.stdout + (account.home / "journal.json").read_text()
        yield account, str(lines(done.stdout)[-1]["sign_in"])


def test_the_printed_link_signs_in_once(installed: tuple[HostingAccount, str]) -> None:
    account, link = installed
    browser = Browser(account.url)
    path = link[len(account.url) :]
    assert browser.get(path).status == 200
    browser.press("/dashboard/sign-in/link", first_task="yes")
    assert browser.status == 303
    assert browser.location.startswith("/queue/dashboard")
    (task,) = account.call("GET", "/tasks")[1]["data"]["tasks"]
    assert (task["status"], task["result"]) == ("completed", {"echoed": "Hello from the installer"})
    assert browser.is_signed_in()
    assert Browser(account.url).get(path).status == 403


def test_signing_in_and_out_under_cgi(installed: tuple[HostingAccount, str]) -> None:
    account, _ = installed
    browser = Browser(account.url)
    assert browser.get("/dashboard").location == "/queue/dashboard/sign-in"
    browser.get("/dashboard/sign-in")
    assert browser.press("/dashboard/sign-in", secret="a wrong guess").status == 403
    assert browser.press("/dashboard/sign-in", {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert browser.press("/dashboard/sign-in", secret=PASSWORD).status == 303
    (cookie,) = browser.set_cookies
    assert cookie.startswith("taskmanager=")
    assert cookie.endswith("; Path=/queue/dashboard; Max-Age=2592000; HttpOnly; SameSite=Lax")
    assert browser.is_signed_in()
    thief = Browser(account.url)
    thief.cookies = dict(browser.cookies)
    assert thief.is_signed_in()
    browser.get("/dashboard/sessions").press("/dashboard/sign-out")
    assert not thief.is_signed_in()


def test_behind_a_proxy_that_speaks_https(installed: tuple[HostingAccount, str]) -> None:
    account, _ = installed
    browser = Browser(account.url)
    browser.get("/dashboard/sign-in", **HTTPS)
    browser.press("/dashboard/sign-in", HTTPS, secret=account.api_key())
    (cookie,) = browser.set_cookies
    assert cookie.startswith("__Secure-taskmanager=")
    assert "; Path=/queue/dashboard;" in cookie
    assert cookie.endswith("; Secure")
    assert browser.get("/dashboard/sessions", **HTTPS).status == 200


def test_a_password_that_is_too_short_is_told() -> None:
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        done = account.install(DEPLOY_DASHBOARD_PASSWORD="short")
        assert done.returncode == 4
        assert "The password must have at least 10 characters" in done.stderr
        again = account.install(DEPLOY_DASHBOARD_PASSWORD=PASSWORD)
        assert again.returncode == 0, again
