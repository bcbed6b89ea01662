"""A request's body: a JSON object, whatever its Content-Type says."""

from __future__ import annotations

import json

from app.api.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.http import Request

MAX_DEPTH = 100
"""How deep arrays and objects may nest: deeper ones exhaust the stack of what reads them."""


def read_object(request: Request, max_bytes: int) -> dict[str, Any]:
    """The body as a dict; no body at all is an empty one.

    Raises ApiError ``too_large``, ``length_required`` or ``invalid_json``.
    """
    body = request.body
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
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _invalid(r"The body has half of a surrogate pair (\ud800 … \udfff)") from None
    except RecursionError:
        raise _invalid(f"The body nests deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise _invalid(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError as error:
        raise _invalid(f"The body is not JSON that can be read: {error}") from None
    return value


def _check_depth(text: str) -> None:
    """Counts brackets outside strings, so that nothing deep is ever parsed."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _invalid(f"The body nests deeper than {MAX_DEPTH} levels")
        elif character in "]}":
            depth -= 1


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _invalid(message: str) -> ApiError:
    return ApiError("invalid_json", message)
