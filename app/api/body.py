"""A request's body: a JSON object, whatever its Content-Type says."""

from __future__ import annotations

from app import json_text
from app.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.request import Request


def read_object(request: Request, max_bytes: int) -> dict[str, Any]:
    """The body as a dict; no body at all is an empty one.

    Raises ApiError ``too_large``, ``length_required``, ``unsupported_media_type`` or
    ``invalid_json``.
    """
    body = request.body
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity") and len(body) <= max_bytes:
        # Loaded when needed: most clients send the plain text.
        from app.api.compression import decompress

        body = decompress(body, encoding, max_bytes)
    if len(body) > max_bytes:
        raise ApiError(
            "too_large", f"The body may have {max_bytes} bytes (MAX_BODY_BYTES): send less at once"
        )
    if not body.strip():
        return {}
    value = _parse(_text(body))
    if not isinstance(value, dict):
        raise _invalid(f"The body must be a JSON object, {{…}}, and is {_kind(value)}")
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(f"The body is not UTF-8 (byte {error.start})") from None


def _parse(text: str) -> Any:
    try:
        return json_text.parse(text)
    except ValueError as error:
        raise _invalid(f"The body is not JSON that can be taken: {error}") from None


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _invalid(message: str) -> ApiError:
    return ApiError("invalid_json", message)
