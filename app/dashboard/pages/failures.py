"""Tasks that are failed now, in groups of the same type and the same kind of error."""

from __future__ import annotations

from app.api import serializers
from app.dashboard.display import export
from app.errors import UnknownType
from app.queue.listing import exactly
from app.queue.statistics.failures import failures
from app.queue.task_page import list_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit
    from app.queue.statistics.failures import FailureGroup

MOST_GROUPS = 100

COLUMNS = ("error_group", "type", "error", "count", "first_at", "last_at", "sample_id")


class GroupLine:
    """A group, and the ``fields`` of an address that find its tasks. Tasks that failed under an
    early version have no group of their own: then ``is_known`` is false.
    """

    def __init__(self, group: FailureGroup, largest: int) -> None:
        self.group = group
        self.share = group.count / largest
        self.is_known = group.error_group is not None
        self.fields = {"type": exactly(group.type)}
        if self.is_known:
            self.fields["error_group"] = str(group.error_group)
        else:
            self.fields["status"] = "failed"


def show(visit: Visit) -> Response:
    context = list_context(visit.site)
    type_name, error = visit.query.get("type"), ""
    groups: list[FailureGroup] = []
    try:
        groups = failures(visit.site, type_name or None, MOST_GROUPS + 1)
    except UnknownType as unknown:
        error = unknown.message
    is_capped = len(groups) > MOST_GROUPS
    groups = groups[:MOST_GROUPS]
    if export.format_of(visit) and not error:
        rows = [serializers.failure_group(each) for each in groups]
        return export.file_of(visit, "failures", rows, COLUMNS, is_capped=is_capped)
    return visit.render(
        "failures/list.html",
        404 if error else 200,
        type_name=type_name,
        types=context.types,
        error=error,
        lines=[GroupLine(each, groups[0].count) for each in groups],
        total=sum(each.count for each in groups),
        is_capped=is_capped,
        as_of=visit.as_of(context.now),
    )
