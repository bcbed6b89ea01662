"""Who is signed in where, and the admin password."""

from __future__ import annotations

from app.dashboard.forms import confirming
from app.dashboard.routes import ADMIN
from app.dashboard.signing_in import identity
from app.dashboard.signing_in.credentials import SignInRefused, person_with
from app.errors import Invalid, NotFound
from app.queue import admin_password, sessions
from app.queue.sessions import OpenSession, Person

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit


def show(visit: Visit) -> Response:
    return _page(visit)


def end(visit: Visit) -> Response:
    """Sign out one browser."""
    session = next((each for each in _shown(visit) if each.id == visit.id), None)
    if session is None:
        raise NotFound("This session has ended already")
    sessions.end(visit.site, session.id, visit.actor)
    return visit.redirect("/sessions", f"Signed out: {session.name}.")


def end_all(visit: Visit) -> Response:
    """Sign out everybody; a reader signs out those with the same key."""
    whom = "everybody" if visit.is_admin else "every browser with this key"
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            f"Sign out {whom}?",
            "That includes you, in this browser.",
            "Sign out everywhere",
            visit.url("/sessions"),
        )
    sessions.end_all(visit.site, visit.actor, None if visit.is_admin else _own(visit).key_id)
    identity.forget_session(visit)
    return visit.redirect("/sign-in", f"Signed out: {whom}.")


def set_password(visit: Visit) -> Response:
    """Set the admin password, with the one that is set or a key of an admin."""
    new, again = (visit.form.all(name)[-1:] for name in ("password", "again"))
    if new != again:
        return _page(visit, 422, {"again": "These are not the same"})
    try:
        _check_current(visit)
        admin_password.change(visit.site, "".join(new), visit.actor)
    except SignInRefused as error:
        return _page(visit, 429 if error.seconds else 403, {"current": str(error)})
    except Invalid as error:
        return _page(visit, 422, {"password": str(error)})
    own = _own(visit)
    identity.sign_in(visit, Person(own.name, own.role, own.key_id))
    return visit.redirect("/sessions", "The password is set. Everybody else is signed out.")


def _check_current(visit: Visit) -> None:
    """Whoever sits down at a browser that was left open cannot set a password. Raises
    SignInRefused.
    """
    typed = "".join(visit.form.all("current")[-1:])
    if person_with(visit.site, typed, visit.request.address).role != ADMIN:
        raise SignInRefused("This key may only read: use the password or an admin's key")


def _own(visit: Visit) -> OpenSession:
    """The visitor's own session. Raises NotFound where nobody signs in."""
    session = visit.identity.session if visit.identity else None
    if session is None:
        raise NotFound("Nobody is signed in here: REQUIRE_AUTH is False")
    return session


def _shown(visit: Visit) -> list[OpenSession]:
    """All of them for admins, and for readers those of their key."""
    own = _own(visit)
    found = sessions.list_all(visit.site)
    return found if visit.is_admin else [each for each in found if each.key_id == own.key_id]


def _page(visit: Visit, status: int = 200, errors: dict[str, str] | None = None) -> PageResponse:
    return visit.render(
        "sessions.html",
        status,
        sessions=_shown(visit),
        own=_own(visit),
        errors=errors or {},
        has_password=admin_password.is_set(visit.site),
        least=admin_password.MIN_CHARACTERS,
    )
