"""How many passwords are tried: so few that guessing leads nowhere, whoever guesses from wherever.

A try is counted before the password is looked at, so that many at once are no way around. What is
over the limit is refused unseen, the right password too: people sign in with a key then, which is
never refused.
"""

from __future__ import annotations

from app.error_log import log
from app.queue import audit, wrong_keys
from app.queue.audit import Actor
from app.queue.period_counts import PeriodCount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.site import Site

LIMIT = 100
"""Tries an hour from all addresses together: fewer than a million a year."""

PREFIX = "sign-ins."
PERIOD_SECONDS = 3600

NOTED = 10
"""Refused ones an hour that the audit log has a line for each; then one that says it went on."""


class PasswordTry:
    """One try. ``seconds`` is how long to wait first; with 0 the password may be looked at."""

    def __init__(self, site: Site, address: str) -> None:
        self._site = site
        self._address = address
        self._of_address = wrong_keys.count_of(site, address)
        self._of_all = PeriodCount(PREFIX, PERIOD_SECONDS)
        self._number = 0
        self.seconds = wrong_keys.note(site, address) or self._count()

    def succeeded(self) -> None:
        """A right password does not count."""
        self._of_address.take_back(self._site)
        self._of_all.take_back(self._site)

    def failed(self) -> None:
        if self._number <= NOTED + 1:
            note_refusal(self._site, self._address, goes_on=self._number > NOTED)

    def _count(self) -> int:
        self._number = self._of_all.add_one(self._site, LIMIT)
        if self._number == LIMIT + 1:
            log(
                f"more than {LIMIT} passwords were tried within an hour; until it is over, only "
                "keys sign in to the dashboard"
            )
        return self._of_all.seconds_left if self._number > LIMIT else 0


def note_refusal(site: Site, address: str, goes_on: bool) -> None:
    """A line of the audit log. The last one of the hour says that there may be more."""
    detail = {"more": "of this hour are not noted"} if goes_on else {}
    audit.write(site, Actor("nobody (dashboard)", address), "session.refused", None, **detail)
