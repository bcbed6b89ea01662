"""Keys and the audit log: fields and responses."""

from __future__ import annotations

from app.api.endpoints import audit, keys
from app.api.reference.operation import Operation
from app.api.reference.schemas import COUNT, ID, list_of, or_null, ref, shape, success

PAGE = {"count": COUNT, "next_before_id": or_null(ID)}

OPERATIONS = {
    "POST /keys": Operation({201: success(ref("KeyWithText"))}, body=keys.KEY),
    "GET /keys": Operation(
        {200: success(shape({"keys": list_of(ref("Key")), **PAGE}))}, query=keys.LIST
    ),
    "POST /keys/{id}/rotate": Operation({200: success(ref("KeyWithText"))}, body=keys.ROTATE),
    "POST /keys/{id}/revoke": Operation({200: success(ref("Key"))}, body=keys.NOTHING),
    "GET /audit": Operation(
        {200: success(shape({"entries": list_of(ref("AuditEntry")), **PAGE}))}, query=audit.LIST
    ),
}
