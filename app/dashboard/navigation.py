"""The pages that every page leads to."""

from __future__ import annotations

from app.dashboard.routes import ADMIN, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.visit import Visit


class NavigationEntry:
    """``count`` stands beside the label: how many there are, as text; it may be empty."""

    __slots__ = ("address", "count", "is_current", "label")

    def __init__(self, label: str, address: str, is_current: bool, count: str = "") -> None:
        self.label = label
        self.address = address
        self.is_current = is_current
        self.count = count


ENTRIES = (
    ("Overview", ""),
    ("Tasks", "/tasks"),
    ("Failures", "/failures"),
    ("Types", "/types"),
    ("Schedules", "/schedules"),
    ("Workers", "/workers"),
    ("Keys", "/keys"),
    ("Audit", "/audit"),
    ("Settings", "/settings"),
)
"""The label and the address of each, in the order of the pages."""


def navigation(visit: Visit) -> list[NavigationEntry]:
    path = visit.request.path
    return [
        NavigationEntry(label, visit.url(address), _is_below(path, address))
        for label, address in ENTRIES
        if visit.is_admin or not _is_for_admins(address)
    ]


def _is_for_admins(address: str) -> bool:
    page = resolve("GET", address).page
    return page is not None and page.role == ADMIN


def _is_below(path: str, address: str) -> bool:
    if address == "":
        return path in ("", "/")
    return path == address or path.startswith(address + "/")
