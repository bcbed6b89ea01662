"""Who may call: the key in ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``."""

from __future__ import annotations

from hmac import compare_digest

from app.api.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.http import Request
    from app.config import Settings

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="TaskManager"'}


def authenticate(request: Request, settings: Settings) -> None:
    """Raises ApiError ``unauthorized`` unless the request carries the key."""
    if not settings.require_auth:
        return
    if not settings.api_key:
        raise ApiError(
            "unauthorized",
            "This server has no API key yet: set API_KEY in its config.py, or "
            "TASKMANAGER_API_KEY in its environment, then send the same key",
            headers=CHALLENGE,
        )
    key = _key(request)
    if not key:
        raise ApiError(
            "unauthorized",
            'Send the API key as "Authorization: Bearer KEY" or as "X-API-Key: KEY" '
            "(some hosts drop the first)",
            headers=CHALLENGE,
        )
    if not compare_digest(key.encode("utf-8"), settings.api_key.encode("utf-8")):
        raise ApiError("unauthorized", "The API key is not the right one", headers=CHALLENGE)


def _key(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key", "").strip()
