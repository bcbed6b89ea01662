"""From a browser's request to a page: the whole dashboard as one plain function."""

from __future__ import annotations

from app.dashboard import errors
from app.dashboard.page_response import NotModified, PageResponse
from app.dashboard.routes import ADMIN, OPEN, resolve
from app.dashboard.signing_in.identity import comes_from_own_form, identify
from app.dashboard.visit import Visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_request import PageRequest
    from app.dashboard.routes import Place
    from app.site import Site


def handle(request: PageRequest, site: Site) -> Response:
    """The response to a request below ``/dashboard``. Never raises: an error is a page too."""
    site.db.start_call()
    try:
        response = _respond(request, site)
    finally:
        site.db.end_call()
    return _unless_known(response, request)


def _respond(request: PageRequest, site: Site) -> Response:
    visit = Visit(request, site, None)
    try:
        place = resolve(request.method, request.path)
        is_open = place.page is not None and place.page.role == OPEN
        if not is_open:
            visit.identity = identify(visit)
        if place.page is None:
            return errors.no_page(visit, place.allowed)
        visit.arguments = place.arguments
        return _refusal(visit, place) or place.page.function()(visit)
    except Exception as error:
        return errors.page_of(error, visit)


def _refusal(visit: Visit, place: Place) -> Response | None:
    """Why this visitor cannot have this page; None if they can."""
    if place.page is None or place.page.role == OPEN:
        return None
    if visit.identity is None:
        return _sign_in_first(visit, place)
    if place.page.role == ADMIN and not visit.is_admin:
        return errors.for_admins(visit)
    if visit.request.method == "POST" and not comes_from_own_form(visit.request, visit.identity):
        return errors.not_our_form(visit)
    return None


def _sign_in_first(visit: Visit, place: Place) -> Response:
    if place.page is not None and place.page.refill:
        from app.dashboard.pages import sign_in  # loaded when needed
        from app.dashboard.signing_in import kept_form

        kept = kept_form.fields_to_keep(visit)
        if kept:
            return sign_in.ask_and_keep(visit, kept)
    return errors.sign_in_first(visit)


def _unless_known(response: Response, request: PageRequest) -> Response:
    """Nothing but "not modified" for an open page that has what it would get."""
    if not request.is_live or response.status != 200 or not isinstance(response, PageResponse):
        return response
    from app.hashes import sha256  # loaded when needed

    etag = f'"{sha256(response.body()).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == etag:
        return NotModified(etag)
    response.headers["ETag"] = etag
    return response
