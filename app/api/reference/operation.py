"""What is to be said about one call, beside its text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.api.fields import Fields

    Schema = dict[str, Any]

IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body makes the tasks once",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
TRACEPARENT: Schema = {
    "name": "traceparent",
    "in": "header",
    "description": "The trace that the tasks are part of, as W3C's Trace Context has it",
    "schema": {"type": "string"},
}

HAS_MORE: Schema = {
    "X-Has-More": {
        "description": "Whether there are more on the next page",
        "schema": {"enum": ["true", "false"]},
    }
}


class Operation:
    """``returns`` has the JSON Schema of the response by its status; None means no body.

    ``body`` and ``query`` are the fields that the call reads; of several bodies one is sent.
    ``nested`` are the fields of objects inside the body, by the name under which these are sent.
    ``headers`` are parameters as OpenAPI has them, ``response_headers`` those of a success. What is
    not JSON has another ``content_type``. ``example_query`` is for a call that needs a query.
    """

    def __init__(
        self,
        returns: Mapping[int, Schema | None],
        *,
        body: Fields | tuple[Fields, ...] = (),
        query: Fields | None = None,
        nested: Mapping[str, Fields] | None = None,
        headers: Sequence[Schema] = (),
        response_headers: Schema | None = None,
        content_type: str = "application/json",
        example_query: str = "",
    ) -> None:
        self.returns = returns
        self.bodies = body if isinstance(body, tuple) else (body,)
        self.query = query
        self.nested = nested or {}
        self.headers = headers
        self.response_headers = response_headers or {}
        self.content_type = content_type
        self.example_query = example_query

    def all_fields(self) -> list[Fields]:
        """Every Fields of the call, each once."""
        query = [] if self.query is None else [self.query]
        return list(dict.fromkeys([*self.bodies, *query, *self.nested.values()]))
