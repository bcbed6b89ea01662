"""How the key may be sent, as OpenAPI says it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.routes import Route

    Schema = dict[str, Any]

RUN_TOKEN = "runToken"

SCHEMES: Schema = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer KEY`, for most clients",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "For hosts that drop `Authorization`",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The key as password with any user name, for clients that can only be "
        "given an address: `https://x:KEY@example.com/api`",
    },
    RUN_TOKEN: {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "`RUN_TOKEN`, which opens nothing but a run in the server",
    },
}


def security_of(route: Route | None) -> list[Schema]:
    """What a call of this route needs: one of these. None means most routes."""
    if route is not None and route.is_open:
        return []
    names = [name for name in SCHEMES if name != RUN_TOKEN]
    if route is not None and route.takes_run_token:
        names.append(RUN_TOKEN)
    return [{name: []} for name in names]
