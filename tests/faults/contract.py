"""Whether a response is one that the API promises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CODES = {
    403: {"not_owner"},
    404: {"not_found", "unknown_type"},
    409: {"not_claimed", "lease_lost", "conflict"},
    503: {"busy", "database_unavailable"},
}
"""The refusals that a correct call may meet. 500 is promised to no one."""

STATUSES = {
    "create": {200, 201, 503},
    "claim": {200, 503},
    "settle": {200, 403, 404, 409, 503},
    "settle many": {200, 503},
    "heartbeat": {200, 403, 404, 409, 503},
    "operate": {200, 201, 404, 409, 503},
}


def complaint(kind: str, status: int, headers: Mapping[str, str], raw: bytes) -> str:
    """What is wrong with the response to a call of this kind; "" for one that is as promised.

    The names of the headers are in lower case.
    """
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return f"{status} without a JSON object: {raw[:200]!r}"
    found = _wrong_headers(status, headers) or _wrong_shape(status, document)
    if not found and status not in STATUSES[kind]:
        found = f"status {status} for {kind}"
    return f"{found}: {raw[:200]!r}" if found else ""


def _wrong_headers(status: int, headers: Mapping[str, str]) -> str:
    if not headers.get("content-type", "").startswith("application/json"):
        return f"content type {headers.get('content-type')}"
    if "no-store" not in headers.get("cache-control", ""):
        return "no Cache-Control"
    if status == 503 and not headers.get("retry-after", "").isdigit():
        return "503 without Retry-After"
    return ""


def _wrong_shape(status: int, document: dict[str, Any]) -> str:
    if not isinstance(document.get("timestamp"), (int, float)):
        return "no timestamp"
    if not isinstance(document.get("message"), str):
        return "no message"
    return _wrong_success(document) if status < 300 else _wrong_failure(status, document)


def _wrong_success(document: dict[str, Any]) -> str:
    return "" if document.get("success") is True and "data" in document else "no success"


def _wrong_failure(status: int, document: dict[str, Any]) -> str:
    if document.get("success") is not False:
        return "a failure that claims success"
    if not document.get("error") or document["error"] != document["message"]:
        return "no error text"
    if document.get("code") not in CODES.get(status, ()):
        return f"code {document.get('code')!r} with status {status}"
    return ""
