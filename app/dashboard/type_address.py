"""The addresses of types, whose names may be any text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.visit import Visit

TAKEN = ("register",)
"""Below ``/types``, these are other pages."""


def type_url(visit: Visit, name: str) -> str:
    """The address of a type's page: ``/types/NAME``; with the name in the query where browsers or
    servers would take its slashes and dots for steps of a path.
    """
    if name in TAKEN or not _is_plain(name):
        return visit.url("/types", name=name)
    return visit.url(f"/types/{name}")


def type_path(name: str) -> tuple[str, dict[str, str]]:
    """The same for ``visit.redirect``."""
    if name in TAKEN or not _is_plain(name):
        return "/types", {"name": name}
    return f"/types/{name}", {}


def _is_plain(name: str) -> bool:
    steps = name.split("/")
    return "" not in steps and "." not in steps and ".." not in steps and "\\" not in name
