"""Which rows a call changed, as the later statements of the same packet have to know it.

A call marks the rows that it changes with a number of its own. ROW_COUNT() would be shorter and
is wrong in the one case that matters: MariaDB goes on with a packet whose sender has died, and
gives -1 after the answer that could not be sent, so tasks ended without a line in their history
(12 of 600 settles whose sender was cut off at once).
"""

from __future__ import annotations

import os

LARGEST = 2**63 - 1


def new_change_id() -> int:
    """A number that no other call uses: 63 random bits."""
    return int.from_bytes(os.urandom(8), "big") >> 1


def of_run(change_id: int, earlier_runs: int) -> int:
    """The number that a unit of work uses in one of its runs. Each run has another one: it must not
    take the rows that an earlier run changed for its own.
    """
    return (change_id + earlier_runs) & LARGEST


def claim_id_of(*names: str) -> int:
    """The same number whenever these names are given, and otherwise as good as random."""
    from app.hashes import sha256

    digest = sha256("\0".join(names).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
