"""What calls return, as OpenAPI says it: successes and errors."""

from __future__ import annotations

from app.api.error_responses import STATUS_OF_CODE
from app.api.reference import chapters, schemas
from app.api.reference.links import within_site
from app.api.routes import speaks_spooled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.reference.chapters import Section
    from app.api.reference.operation import Operation
    from app.api.routes import Route

    Schema = dict[str, Any]

JSON = "application/json"
STATUSES = {
    **STATUS_OF_CODE,
    "internal": 500,
    "busy": 503,
    "database_unavailable": 503,
    chapters.LEASE_EXPIRED: 409,
}
OF_EVERY_CALL = ("internal", "busy", "database_unavailable")
OF_CALLS_WITH_A_KEY = ("unauthorized", "forbidden", "rate_limited")
OF_CALLS_WITH_A_BODY = ("invalid_json", "too_large", "length_required", "unsupported_media_type")
COMMON = (*OF_EVERY_CALL, *OF_CALLS_WITH_A_KEY, *OF_CALLS_WITH_A_BODY)

ONE_HEADER: Schema = {"schema": {"type": "string"}}
HEADERS_OF_ERRORS: dict[int, Schema] = {
    401: {"WWW-Authenticate": ONE_HEADER},
    429: {"Retry-After": ONE_HEADER},
    500: {"Retry-After": ONE_HEADER},
    503: {"Retry-After": ONE_HEADER},
}


class Responses:
    """Describes what calls return. Errors that several calls have in common are in ``shared``, for
    ``components/responses``.
    """

    def __init__(self) -> None:
        self.shared: Schema = {}

    def of(self, route: Route, operation: Operation, section: Section) -> Schema:
        """By status."""
        found = {str(status): _success(operation, section, status) for status in operation.returns}
        for status, codes in sorted(codes_of(route, operation, section).items()):
            error = _error(status, codes, speaks_spooled(route.template))
            own = operation.returns.get(status)
            if own is None:
                found[str(status)] = self._shared(codes, error)
            else:
                content = error["content"][JSON]
                content["schema"] = schemas.any_of(own, content["schema"])
                found[str(status)] = error
        return found

    def _shared(self, codes: list[str], error: Schema) -> Schema:
        dialect = "spooled." if "SpooledError" in str(error) else ""
        name = dialect + ".".join(codes)
        self.shared[name] = error
        return {"$ref": f"#/components/responses/{name}"}


def codes_of(route: Route, operation: Operation, section: Section) -> dict[int, list[str]]:
    """Every code that the call may return, by status."""
    codes = [*section.errors(), *OF_EVERY_CALL]
    if not route.is_open:
        codes += OF_CALLS_WITH_A_KEY
    if "{" in route.template:
        codes.append("not_found")
    if operation.bodies:
        codes += OF_CALLS_WITH_A_BODY
    if any(fields.readers for fields in operation.all_fields()):
        codes.append("validation_failed")
    found: dict[int, list[str]] = {}
    for code in sorted(set(codes)):
        found.setdefault(STATUSES[code], []).append(code)
    return found


def _success(operation: Operation, section: Section, status: int) -> Schema:
    response: Schema = {"description": within_site(section.said_of(status), "docs")}
    schema = operation.returns[status]
    if schema is not None:
        response["content"] = {
            operation.content_type: _with_examples(schema, section.responses(status))
        }
    if operation.response_headers:
        response["headers"] = operation.response_headers
    return response


def _with_examples(schema: Schema, examples: list[tuple[Any, bool]]) -> Schema:
    """Examples of the ``data`` alone are put where that is described."""
    of_data = [value for value, is_data in examples if is_data]
    if of_data:
        schema = schemas.all_of(schema, {"properties": {"data": {"examples": of_data}}})
    content: Schema = {"schema": schema}
    whole = [value for value, is_data in examples if not is_data]
    if whole:
        content["examples"] = {
            f"example-{number}": {"value": value} for number, value in enumerate(whole, 1)
        }
    return content


def _error(status: int, codes: list[str], is_spooled: bool) -> Schema:
    shown = [code.upper() for code in codes] if is_spooled else codes
    schema = schemas.all_of(
        schemas.ref("SpooledError" if is_spooled else "Error"),
        {"properties": {"code": {"enum": shown}}},
    )
    response: Schema = {
        "description": ", ".join(f"`{code}`" for code in shown),
        "content": {JSON: {"schema": schema}},
    }
    if status in HEADERS_OF_ERRORS:
        response["headers"] = HEADERS_OF_ERRORS[status]
    return response
