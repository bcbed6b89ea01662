"""The API's own description: responses."""

from __future__ import annotations

from app.api.reference.operation import Operation
from app.api.reference.schemas import OBJECT, TEXT, list_of, map_of, shape, success, words
from app.api.routes import SCOPES_OF_ROUTES

CALL = shape(
    {
        "method": words("GET", "POST", "PUT", "DELETE"),
        "path": TEXT,
        "summary": TEXT,
        "scope": words(*SCOPES_OF_ROUTES),
    }
)

OPERATIONS = {
    "GET /": Operation(
        {
            200: success(
                shape(
                    {
                        "name": TEXT,
                        "version": TEXT,
                        "links": map_of(TEXT),
                        "calls": list_of(CALL),
                    }
                )
            )
        }
    ),
    "GET /openapi.json": Operation({200: OBJECT}),
}
