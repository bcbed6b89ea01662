"""All checks in their order, and running them."""

from __future__ import annotations

from app.doctor import clock, config, database, disk, files, stuck, tables, workers
from app.doctor.finding import problem
from app.errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.doctor.finding import Finding
    from app.site import Site

    Check = Callable[[Site], list[Finding]]

WITHOUT_DATABASE: tuple[tuple[str, Check], ...] = (
    ("config", config.check),
    ("files", files.check),
    ("disk", disk.check),
)
WITH_DATABASE: tuple[tuple[str, Check], ...] = (
    ("database", database.check),
    ("tables", tables.check),
    ("clock", clock.check),
    ("workers", workers.check),
    ("tasks", stuck.check),
)
"""Each needs what the ones before it check."""


def findings(site: Site) -> Iterator[tuple[str, Finding]]:
    """Each finding with its subject."""
    for subject, check in WITHOUT_DATABASE:
        yield from ((subject, each) for each in check(site))
    for subject, check in WITH_DATABASE:
        try:
            found = check(site)
        except DatabaseError as error:
            yield subject, problem(f"{error}; what needs the database was not checked")
            return
        yield from ((subject, each) for each in found)
