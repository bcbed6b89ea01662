"""Who visits: by the session that a cookie names."""

from __future__ import annotations

from app.dashboard.routes import ADMIN
from app.dashboard.signing_in import own_forms
from app.dashboard.signing_in.cookies import cookie, value
from app.queue import sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest
    from app.dashboard.visit import Visit
    from app.queue.sessions import OpenSession, Person
    from app.site import Site

SESSION_COOKIE = "taskmanager"
FORM_COOKIE = "taskmanager_form"
"""A secret for the forms of browsers in which nobody is signed in."""


class Identity:
    """Somebody who may see pages. ``name`` is for people and the audit log; ``csrf`` is what each
    form of theirs has to send. ``session`` is None where nobody has to sign in.
    """

    __slots__ = ("csrf", "name", "role", "secret", "session")

    def __init__(
        self, name: str, role: str, secret: str, session: OpenSession | None = None
    ) -> None:
        self.name = name
        self.role = role
        self.secret = secret
        self.session = session
        self.csrf = own_forms.token_for(secret)


def identify(visit: Visit) -> Identity | None:
    """Who makes this visit; None while nobody is signed in. Raises a DatabaseError."""
    if not visit.site.settings.require_auth:
        return Identity("anybody", ADMIN, form_secret(visit))
    return identity_of(visit.site, value(visit.request, SESSION_COOKIE))


def identity_of(site: Site, token: str) -> Identity | None:
    """Who has the session with this token. Raises a DatabaseError."""
    session = sessions.find(site, token)
    if session is None:
        return None
    return Identity(session.name, session.role, token, session)


def last_session_secret(request: PageRequest) -> str:
    """The token of the browser's session, which may be over."""
    return value(request, SESSION_COOKIE)


def form_secret(visit: Visit) -> str:
    """The secret of a browser in which nobody is signed in. One that has none gets one with the
    response.
    """
    secret = value(visit.request, FORM_COOKIE)
    if len(secret) != sessions.TOKEN_CHARACTERS:
        secret = sessions.new_token()
        age = int(visit.site.settings.session_max_age)
        visit.cookies.append(cookie(visit.request, FORM_COOKIE, secret, age))
    return secret


def known_form_secret(request: PageRequest) -> str:
    """The same as the browser sent it; empty if it did not."""
    return value(request, FORM_COOKIE)


def comes_from_own_form(request: PageRequest, identity: Identity | None) -> bool:
    """Whether a form of ours, in this visitor's browser, sent the request."""
    return identity is not None and own_forms.is_own_form(request, identity.secret)


def sign_in(visit: Visit, person: Person) -> str:
    """Open a session, under a new token, whatever the browser had before. Returns the token."""
    site, request = visit.site, visit.request
    sign_out_here(site, request)
    token = sessions.open_session(site, person, request.address)
    age = int(site.settings.session_max_age)
    visit.cookies.append(cookie(request, SESSION_COOKIE, token, age))
    return token


def sign_out_here(site: Site, request: PageRequest) -> None:
    """End the session that this browser has, if any, without a line in the audit log."""
    before = sessions.find(site, value(request, SESSION_COOKIE))
    if before is not None:
        sessions.sign_out(site, before)


def forget_session(visit: Visit) -> None:
    """Let the browser forget its token."""
    visit.cookies.append(cookie(visit.request, SESSION_COOKIE, "", 0))
