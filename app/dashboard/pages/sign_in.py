"""Signing in and out."""

from __future__ import annotations

from app.dashboard.signing_in import identity, kept_form, own_forms, return_address
from app.dashboard.signing_in.credentials import SignInRefused, person_with
from app.queue import admin_password, sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

EXPIRED = "Nothing was sent: the page was too old, or your browser keeps no cookies. Try again"


def show(visit: Visit) -> Response:
    """The form; whoever is signed in is led on."""
    if identity.identify(visit):
        return return_address.lead_to(visit, visit.query.get("next"))
    return _form(visit, visit.query.get("next"))


def sign_in(visit: Visit) -> Response:
    wanted = visit.form.get("next")
    if not visit.site.settings.require_auth:
        return return_address.lead_to(visit, wanted)
    secret = identity.known_form_secret(visit.request)
    if not own_forms.is_own_form(visit.request, secret):
        return _form(visit, wanted, 403, EXPIRED)
    typed = visit.form.all("secret")
    try:
        person = person_with(visit.site, typed[-1] if typed else "", visit.request.address)
    except SignInRefused as error:
        response = _form(visit, wanted, 429 if error.seconds else 403, str(error))
        if error.seconds:
            response.headers["Retry-After"] = str(error.seconds)
        return response
    token = identity.sign_in(visit, person)
    return kept_form.show_again(visit, token) or return_address.lead_to(visit, wanted)


def ask_and_keep(visit: Visit, kept: list[tuple[str, str]]) -> Response:
    """The form in the place of one that was sent when its session had ended: it takes the fields
    of that along.
    """
    return _form(visit, "", 403, kept=kept)


def sign_out(visit: Visit) -> Response:
    session = visit.identity.session if visit.identity else None
    if session is not None:
        sessions.sign_out(visit.site, session, visit.actor)
    identity.forget_session(visit)
    return visit.redirect("/sign-in", "You are signed out.")


def _form(
    visit: Visit,
    wanted: str,
    status: int = 200,
    error: str = "",
    kept: list[tuple[str, str]] | None = None,
) -> PageResponse:
    if kept is None:
        kept = kept_form.kept_fields(visit) if visit.request.method == "POST" else []
    return visit.render(
        "sign_in.html",
        status,
        csrf=own_forms.token_for(identity.form_secret(visit)),
        wanted=wanted,
        error=error,
        kept=kept,
        has_password=admin_password.is_set(visit.site),
        has_key=visit.site.settings.api_key != "",
    )
