"""API keys with scopes: make, list, rotate, revoke."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.queue import api_keys
from app.queue.access import SCOPES
from app.queue.key_lookup import PREFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

LONGEST_GRACE = 30 * 86400

KEY = fields.Fields(
    {
        "name": fields.text(100),
        "scopes": fields.takes(
            fields.list_of(fields.one_of(SCOPES), len(SCOPES)),
            title="list of one to 4 of `read`, `produce`, `work`, `admin`",
            minItems=1,
        ),
    },
    type_patterns=fields.takes(
        fields.list_of(fields.text(255), api_keys.MAX_PATTERNS),
        title="list of one to 20 strings of 1 to 255 characters",
        minItems=1,
    ),
    expires_at=fields.time,
    prefix=fields.one_of(PREFIXES),
)
ROTATE = fields.Fields({}, grace=fields.number(0, LONGEST_GRACE), expires_at=fields.time)
NOTHING = fields.Fields({})
LIST = fields.Fields({}, limit=fields.list_limit, before_id=fields.integer(1, fields.MAX_ID))


def make(call: Call) -> Response:
    values = call.fields(KEY)
    made = api_keys.make(call.site, api_keys.NewKey(**values), call.actor)
    return success(_with_text(made), "API key made: copy it now, it is not shown again", 201)


def list_all(call: Call) -> Response:
    values = call.query(LIST)
    limit = call.take_limit(values)
    rows = api_keys.list_all(call.site, limit, values.get("before_id"))
    keys = [serializers.api_key(row) for row in rows]
    more = len(keys) == limit
    data = {
        "keys": keys,
        "count": len(keys),
        "next_before_id": keys[-1]["id"] if more else None,
    }
    return success(data, "API keys")


def rotate(call: Call) -> Response:
    values = call.fields(ROTATE)
    made = api_keys.rotate(call.site, int(call.arguments["id"]), **values, actor=call.actor)
    return success(_with_text(made), "API key rotated: copy it now, it is not shown again")


def revoke(call: Call) -> Response:
    call.fields(NOTHING)
    row = api_keys.revoke(call.site, int(call.arguments["id"]), call.actor)
    return success(serializers.api_key(row), "API key revoked")


def _with_text(made: api_keys.KeyWithText) -> dict[str, Any]:
    return {**serializers.api_key(made.row), "key": made.text}
