"""Who may call: the key in ``Authorization: Bearer KEY``, in ``X-API-Key: KEY``, or as the password
of HTTP Basic, for clients that can only be given an address.

The root key is in the settings and may do everything. All others are in the database:
``scoped_keys`` handles them, and calls with the root key do not load it.
"""

from __future__ import annotations

from _operator import _compare_digest as compare_digest  # hmac's, without loading OpenSSL

from app.errors import ApiError
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.request import Request
    from app.queue.access import Access
    from app.site import Site

REALM = 'realm="TaskManager"'


def authenticate(request: Request, site: Site) -> Access | None:
    """What the caller may do; None for the root key, which may do everything.

    Raises ApiError ``unauthorized`` unless the request carries a key, ``rate_limited`` after many
    wrong ones from the same address, ``forbidden`` for a key that is not for this call. A valid key
    always passes. Raises a DatabaseError while keys cannot be looked up.
    """
    settings = site.settings
    if not settings.require_auth:
        return None
    keys = _keys(request)
    if _is_among(settings.api_key, keys):
        return None
    route = request.target.route
    if route is not None and route.takes_run_token and _is_among(settings.run_token, keys):
        return None
    reason = ""
    if keys:
        # Loaded when needed: calls with the root key do not get here.
        from app.api import scoped_keys

        access, reason = scoped_keys.find(site, keys)
        if access is not None:
            scoped_keys.authorize(access, request.target)
            return access
    raise _refusal(request, site, keys, reason)


def _refusal(request: Request, site: Site, keys: list[str], reason: str) -> ApiError:
    """What to tell a caller without a valid key. Raises ``rate_limited``."""
    if not site.settings.api_key and not reason:
        return _unauthorized(
            request,
            "This server has no API key yet: set API_KEY in its config.py, or "
            "TASKMANAGER_API_KEY in its environment, then send the same key",
        )
    if not keys:
        return _unauthorized(
            request,
            'Send the API key as "Authorization: Bearer KEY" or as "X-API-Key: KEY" '
            "(some hosts drop the first)",
        )
    _slow_down(request, site)
    return _unauthorized(request, reason or "The API key is not the right one")


def _is_among(expected: str, keys: list[str]) -> bool:
    known = expected.encode("utf-8")
    found = [key for key in keys if compare_digest(key.encode("utf-8", "replace"), known)]
    return expected != "" and found != []


def _keys(request: Request) -> list[str]:
    """What may be the key. A host's own password for the folder comes as Basic too, beside it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    keys = [request.headers.get("x-api-key", "")]
    if scheme.lower() == "bearer":
        keys.append(token)
    elif scheme.lower() == "basic":
        keys.append(_password(token))
    route = request.target.route
    if route is not None and route.takes_run_token:
        keys.append(request.query.get("token", ""))
    return [key.strip() for key in keys if key.strip()]


def _password(token: str) -> str:
    # Loaded when needed: workers send the key in one of the other ways.
    from binascii import a2b_base64

    try:
        return a2b_base64(token).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        return ""


def _unauthorized(request: Request, message: str) -> ApiError:
    """Browsers ask people for a password because of the challenge to Basic, which they must not
    do when a page's script made the call.
    """
    by_script = request.headers.get("sec-fetch-mode", "navigate") != "navigate"
    challenge = f"Bearer {REALM}" if by_script else f"Basic {REALM}, Bearer {REALM}"
    return ApiError("unauthorized", message, headers={"WWW-Authenticate": challenge})


def _slow_down(request: Request, site: Site) -> None:
    """Raises ApiError ``rate_limited`` after too many wrong keys from one address."""
    # Loaded when needed: callers with the right key do not get here.
    from app.queue import wrong_keys

    seconds = wrong_keys.note(site, request.address)
    if seconds:
        raise ApiError(
            "rate_limited",
            f"Too many wrong API keys from your address: wait {counted(seconds, 'second')}, or "
            "send the right key, which is taken at any time",
            headers={"Retry-After": str(seconds)},
        )
