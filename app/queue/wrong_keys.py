"""How many wrong API keys and passwords came from an address within the current minute.

There are at most ``SLOTS`` counts a minute: addresses that share a slot share its count, which
harms nobody, since the right key is always taken.
"""

from __future__ import annotations

from app.error_log import log
from app.errors import DatabaseError
from app.hashes import sha256
from app.queue.period_counts import PeriodCount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.site import Site

LIMIT = 10
"""Wrong keys a minute from one address that are answered as such."""

SLOTS = 1024
PREFIX = "wrong-keys."
PERIOD_SECONDS = 60


def note(site: Site, address: str) -> int:
    """Count one more wrong key. The seconds to wait if there were too many, else 0.

    Nothing is written once there were too many. Never fails: without a database nothing is
    counted.
    """
    count = count_of(site, address)
    try:
        number = count.add_one(site, LIMIT)
    except DatabaseError:
        return 0
    if number == LIMIT + 1:
        log(
            f"more than {LIMIT} wrong API keys or passwords within a minute from "
            f"{address[:60]!r}; further ones are answered 429 until the minute is over"
        )
    return count.seconds_left if number > LIMIT else 0


def count_of(site: Site, address: str) -> PeriodCount:
    """The count of this minute for an address."""
    return PeriodCount(PREFIX, PERIOD_SECONDS, _slot(site.settings.api_key, address))


def _slot(api_key: str, address: str) -> str:
    """Without the key the address cannot be derived from it."""
    digest = sha256(f"{api_key}\n{_network(address)}".encode("utf-8", "replace")).digest()
    return format(int.from_bytes(digest[:4], "big") % SLOTS, "03x")


def _network(address: str) -> str:
    """What one caller can choose addresses from: with IPv6 that is a whole network."""
    if ":" not in address or "." in address:
        return address
    import socket

    try:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8].hex()
    except (OSError, ValueError):
        return address
