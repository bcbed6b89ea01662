"""Signing in and out, and what others could try with it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from app import password_hash
from app.dashboard.routes import API_DOCS, OPEN, PAGES
from app.queue import admin_password, api_keys, audit, period_counts, sessions, sign_in_limit
from app.queue.api_keys import NewKey
from app.server import pages, wsgi
from app.site import Site
from tests.api.caller import API_KEY, Api
from tests.dashboard.visitor import PageSeen, Visitor

PASSWORD = "correct horse battery"
SESSION = "taskmanager"
FORM = "taskmanager_form"
NOON = 1_800_000_000 - 1_800_000_000 % 3600


@pytest.fixture(autouse=True)
def cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hash, "METHODS", ("pbkdf2:sha256:1000",))


@pytest.fixture
def site(api: Api) -> Iterator[Site]:
    """A site with a password."""
    forget(api)
    admin_password.change(api.site, PASSWORD)
    api.sql("DELETE FROM audit_log")
    yield api.site
    forget(api)


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is for the limits, to be set by the test."""
    now = [NOON + 30.0]
    monkeypatch.setattr(period_counts.time, "time", lambda: now[0])
    return now


def forget(api: Api) -> None:
    """Nobody has tried a password, and there is none."""
    api.sql(f"DELETE FROM settings WHERE name LIKE '{sign_in_limit.PREFIX}%'")
    api.sql("DELETE FROM settings WHERE name LIKE 'wrong-keys.%'")
    api.sql("DELETE FROM settings WHERE name = :name", name=admin_password.ROW)


def key_of(site: Site, *scopes: str, patterns: list[str] | None = None) -> str:
    return api_keys.make(site, NewKey("ann", scopes, patterns)).text


def is_signed_in(visitor: Visitor) -> bool:
    page = visitor.get("/sessions")
    assert page.status in (200, 303), page
    return page.status == 200


def noted(site: Site) -> list[tuple[str, str]]:
    return [(row["actor"], row["action"]) for row in audit.read(site, 100)][::-1]


def set_cookies(page: PageSeen) -> str:
    return page.headers["Set-Cookie"]


class TestWho:
    def test_nobody_at_first(self, visitor: Visitor) -> None:
        page = visitor.get()
        assert (page.status, page.location) == (303, "/dashboard/sign-in")
        form = visitor.follow(page)
        assert form.title == "Sign in"
        assert form.all("label") == ["Password or API key"]

    def test_with_the_password(self, visitor: Visitor, site: Site) -> None:
        page = visitor.sign_in(PASSWORD)
        assert (page.status, page.location) == (303, "/dashboard")
        assert "Signed in as admin" in visitor.get().text
        assert noted(site) == [("admin (dashboard)", "session.sign_in")]

    @pytest.mark.parametrize("blank", ["", " ", "\n"])
    def test_with_the_root_key(self, visitor: Visitor, site: Site, blank: str) -> None:
        visitor.sign_in(f"{API_KEY}{blank}")
        assert "Signed in as root key" in visitor.get().text
        assert noted(site) == [("root key (dashboard)", "session.sign_in")]

    @pytest.mark.parametrize(("scope", "may"), [("admin", "change everything"), ("read", "read")])
    def test_with_a_key(self, visitor: Visitor, site: Site, scope: str, may: str) -> None:
        visitor.sign_in(key_of(site, scope))
        page = visitor.get("/sessions")
        assert re.search(r"Signed in as key ann \(#\d+\)", page.text)
        assert page.all("tbody td:nth-child(2)") == [may]

    @pytest.mark.parametrize(
        ("scopes", "patterns", "told"),
        [
            (["work", "produce"], None, "is for programs"),
            (["admin"], ["mail.%"], "is for some task types only"),
        ],
    )
    def test_keys_that_open_no_pages(
        self,
        visitor: Visitor,
        site: Site,
        scopes: list[str],
        patterns: list[str] | None,
        told: str,
    ) -> None:
        page = visitor.sign_in(key_of(site, *scopes, patterns=patterns))
        assert page.status == 403
        assert told in page.select("#secret-error").text
        assert not is_signed_in(visitor)

    def test_a_key_that_is_over(self, visitor: Visitor, site: Site) -> None:
        text = key_of(site, "admin")
        (row,) = api_keys.list_all(site, 1)
        api_keys.revoke(site, row["id"])
        assert "was revoked" in visitor.sign_in(text).select("#secret-error").text
        assert not is_signed_in(visitor)

    @pytest.mark.parametrize("secret", ["", "wrong", PASSWORD.upper(), f" {PASSWORD}", "\ud800é"])
    def test_anything_else(self, visitor: Visitor, site: Site, secret: str) -> None:
        page = visitor.sign_in(secret.encode("utf-8", "replace").decode())
        assert page.status == 403
        error = "This is neither the password nor a valid API key."
        assert page.select("#secret-error").text == error
        assert not is_signed_in(visitor)
        assert noted(site) == [("nobody (dashboard)", "session.refused")]

    def test_what_was_typed_is_not_shown(self, visitor: Visitor) -> None:
        assert "gue55" not in visitor.sign_in("gue55").body.decode()

    def test_before_there_is_a_password(self, visitor: Visitor, site: Site) -> None:
        admin_password.remove(site)
        page = visitor.get("/sign-in")
        assert page.all("label") == ["API key"]
        assert "No password has been set yet" in page.text
        assert visitor.sign_in("").status == 403
        assert visitor.sign_in(API_KEY).status == 303

    def test_a_reader_changes_nothing(self, visitor: Visitor, site: Site) -> None:
        visitor.sign_in(key_of(site, "read"))
        fields = {"current": API_KEY, "password": "x" * 12, "again": "x" * 12}
        page = visitor.post("/password", fields)
        assert (page.status, page.title) == (403, "Only admins can do this")
        assert admin_password.check(site, PASSWORD)

    def test_a_reader_sees_what_the_api_shows_to_such_a_key(
        self, visitor: Visitor, site: Site
    ) -> None:
        visitor.sign_in(key_of(site, "read"))
        labels = visitor.get().all("nav a")
        assert "Overview" in labels
        assert not {"Keys", "Audit", "Settings"} & set(labels)
        for path in ("/keys", "/audit", "/settings"):
            assert visitor.get(path).title == "Only admins can do this"
        admin = Visitor(site)
        admin.sign_in(PASSWORD)
        assert {"Keys", "Audit", "Settings"} <= set(admin.get().all("nav a"))


class TestTheWayBack:
    @pytest.mark.parametrize("path", ["/sessions", "/sessions?a=1&a=2&b=x%26y"])
    def test_it_leads_where_somebody_wanted_to_go(self, visitor: Visitor, path: str) -> None:
        form = visitor.follow(visitor.get(path))
        wanted = form.form("/dashboard/sign-in")["next"]
        assert visitor.sign_in(PASSWORD, wanted).location == f"/dashboard{path}"
        again = visitor.request("GET", f"/dashboard/sign-in?next={wanted.partition('?')[0]}")
        assert again.location == "/dashboard/sessions"

    @pytest.mark.parametrize(
        "wanted",
        [
            *("https://evil.example", "//evil.example", "///evil.example", "/\\evil.example"),
            *("\\\\evil.example", "/%2f/evil.example", "@evil.example", ".evil.example"),
            *("javascript:alert(1)", "/../api/run", "/sessions/../../api", "/..;/x", "sessions"),
            *("/\t/evil.example", "/\r\nLocation: https://evil.example", "/no-such-page", "?a=1"),
        ],
    )
    def test_and_nowhere_else(self, visitor: Visitor, wanted: str) -> None:
        assert visitor.sign_in(PASSWORD, wanted).location == "/dashboard"

    def test_a_query_cannot_lead_elsewhere(self, visitor: Visitor) -> None:
        page = visitor.sign_in(PASSWORD, "/sessions?x=\r\nSet-Cookie: a=b#//evil.example")
        assert page.location.startswith("/dashboard/sessions?x=%0D%0ASet-Cookie")

    def test_nothing_is_wanted_after_a_form(self, visitor: Visitor) -> None:
        assert visitor.post("/sessions/end-all").location == "/dashboard/sign-in"


class TestTheCookie:
    def test_it_is_out_of_reach(self, visitor: Visitor) -> None:
        cookie = set_cookies(visitor.sign_in(PASSWORD))
        assert re.fullmatch(
            r"taskmanager=[\w-]{43}; Path=/dashboard; Max-Age=2592000; HttpOnly; SameSite=Lax",
            cookie,
        )

    @pytest.mark.parametrize(
        ("told", "root", "name", "path", "is_secure"),
        [
            ({}, "", "taskmanager", "/dashboard", False),
            ({"x_forwarded_proto": "http"}, "", "taskmanager", "/dashboard", False),
            ({"x_forwarded_proto": "gopher"}, "", "taskmanager", "/dashboard", False),
            ({"x_forwarded_proto": "https"}, "", "__Host-taskmanager", "/", True),
            ({"x_forwarded_proto": "HTTPS, http"}, "", "__Host-taskmanager", "/", True),
            ({}, "/q", "taskmanager", "/q/dashboard", False),
            ({"x_forwarded_proto": "https"}, "/q", "__Secure-taskmanager", "/q/dashboard", True),
            (
                {"x_forwarded_proto": "https"},
                "/my queue",
                "__Secure-taskmanager",
                "/my%20queue/dashboard",
                True,
            ),
        ],
    )
    def test_it_is_for_this_site_alone(
        self,
        site: Site,
        told: dict[str, str],
        root: str,
        name: str,
        path: str,
        is_secure: bool,
    ) -> None:
        visitor = Visitor(site, root)
        cookie = set_cookies(visitor.sign_in(PASSWORD, **told))
        assert cookie.startswith(f"{name}=")
        assert f"; Path={path};" in cookie
        assert cookie.endswith("; Secure") is is_secure
        assert visitor.get("/sessions", **told).status == 200

    def test_under_https_one_from_elsewhere_is_not_taken(self, visitor: Visitor) -> None:
        visitor.sign_in(PASSWORD)
        assert is_signed_in(visitor)
        assert visitor.get("/sessions", x_forwarded_proto="https").status == 303

    def test_each_sign_in_has_a_token_of_its_own(self, visitor: Visitor) -> None:
        """Fixation: a token that somebody put into the browser before is not the one after."""
        visitor.cookies[SESSION] = planted = "p" * 43
        visitor.sign_in(PASSWORD)
        assert visitor.cookies[SESSION] != planted
        assert is_signed_in(visitor)
        visitor.cookies[SESSION] = planted
        assert not is_signed_in(visitor)

    def test_signing_in_ends_the_session_before(self, visitor: Visitor, site: Site) -> None:
        """Also one of somebody else, which they put into this browser to see what is done."""
        other = Visitor(site)
        other.sign_in(PASSWORD)
        visitor.get("/sign-in")
        form = visitor.get("/sign-in").form("/dashboard/sign-in")
        visitor.cookies[SESSION] = other.cookies[SESSION]
        assert visitor.post("/sign-in", {**form, "secret": API_KEY}).status == 303
        assert not is_signed_in(other)
        assert "Signed in as root key" in visitor.get().text

    @pytest.mark.parametrize("value", ["", "x", "%00", "a" * 5000, "x" * 43, "'; DROP TABLE"])
    def test_rubbish_is_nobody(self, visitor: Visitor, value: str) -> None:
        visitor.cookies[SESSION] = value
        assert not is_signed_in(visitor)


LINK = "/sign-in/link"
"""The installer's page sends this form, with a token that works once."""

FORMS = [each.template for each in PAGES if each.method == "POST" and each.template != LINK]


class TestForeignForms:
    """CSRF: what another site's page, or another browser's form, sends."""

    @pytest.fixture
    def signed_in(self, visitor: Visitor) -> Visitor:
        visitor.sign_in(PASSWORD)
        return visitor

    def is_refused(self, visitor: Visitor, fields: dict[str, str], **headers: str) -> bool:
        page = visitor.post("/sessions/end-all", {**fields, "confirmed": "yes"}, **headers)
        if page.status == 403:
            assert page.title == "This form has expired"
            assert is_signed_in(visitor)
        return page.status == 403

    @pytest.mark.parametrize("token", ["", "wrong", "é", "0" * 64])
    def test_a_token_that_is_missing_or_wrong(self, signed_in: Visitor, token: str) -> None:
        assert self.is_refused(signed_in, {"csrf": token})

    def test_the_token_of_another_session(self, signed_in: Visitor, site: Site) -> None:
        other = Visitor(site)
        other.sign_in(PASSWORD)
        assert self.is_refused(signed_in, {"csrf": other.csrf()})

    def test_the_token_of_a_browser_where_nobody_is_signed_in(
        self, signed_in: Visitor, site: Site
    ) -> None:
        fresh = Visitor(site)
        signed_in.cookies[FORM] = fresh.cookies.get(FORM) or "f" * 43
        assert self.is_refused(signed_in, {"csrf": fresh.csrf()})

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "same-site"},
            {"sec_fetch_site": ""},
            {"sec_fetch_site": "cross-site", "origin": "http://example.com", "host": "example.com"},
            {"origin": "https://evil.example", "host": "example.com"},
            {"origin": "null", "host": "example.com"},
            {"origin": "http://example.com:8080", "host": "example.com"},
            {"origin": "http://example.com.evil.example", "host": "example.com"},
        ],
    )
    def test_what_comes_from_elsewhere(self, signed_in: Visitor, headers: dict[str, str]) -> None:
        assert self.is_refused(signed_in, {"csrf": signed_in.csrf()}, **headers)

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec_fetch_site": "same-origin", "origin": "https://behind-a-proxy.example"},
            {"sec_fetch_site": "none"},
            {"origin": "http://Example.com", "host": "example.com"},
            {"origin": "https://example.com", "host": "example.com"},
            {
                "origin": "https://example.com",
                "host": "10.0.0.1:8000",
                "x_forwarded_host": "example.com",
            },
            {},
        ],
    )
    def test_what_comes_from_here(self, signed_in: Visitor, headers: dict[str, str]) -> None:
        assert not self.is_refused(signed_in, {"csrf": signed_in.csrf()}, **headers)

    def test_a_page_without_tls_of_the_same_host(self, site: Site) -> None:
        told = {"x_forwarded_proto": "https"}
        visitor = Visitor(site)
        visitor.sign_in(PASSWORD, **told)
        page = visitor.post("/sign-out", origin="http://x.example", host="x.example", **told)
        assert page.status == 403
        page = visitor.post("/sign-out", origin="https://x.example", host="x.example", **told)
        assert page.status == 303

    @pytest.mark.parametrize(
        ("token", "headers"),
        [
            ("", {}),
            ("0" * 64, {}),
            (None, {"sec_fetch_site": "cross-site"}),
            (None, {"origin": "https://evil.example", "host": "example.com"}),
        ],
    )
    def test_the_sign_in_itself(
        self, visitor: Visitor, site: Site, token: str | None, headers: dict[str, str]
    ) -> None:
        """Nobody is signed in as somebody else by another site's page."""
        form = visitor.get("/sign-in").form("/dashboard/sign-in")
        fields = {**form, "secret": PASSWORD}
        if token is not None:
            fields["csrf"] = token
        page = visitor.post("/sign-in", fields, **headers)
        assert page.status == 403
        assert "Try again" in page.select("#secret-error").text
        assert not is_signed_in(visitor)
        assert visitor.post("/sign-in", {**form, "secret": PASSWORD}).status == 303

    def test_a_browser_without_cookies_is_told(self, visitor: Visitor) -> None:
        form = visitor.get("/sign-in").form("/dashboard/sign-in")
        visitor.cookies.clear()
        page = visitor.post("/sign-in", {**form, "secret": PASSWORD})
        assert "your browser keeps no cookies" in page.text

    @pytest.mark.parametrize("template", FORMS)
    def test_no_form_is_taken_without_its_token(
        self, signed_in: Visitor, site: Site, template: str
    ) -> None:
        path = template.replace("{id}", "1").replace("{name}", "a")
        before = len(noted(site))
        response = signed_in.post(path, {"csrf": "", "secret": PASSWORD})
        assert response.status == 403
        assert len(noted(site)) == before


def test_what_anybody_sends_is_short(visitor: Visitor) -> None:
    """The other forms are not read before it is known who sends them."""
    page = visitor.post("/sign-in", {"secret": "x" * 140_000})
    assert page.status == 413
    assert "This form may have 131072 bytes" in page.text
    for each in PAGES:
        if each.method == "POST" and each.role == OPEN:
            assert f"{wsgi.PAGES}{each.template}".startswith(pages.FOR_ANYBODY)


def test_signing_in_and_reading_about_the_api_is_open() -> None:
    open_pages = [(each.method, each.template) for each in PAGES if each.role == OPEN]
    assert open_pages == [
        ("GET", "/static/{name}"),
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("GET", "/sign-in/link"),
        ("POST", "/sign-in/link"),
        ("GET", API_DOCS),
    ]


class TestSigningOut:
    def test_a_stolen_cookie_is_of_no_use_afterwards(self, visitor: Visitor, site: Site) -> None:
        visitor.sign_in(PASSWORD)
        thief = Visitor(site)
        thief.cookies[SESSION] = visitor.cookies[SESSION]
        assert is_signed_in(thief)
        page = visitor.post("/sign-out")
        assert page.location == "/dashboard/sign-in"
        assert "You are signed out." in visitor.follow(page).text
        assert SESSION not in visitor.cookies
        assert not is_signed_in(thief)
        assert noted(site)[-1] == ("admin (dashboard)", "session.sign_out")

    def test_everywhere(self, visitor: Visitor, site: Site) -> None:
        others = [Visitor(site) for _ in range(2)]
        for each in (visitor, *others):
            each.sign_in(PASSWORD)
        question = visitor.post("/sessions/end-all")
        assert question.title == "Sign out everybody?"
        assert all(map(is_signed_in, others))
        visitor.post("/sessions/end-all", question.form("/dashboard/sessions/end-all"))
        assert not any(map(is_signed_in, (visitor, *others)))

    def test_a_reader_ends_what_is_of_the_same_key(self, visitor: Visitor, site: Site) -> None:
        admin, reader = Visitor(site), Visitor(site)
        admin.sign_in(PASSWORD)
        text = key_of(site, "read")
        for each in (visitor, reader):
            each.sign_in(text)
        page = visitor.get("/sessions")
        assert len(page.all("tbody tr")) == 2
        assert "password" not in page.text.lower()
        (of_admin,) = [each for each in sessions.list_all(site) if each.key_id is None]
        assert visitor.post(f"/sessions/{of_admin.id}/end").status == 404
        assert is_signed_in(admin)
        visitor.post("/sessions/end-all", {"confirmed": "yes"})
        assert [is_signed_in(each) for each in (visitor, reader, admin)] == [False, False, True]

    def test_one_of_the_list(self, visitor: Visitor, site: Site) -> None:
        other = Visitor(site)
        for each in (other, visitor):
            each.sign_in(PASSWORD)
        oldest = sessions.list_all(site)[-1]
        page = visitor.get("/sessions")
        assert page.all("tbody td:first-child") == ["admin this browser", "admin"]
        assert visitor.post(f"/sessions/{oldest.id}/end").location == "/dashboard/sessions"
        assert (is_signed_in(visitor), is_signed_in(other)) == (True, False)
        assert visitor.post(f"/sessions/{oldest.id}/end").status == 404

    def test_a_revoked_key_signs_out(self, visitor: Visitor, site: Site) -> None:
        visitor.sign_in(key_of(site, "admin"))
        assert is_signed_in(visitor)
        api_keys.revoke(site, api_keys.list_all(site, 1)[0]["id"])
        assert not is_signed_in(visitor)

    @pytest.mark.parametrize("column", ["last_used_at", "expires_at"])
    def test_an_expired_session(self, visitor: Visitor, api: Api, column: str) -> None:
        visitor.sign_in(PASSWORD)
        api.sql(f"UPDATE sessions SET {column} = '2001-01-01 00:00:00.000'")
        assert not is_signed_in(visitor)


CHANGE = {"current": PASSWORD, "password": "another one", "again": "another one"}


class TestThePassword:
    def test_browsers_know_which_field_is_which(self, visitor: Visitor) -> None:
        """Those that keep passwords offer the one, and make up the other."""
        visitor.sign_in(PASSWORD)
        fields = visitor.get("/sessions").soup.select('input[type="password"]')
        assert [each.get("autocomplete") for each in fields] == [
            *("current-password", "new-password", "new-password"),
        ]

    def test_it_is_changed(self, visitor: Visitor, site: Site) -> None:
        other = Visitor(site)
        for each in (other, visitor):
            each.sign_in(PASSWORD)
        before = visitor.cookies[SESSION]
        page = visitor.follow(visitor.post("/password", CHANGE))
        assert "The password is set. Everybody else is signed out." in page.text
        assert visitor.cookies[SESSION] != before
        assert (is_signed_in(visitor), is_signed_in(other)) == (True, False)
        assert Visitor(site).sign_in(PASSWORD).status == 403
        assert Visitor(site).sign_in("another one").status == 303
        assert ("admin (dashboard)", "password.set") in noted(site)

    def test_the_first_one_is_set_with_the_api_key(self, visitor: Visitor, site: Site) -> None:
        """What somebody does who has upgraded, in a browser alone."""
        admin_password.remove(site)
        visitor.sign_in(API_KEY)
        assert visitor.get("/sessions").all("h2")[-1] == "Set a password"
        assert visitor.post("/password", {**CHANGE, "current": API_KEY}).status == 303
        assert Visitor(site).sign_in("another one").status == 303

    @pytest.mark.parametrize(
        ("changed", "status", "field", "told"),
        [
            ({"current": "wrong"}, 403, "current", "neither the password nor a valid API key"),
            ({"again": "something"}, 422, "again", "not the same"),
            ({"password": "short", "again": "short"}, 422, "password", "at least 10 characters"),
        ],
    )
    def test_what_is_refused(
        self,
        visitor: Visitor,
        site: Site,
        changed: dict[str, str],
        status: int,
        field: str,
        told: str,
    ) -> None:
        visitor.sign_in(PASSWORD)
        page = visitor.post("/password", {**CHANGE, **changed})
        assert page.status == status
        assert told in page.select(f"#{field}-note").text
        assert admin_password.check(site, PASSWORD)

    def test_a_readers_key_does_not_confirm_it(self, visitor: Visitor, site: Site) -> None:
        visitor.sign_in(PASSWORD)
        page = visitor.post("/password", {**CHANGE, "current": key_of(site, "read")})
        assert "This key may only read" in page.select("#current-note").text


class TestGuessing:
    def test_from_one_address(self, visitor: Visitor, site: Site, clock: list[float]) -> None:
        pages = [visitor.sign_in(f"guess {n}") for n in range(12)]
        assert [each.status for each in pages] == [403] * 10 + [429] * 2
        assert pages[-1].headers["Retry-After"] == "30"
        assert "Wait 30 s, or sign in with an API key" in pages[-1].text
        assert visitor.sign_in(PASSWORD).status == 429
        assert not is_signed_in(visitor)
        clock[0] += 60
        assert visitor.sign_in(PASSWORD).status == 303

    def test_a_key_is_taken_at_any_time(
        self, visitor: Visitor, site: Site, clock: list[float]
    ) -> None:
        for n in range(12):
            visitor.sign_in(f"guess {n}")
        assert visitor.sign_in(API_KEY).status == 303
        assert Visitor(site).sign_in(key_of(site, "read")).status == 303

    def test_from_many_addresses(
        self,
        visitor: Visitor,
        site: Site,
        clock: list[float],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(sign_in_limit, "LIMIT", 20)
        statuses = []
        for n in range(24):
            visitor.address = f"198.51.100.{n}"
            statuses.append(visitor.sign_in(f"guess {n}").status)
        assert statuses == [403] * 20 + [429] * 4
        assert capsys.readouterr().err.count("more than 20 passwords") == 1
        visitor.address = "203.0.113.1"
        assert visitor.sign_in(PASSWORD).status == 429
        assert visitor.sign_in(API_KEY).status == 303
        clock[0] += 3600
        assert Visitor(site).sign_in(PASSWORD).status == 303

    def test_the_log_of_it_is_bounded(
        self, visitor: Visitor, site: Site, clock: list[float]
    ) -> None:
        for n in range(30):
            visitor.address = f"198.51.100.{n}"
            visitor.sign_in("guess")
        found = audit.read(site, 100, action="session.refused")
        assert len(found) == sign_in_limit.NOTED + 1
        assert "of this hour are not noted" in found[0]["detail_json"]

    def test_the_right_one_does_not_count(
        self, visitor: Visitor, site: Site, clock: list[float]
    ) -> None:
        for _ in range(15):
            assert Visitor(site).sign_in(PASSWORD).status == 303

    def test_a_try_is_counted_before_it_is_looked_at(
        self, visitor: Visitor, site: Site, clock: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Many at once are no way around the limit."""
        counts: list[str] = []

        def look(_: Site, password: str) -> bool:
            select = "SELECT value FROM settings WHERE name LIKE 'sign-ins.%'"
            rows = site.db.run(lambda connection: connection.query(select, {}))
            counts.append(rows[0]["value"])
            return False

        monkeypatch.setattr(admin_password, "check", look)
        visitor.sign_in("guess")
        assert counts == ["1"]


class TestWithoutSignIn:
    """REQUIRE_AUTH = False."""

    def test_everybody_is_admin_and_told_so(self, admin: Visitor) -> None:
        page = admin.get()
        assert page.status == 200
        assert "REQUIRE_AUTH is False" in page.select("p.warning").text
        assert admin.get("/sign-in").location == "/dashboard"
        assert admin.post("/sign-in", {"secret": "x"}).location == "/dashboard"
        assert admin.get("/sessions").status == 404
        assert admin.post("/password", {"password": "x" * 12, "again": "x" * 12}).status == 404

    def test_other_sites_pages_change_nothing(self, admin: Visitor) -> None:
        """The browser of whoever may reach the server also shows other sites' pages."""
        assert admin.post("/sign-out", {"csrf": ""}).status == 403
        assert admin.post("/sign-out", sec_fetch_site="cross-site").status == 403
        fresh = Visitor(admin.site)
        assert fresh.post("/sign-out", {"csrf": admin.csrf()}).status == 403
        assert admin.post("/sign-out").status == 303


@pytest.mark.parametrize("path", ["", "/sign-in", "/sessions", "/no-such-page"])
@pytest.mark.parametrize("is_in", [True, False])
def test_every_page_has_its_headers(visitor: Visitor, path: str, is_in: bool) -> None:
    """Clickjacking, sniffing, injected scripts, caches, and what other sites learn."""
    if is_in:
        visitor.sign_in(PASSWORD)
    page = visitor.get(path)
    headers = page.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    if page.status == 303:
        return
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    policy = dict(
        each.strip().partition(" ")[::2] for each in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert not page.soup.select("script:not([src]), style, [style], [onclick]")
