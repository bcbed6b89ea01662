"""Keys with scopes: which one a caller sent, and whether it is for this call."""

from __future__ import annotations

from app.errors import ApiError
from app.queue import key_lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.api.routes import Target
    from app.queue.access import Access
    from app.site import Site


def find(site: Site, keys: Sequence[str]) -> tuple[Access | None, str]:
    """What the first valid one of these keys may do. Without one: None, and the reason, if the
    caller may know it. Raises a DatabaseError.
    """
    found = key_lookup.find(site, keys)
    return found.access, found.reason


def authorize(access: Access, target: Target) -> None:
    """Raises ApiError ``forbidden`` when the key is not for this route. An unknown address is not
    refused here but by ``Target.handler``.
    """
    route = target.route
    if route is None:
        return
    if not access.may(route.scope):
        raise ApiError(
            "forbidden",
            f"The API key {access.name!r} lacks the scope {route.scope!r} and has "
            f"{_listed(access.scopes)}: send a key with that scope, or have one made with "
            "POST /api/keys",
        )
    if access.type_patterns is not None and not route.by_type:
        raise ApiError(
            "forbidden",
            f"The API key {access.name!r} is for the task types {_listed(access.type_patterns)} "
            "alone, and this call is about all of them: send a key without type_patterns",
        )


def note_use(site: Site, access: Access) -> None:
    """Note when the key was used, now and then. Never fails."""
    if access.is_use_due:
        key_lookup.note_use(site, access)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
