"""The pages that every page leads to."""

from __future__ import annotations

from app.dashboard.display.filters import number
from app.dashboard.routes import ADMIN, resolve
from app.errors import DatabaseError
from app.queue.navigation_counts import MOST, navigation_counts

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
    path, counts = visit.request.path, _counts(visit)
    return [
        NavigationEntry(
            label, visit.url(address), _is_below(path, address), counts.get(address, "")
        )
        for label, address in ENTRIES
        if visit.is_admin or not _is_for_admins(address)
    ]


def _counts(visit: Visit) -> dict[str, str]:
    """What stands beside the addresses. Nothing while the database does not answer: some pages
    are there all the same.
    """
    try:
        found = navigation_counts(visit.site)
    except DatabaseError:
        return {}
    return {
        "/tasks": _told(found.tasks),
        "/failures": _told(found.failures),
        "/types": _told(found.types),
        "/schedules": _told(found.schedules),
        "/workers": _told(found.workers),
    }


def _told(count: int | None) -> str:
    if not count:
        return ""
    return f"{number(MOST)}+" if count > MOST else number(count)


def _is_for_admins(address: str) -> bool:
    page = resolve("GET", address).page
    return page is not None and page.role == ADMIN


def _is_below(path: str, address: str) -> bool:
    if address == "":
        return path in ("", "/")
    return path == address or path.startswith(address + "/")
