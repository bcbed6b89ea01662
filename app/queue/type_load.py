"""How busy each of some types is: how many tasks it has, and what they did within the hour."""

from __future__ import annotations

from app.queue.statistics.parts import read_parts
from app.queue.statistics.stats import STATUSES
from app.queue.statistics.type_activity import LastHour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.queue.statistics.type_activity import TypeActivity
    from app.site import Site


class TypeLoad:
    """``counts`` by status; the ``hour``'s activity."""

    def __init__(self, hour: TypeActivity) -> None:
        self.counts = dict.fromkeys(STATUSES, 0)
        self.hour = hour


def load_of_types(site: Site, now: str, type_ids: Sequence[int]) -> dict[int, TypeLoad]:
    """Of each of the types, by its id, as of ``now``."""
    if not type_ids:
        return {}
    last_hour = LastHour(site, now, type_ids)
    reading = read_parts(site, [last_hour])
    load = {each: TypeLoad(hour) for each, hour in last_hour.by_type(reading).items()}
    for (type_id, status, _), total in reading.counts.items():
        if type_id in load:
            load[type_id].counts[status] += total
    return load
