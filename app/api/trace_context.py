"""``traceparent`` as W3C's Trace Context has it: which trace a task is part of, and which span of
it made the task. Only calls that carry one load this.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 1


def read(value: Any, place: str, warnings: list[str]) -> str | None:
    """The traceparent to keep. None for an invalid one, with a warning that names the ``place``: a
    caller whose tracing is wrong must not lose tasks over it.
    """
    found = TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not _is_valid(*found.groups()):
        warnings.append(f"{place} was ignored: it is not a traceparent as W3C defines it")
        return None
    version, trace_id, span_id, flags, _ = found.groups()
    if version != "00":
        # Of a later version only this much is known, and it is passed on as the known one.
        flags = f"{int(flags, 16) & SAMPLED:02x}"
    return f"00-{trace_id}-{span_id}-{flags}"


def _is_valid(version: str, trace_id: str, span_id: str, _flags: str, more: str | None) -> bool:
    if version == "ff" or (version == "00" and more is not None):
        return False
    return trace_id.strip("0") != "" and span_id.strip("0") != ""
