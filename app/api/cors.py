"""Calls by scripts of web pages at other addresses: allowed for the origins in CORS_ORIGINS, off
without them. The key goes in a header, never in a cookie, so a page gets in only with the key.
"""

from __future__ import annotations

from app.api.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.request import Request
    from app.config import Settings

ALLOWED = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, X-API-Key, Content-Type, Content-Encoding, Idempotency-Key, traceparent"
    ),
    "Access-Control-Max-Age": "600",
}
READABLE = {"Access-Control-Expose-Headers": "Retry-After, X-Has-More, X-Warnings"}


def preflight(request: Request, settings: Settings) -> Response | None:
    """The response to a browser that asks what a page may send; None for any other request. It
    asks without a key.
    """
    asks = request.method == "OPTIONS" and "access-control-request-method" in request.headers
    if not asks or not _allowed(request, settings):
        return None
    return Response(204, None, ALLOWED)


def allow(response: Response, request: Request, settings: Settings) -> None:
    """Let the page read the response, even an error."""
    response.headers["Vary"] = "Origin"
    origin = _allowed(request, settings)
    if origin:
        response.headers.update({"Access-Control-Allow-Origin": origin, **READABLE})


def _allowed(request: Request, settings: Settings) -> str:
    """The origin of the page as it is to be sent back; empty if it is not one of the setting."""
    origin = request.headers.get("origin", "")
    if "*" in settings.cors_origins:
        return "*" if origin else ""
    return origin if origin.lower() in settings.cors_origins else ""
