"""A response, independent of the server that carries it, and the envelope that it has."""

from __future__ import annotations

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Responses are for the one who asked and for now; browsers must not guess at what they are.
FIXED_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Response:
    """``payload`` is sent as JSON, None as no body at all; ``headers`` are sent in addition to
    the fixed ones.
    """

    __slots__ = ("headers", "payload", "status")

    def __init__(self, status: int, payload: Any, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.payload = payload
        self.headers = {**FIXED_HEADERS, **(headers or {})}

    def header_list(self) -> list[tuple[str, str]]:
        """All of them; a name may come several times."""
        return list(self.headers.items())

    def body(self) -> bytes:
        if self.payload is None:
            return b""
        text = json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace") + b"\n"


class TextResponse(Response):
    """Lines for programs that do not read JSON."""

    __slots__ = ("text",)

    def __init__(self, text: str, content_type: str) -> None:
        super().__init__(200, None, {"Content-Type": content_type})
        self.text = text

    def body(self) -> bytes:
        return self.text.encode("utf-8", "replace")


def success(data: Any, message: str, status: int = 200) -> Response:
    payload = {"success": True, "message": message, "data": data, "timestamp": int(time.time())}
    return Response(status, payload)


def success_with_fields(shown: dict[str, Any], message: str, status: int = 200) -> Response:
    """What is in ``data`` also stands at the top level, where the simplest clients look for it."""
    response = success(shown, message, status)
    for name, value in shown.items():
        # No field takes the place of what every response has.
        response.payload.setdefault(name, value)
    return response


def failure(
    status: int,
    code: str,
    message: str,
    details: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    payload: dict[str, Any] = {
        "success": False,
        "error": message,
        "message": message,
        "code": code,
        "timestamp": int(time.time()),
    }
    if details:
        payload["details"] = details
    return Response(status, payload, headers)
