"""Is the server there, and does its database answer?"""

from __future__ import annotations

from app.api.error_responses import RETRY_AFTER
from app.api.response import Response, failure, success
from app.error_log import log
from app.errors import DatabaseError
from app.version import SCHEMA_VERSION, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call


def health(call: Call) -> Response:
    """Open to everybody, so it tells nothing else."""
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
    if "spooled" in call.request.headers.get("user-agent", "").lower():
        # Loaded when needed: an SDK of Spooled asks at this address too.
        from app.api.spooled.health import in_its_form

        return in_its_form(response)
    return response
