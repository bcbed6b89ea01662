"""The state of the server, as Spooled's SDKs read it.

They ask at the address that everybody asks, outside of ``/v1``, and are told by their User-Agent.
"""

from __future__ import annotations

from app.api.response import Response


def in_its_form(response: Response) -> Response:
    """``database`` is a boolean there, and nothing is around it."""
    told = response.payload
    payload = {name: told[name] for name in ("status", "version") if name in told}
    payload["database"] = told.get("database") == "connected"
    if response.status >= 400:
        payload.update(code=told["code"].upper(), message=told["message"])
    return Response(response.status, payload, response.headers)
