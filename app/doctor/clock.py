"""The database's clock, which all times are told by, against this host's."""

from __future__ import annotations

from datetime import datetime, timezone

from app.doctor.finding import ok, problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.site import Site

TOLERANCE = 30.0
"""Seconds."""


def check(site: Site) -> list[Finding]:
    """Raises a DatabaseError."""
    sql = f"SELECT {site.db.dialect.now} AS now"
    before = datetime.now(timezone.utc)
    (row,) = site.db.run(lambda connection: connection.query(sql, {}))
    after = datetime.now(timezone.utc)
    clock = datetime.fromisoformat(f"{row['now']}+00:00")
    ahead = (clock - before).total_seconds() if clock < before else (clock - after).total_seconds()
    if before <= clock <= after or abs(ahead) <= TOLERANCE:
        return [ok("the clocks of the database and of this host agree")]
    which = "ahead of" if ahead > 0 else "behind"
    return [
        problem(
            f"the database's clock is {abs(ahead):.0f} s {which} this host's: tasks with a time "
            "run by the database's, so ask your host to set the wrong one"
        )
    ]
