"""What somebody typed when their session had ended: the sign-in form takes it along as hidden
fields, and whoever has signed in finds the form filled in again. Nothing of it is done before they
send it once more, and nothing is stored.
"""

from __future__ import annotations

from app.dashboard.page_request import Form
from app.dashboard.routes import ADMIN, resolve
from app.dashboard.signing_in import identity, own_forms
from app.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit

    Fields = list[tuple[str, str]]

PREFIX = "kept."
"""How the names of the fields begin in the sign-in form."""

PATH = "kept-path"

MOST_CHARACTERS = 40_000
MOST_FIELDS = 500
"""The sign-in form has to pass app/server/pages.py, where each character may take three bytes."""

NOT_KEPT = ("csrf", "confirmed")


def fields_to_keep(visit: Visit) -> Fields:
    """Those of the form that was sent, for the sign-in form; none where it is not one of ours, or
    too long.
    """
    try:
        form = visit.request.short_form()
    except ApiError:
        return []
    if not _comes_from_this_browser(visit):
        return []
    kept = [(PREFIX + name, value) for name, value in form.pairs if name not in NOT_KEPT]
    return _bounded([(PATH, visit.request.path), *kept])


def kept_fields(visit: Visit) -> Fields:
    """Those that a sign-in form took along, for another try."""
    pairs = visit.form.pairs
    return _bounded([each for each in pairs if each[0] == PATH or each[0].startswith(PREFIX)])


def show_again(visit: Visit, token: str) -> Response | None:
    """The form that the sign-in form took along, for whoever has just signed in; None if there is
    none.
    """
    path = visit.form.get(PATH)
    place = resolve("POST", path)
    if not path or place.page is None or not place.page.refill:
        return None
    pairs = [
        (name[len(PREFIX) :], value) for name, value in visit.form.pairs if name.startswith(PREFIX)
    ]
    visit.request = visit.request.with_form(path, Form.of(pairs))
    visit.identity = identity.identity_of(visit.site, token)
    visit.arguments = place.arguments
    if place.page.role == ADMIN and not visit.is_admin:
        return None
    visit.is_refilled = True
    return place.page.refill_function()(visit)


def _comes_from_this_browser(visit: Visit) -> bool:
    """Whether a form of ours was sent: by the token of the session that is over; where the browser
    has forgotten that, it says itself that the form is from this site.
    """
    secret = identity.last_session_secret(visit.request)
    if secret:
        return own_forms.is_own_form(visit.request, secret)
    return own_forms.is_surely_from_own_site(visit.request)


def _bounded(fields: Fields) -> Fields:
    is_short = sum(len(name) + len(value) for name, value in fields) <= MOST_CHARACTERS
    return fields if is_short and len(fields) <= MOST_FIELDS else []
