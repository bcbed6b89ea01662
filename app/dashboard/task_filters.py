"""The filters of tasks in an address: the API's names, and two that only people need.

``status`` is one of those that lists show, where ``scheduled`` is not ``pending``. ``age`` is a
span of time before now, so that an address which is kept goes on meaning "the last day".
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.api import fields
from app.api.endpoints.tasks import FILTERS
from app.errors import Invalid
from app.queue.lanes import READY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.config import Settings
    from app.dashboard.page_request import Form

STATUSES = ("pending", "scheduled", "claimed", "completed", "failed", "cancelled")
AGES = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}

READERS = fields.Fields(
    {}, **{**FILTERS, "status": fields.one_of(STATUSES), "age": fields.one_of(tuple(AGES))}
)
STORED = {"pending": READY, "scheduled": ("scheduled",)}
"""The API's pending tasks are both. The queue knows them apart as stored statuses."""


class TaskFilters:
    """``given`` are the filters as they stand in the address, without empty ones; ``errors`` what
    is wrong with them, by name. ``values`` are what the queue takes; it is empty while there are
    errors.
    """

    def __init__(self, form: Form, settings: Settings, now: str) -> None:
        self.given = {name: form.get(name) for name in READERS.readers if form.get(name)}
        self.errors: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        try:
            read, _ = READERS.read(READERS.of_texts(self.given), settings)
        except Invalid as error:
            self.errors = {each["path"]: each["message"] for each in error.details}
        else:
            self.values = _for_queue(read, now)

    def __bool__(self) -> bool:
        return bool(self.given)

    def get(self, name: str) -> str:
        return self.given.get(name, "")

    def but_for(self, *names: str, **changes: Any) -> dict[str, Any]:
        """The fields of an address with the same filters, but for some."""
        left = {name: value for name, value in self.given.items() if name not in names}
        return {**left, **changes}

    def fixed(self) -> dict[str, str]:
        """The fields of an address that goes on finding what these filters find now: without
        ``age``.
        """
        left = {name: value for name, value in self.given.items() if name != "age"}
        if "age" in self.given:
            left["created_after"] = self.values["created_after"].replace(" ", "T") + "Z"
        return left


def _for_queue(read: dict[str, Any], now: str) -> dict[str, Any]:
    age = read.pop("age", None)
    if age is not None:
        earliest = _before(now, AGES[age])
        read["created_after"] = max(earliest, read.get("created_after", earliest))
    if read.get("status") in STORED:
        read["stored_statuses"] = STORED[read.pop("status")]
    return read


def _before(now: str, seconds: float) -> str:
    moment = datetime.fromisoformat(now[:23]) - timedelta(seconds=seconds)
    return moment.isoformat(" ", "milliseconds")
