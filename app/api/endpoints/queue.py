"""The queue as a whole, and types by a pattern: pause, resume."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.queue import pause as pausing
from app.queue.type_patterns import ends_in_escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call


@fields.reads(type="string", minLength=1, maxLength=255)
def type_pattern(value: Any) -> str:
    pattern: str = fields.text(255)(value)
    if ends_in_escape(pattern):
        raise ValueError("must not end in a backslash, which stands before the character it is for")
    return pattern


PAUSE = fields.Fields({}, type_pattern=type_pattern)


def get(call: Call) -> Response:
    return success(serializers.pause(pausing.state(call.site, call.access)), "Queue")


def pause(call: Call) -> Response:
    """A paused queue hands no tasks out; with ``type_pattern``, the types that match do not."""
    values = call.fields(PAUSE)
    if "type_pattern" in values:
        return _of_types(call, values["type_pattern"], True)
    pausing.pause_queue(call.site, call.access, call.actor)
    return success(_shown(call), "Queue paused successfully")


def resume(call: Call) -> Response:
    """Types that are paused by themselves stay so when the queue as a whole is resumed."""
    values = call.fields(PAUSE)
    if "type_pattern" in values:
        return _of_types(call, values["type_pattern"], False)
    pausing.resume_queue(call.site, call.access, call.actor)
    return success(_shown(call), "Queue resumed successfully")


def _of_types(call: Call, pattern: str, paused: bool) -> Response:
    matching = pausing.set_types_paused(call.site, pattern, paused, call.access, call.actor)
    if not matching:
        call.warnings.append(f"no task type matches {fields.shorten(pattern)!r}")
    done = "paused" if paused else "resumed"
    return success({**_shown(call), "matching": matching}, f"Task types {done} successfully")


def _shown(call: Call) -> dict[str, Any]:
    return serializers.pause(pausing.state(call.site, call.access))
