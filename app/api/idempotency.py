"""The header Idempotency-Key. Only calls that carry it load this."""

from __future__ import annotations

from app import json_text
from app.api import fields
from app.hashes import sha256
from app.queue.idempotency import IdempotencyKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

HEADER = "Idempotency-Key"
KEY = fields.text(255)


def key_of(call: Call, given: dict[str, Any]) -> IdempotencyKey:
    """The key of a call with this body. Bodies that differ only in their spelling are the same.
    Raises Invalid.
    """
    try:
        key = KEY(call.request.headers[HEADER.lower()])
    except ValueError as error:
        raise fields.invalid([{"path": HEADER, "message": str(error)}]) from None
    body_hash = sha256(json_text.canonical(given).encode("utf-8")).hexdigest()
    return IdempotencyKey(key, body_hash, call.access)
