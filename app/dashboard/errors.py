"""Pages for what went wrong: what happened, and what to do."""

from __future__ import annotations

from app.api.error_responses import error_response
from app.dashboard.visit import Visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_request import PageRequest
    from app.site import Site


def page_of(error: Exception, visit: Visit) -> Response:
    """The page for any exception, with the status and the sentence that the API has for it. What
    the visitor can't act on goes to the log instead.
    """
    told = error_response(error)
    response = _page(visit, told.status, "This did not work", str(told.payload["error"]))
    if "Retry-After" in told.headers:
        response.headers["Retry-After"] = told.headers["Retry-After"]
    return response


def no_page(visit: Visit, allowed: list[str]) -> Response:
    """Nothing is at this address, or nothing for this method."""
    if allowed:
        response = _page(
            visit, 405, "This address takes forms only", "Go back and use the button again."
        )
        response.headers["Allow"] = ", ".join(allowed)
        return response
    return _page(visit, 404, "Page not found", "There is no page at this address.")


def sign_in_first(visit: Visit) -> Response:
    """To the sign-in, and back again afterwards."""
    from app.dashboard.signing_in import return_address  # loaded when needed

    return visit.redirect("/sign-in", next=return_address.of_request(visit.request))


def for_admins(visit: Visit) -> Response:
    return _page(
        visit,
        403,
        "Only admins can do this",
        "You are signed in for reading. Sign in as admin to change something.",
    )


def not_our_form(visit: Visit) -> Response:
    return _page(
        visit,
        403,
        "This form has expired",
        "Nothing was changed. Go back, reload the page, and send the form again.",
    )


def nothing_here(request: PageRequest, site: Site) -> Response:
    """Nothing is at an address outside the dashboard."""
    return no_page(Visit(request, site, None), [])


def _page(visit: Visit, status: int, title: str, sentence: str) -> Response:
    return visit.render("error.html", status, title=title, sentence=sentence)
