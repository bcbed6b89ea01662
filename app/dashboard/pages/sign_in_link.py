"""Signing in by the installer's last page, or by the link that it prints."""

from __future__ import annotations

from app.dashboard.signing_in import identity, own_forms, return_address
from app.errors import Invalid
from app.queue import admin_password, sign_in_link
from app.queue.sessions import ADMIN, Person

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

OWNER = Person("owner", ADMIN)
"""Whoever has proved to the installer that the site is theirs."""


def show(visit: Visit) -> Response:
    """A button. The link itself signs nobody in: mail programs and scanners open links, too."""
    return _form(visit, visit.query.get("token"))


def use(visit: Visit) -> Response:
    """Sign in, set the password if one was typed, and show the first task being done."""
    token = visit.form.get("token")
    if not own_forms.comes_from_own_site(visit.request):
        return _form(visit, token)
    password = "".join(visit.form.all("password")[-1:])
    if password:
        try:
            admin_password.check_length(password)
        except Invalid as error:
            return _form(visit, token, 422, str(error))
    if not sign_in_link.use(visit.site, token):
        return _form(visit, token)
    if password:
        admin_password.change(visit.site, password, OWNER.actor(visit.request.address))
    identity.sign_in(visit, OWNER)
    if visit.form.get("first_task"):
        from app.dashboard.signing_in.first_task import (
            show_first_task,  # loaded when needed: once a site
        )

        return show_first_task(visit)
    return visit.redirect("")


def _form(visit: Visit, token: str, status: int = 200, error: str = "") -> Response:
    if not sign_in_link.is_valid(visit.site, token):
        if identity.identify(visit):
            return return_address.lead_to(visit, "")
        return _over(visit)
    return visit.render(
        "sign_in_link.html",
        status,
        token=token,
        error=error,
        has_password=admin_password.is_set(visit.site),
        least=admin_password.MIN_CHARACTERS,
    )


def _over(visit: Visit) -> PageResponse:
    return visit.render(
        "error.html",
        403,
        title="This link has ended",
        sentence="It works once, within half an hour. Sign in with the password, or with the API "
        "key: it is in config.py, in the site's private data folder.",
    )
