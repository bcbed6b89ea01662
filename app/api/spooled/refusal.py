"""Errors as Spooled's clients expect them."""

from __future__ import annotations

from app.api.error_responses import error_response
from app.api.response import Response

LEASE_EXPIRED = {"lease_lost", "not_claimed", "not_owner"}
"""Whoever gets one of these no longer holds the job; there is one code for that."""


def refusal(error: Exception) -> Response:
    """The response for any exception: ``{code, message, details?}``."""
    told = error_response(error)
    code, status = told.payload["code"], told.status
    if code in LEASE_EXPIRED:
        code, status = "lease_expired", 409
    payload = {"code": code.upper(), "message": told.payload["message"]}
    if "details" in told.payload:
        payload["details"] = told.payload["details"]
    return Response(status, payload, told.headers)
