"""One call on its way through the API: the request, its fields, the site it is for."""

from __future__ import annotations

from app.api.body import read_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.fields import Fields
    from app.api.request import Request
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site


class Call:
    """What a handler gets. ``arguments`` are the parts of the path; what a handler adds to
    ``warnings`` is sent with the response. ``access`` is what the caller's key lets it see and
    change: handlers pass it on to the queue. None is the root key.
    """

    def __init__(
        self, request: Request, site: Site, warnings: list[str], access: Access | None = None
    ) -> None:
        self.request = request
        self.site = site
        self.access = access
        self.arguments = request.target.arguments
        self.warnings = warnings

    def fields(self, known: Fields) -> dict[str, Any]:
        """The body's known fields. Raises ApiError or Invalid."""
        return self.read(known, read_object(self.request, self.site.settings.max_body_bytes))

    def query(self, known: Fields) -> dict[str, Any]:
        """The known fields of the query string; a field without a value counts as not given.
        Raises Invalid.
        """
        given = {name: text for name, text in self.request.query.items() if text}
        return self.read(known, known.of_texts(given))

    def take_limit(self, values: dict[str, Any], default: int = 50) -> int:
        """How many entries a list is to have: ``limit``, taken out of its values and lowered with a
        warning where it is too high.
        """
        from app.api.fields import MAX_LIMIT  # loaded with every list

        limit: int = values.pop("limit", default)
        if limit > MAX_LIMIT:
            self.warnings.append(f"limit was lowered from {limit} to {MAX_LIMIT}, the most at once")
        return min(limit, MAX_LIMIT)

    def read(self, known: Fields, given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """The known fields of an object inside the body; ``where`` begins their paths."""
        values, warnings = known.read(given, self.site.settings, where)
        self.warnings += warnings
        return values

    def read_traceparent(self) -> str | None:
        """The trace that the call is part of, by its header; a malformed one becomes a warning."""
        header = self.request.headers.get("traceparent")
        if header is None:
            return None
        from app.api import trace_context  # loaded when needed

        return trace_context.read(header.strip(), "the header traceparent", self.warnings)

    @property
    def actor(self) -> Actor:
        """Who calls, for the audit log."""
        # Loaded when needed: calls of workers and producers are not in the audit log.
        from app.queue.audit import Actor

        if self.access is not None:
            name = f"key {self.access.name} (#{self.access.key_id})"
        else:
            name = "root key" if self.site.settings.require_auth else "anybody"
        return Actor(name, self.request.address)

    @property
    def task_id(self) -> int:
        return int(self.arguments["id"])
