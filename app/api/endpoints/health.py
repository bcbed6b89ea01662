"""Is the server there, does its database answer, and is the queue being worked on?

Open to everybody, so nothing is told that an outsider may not know.
"""

from __future__ import annotations

from app.api import fields
from app.api.error_responses import RETRY_AFTER
from app.api.response import Response, failure, success
from app.error_log import log
from app.errors import DatabaseError
from app.version import SCHEMA_VERSION, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call


NEXT_LOOK = {"Retry-After": "60"}

QUEUE = fields.Fields(
    {},
    max_age=fields.number(1),
    max_silence=fields.number(1),
    max_failure_share=fields.number(0, 1),
)


def live(call: Call) -> Response:
    """This program runs and can answer; nothing is asked of the database."""
    response = success({"status": "alive"}, "alive")
    response.payload["status"] = "alive"
    return _in_its_form(call, response)


def health(call: Call) -> Response:
    """Whether calls can be served."""
    state = {"status": "healthy", "database": "connected", "version": VERSION}
    try:
        call.site.db.check(SCHEMA_VERSION)
    except DatabaseError as error:
        log(error)
        response = failure(
            503, "database_unavailable", "The database does not answer", None, RETRY_AFTER
        )
        state.update(status="unhealthy", database="unavailable")
    else:
        response = success(state, "healthy")
    response.payload.update(state)
    return _in_its_form(call, response)


def _in_its_form(call: Call, response: Response) -> Response:
    """An SDK of Spooled asks at the same addresses."""
    if "spooled" not in call.request.headers.get("user-agent", "").lower():
        return response
    from app.api.spooled.health import in_its_form  # loaded when needed

    return in_its_form(response)


def queue(call: Call) -> Response:
    """503 with the reasons when tasks wait too long, no worker is seen, or too many fail."""
    from app import cron_run
    from app.queue.queue_health import Limits, look

    settings = call.site.settings
    given = {name: _number(text) for name, text in call.request.query.items()}
    values = call.read(QUEUE, given)
    limits = Limits(
        values.get("max_age", settings.health_max_age),
        values.get("max_silence", settings.health_max_silence),
        values.get("max_failure_share", settings.health_max_failure_share),
    )
    found = look(call.site, limits, cron_run.seconds_since(cron_run.home()))
    call.warnings += found.warnings
    state: dict[str, Any] = {
        "status": "unhealthy" if found.reasons else "healthy",
        "reasons": found.reasons,
        "paused": found.is_paused,
    }
    if found.reasons:
        message = f"{'; '.join(found.reasons)}."
        message = message[0].upper() + message[1:]
        response = failure(503, "queue_unhealthy", message, None, NEXT_LOOK)
    else:
        response = success(state, "healthy, and paused" if found.is_paused else "healthy")
    response.payload.update(state)
    return response


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
