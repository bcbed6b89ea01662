"""How many jobs there are in each status, and how a queue is doing."""

from __future__ import annotations

from app.api.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call


def job_stats(call: Call) -> Response:
    """A job that has failed for good is a dead letter at once, so none is ``failed``."""
    from app.queue.statistics.stats import stats

    found = stats(call.site, access=call.access)
    counts = {status: total or 0 for status, total in found.counts.items()}
    payload = {
        "pending": counts["pending"],
        "scheduled": counts["scheduled"],
        "processing": counts["claimed"],
        "completed": counts["completed"],
        "failed": 0,
        "deadletter": counts["failed"],
        "cancelled": counts["cancelled"],
        "total": sum(counts.values()),
    }
    return Response(200, payload)


def queue_stats(call: Call) -> Response:
    """Without a history nobody knows what ended within a day: that is 0 then, since SDKs take no
    null for it.
    """
    from app.api.spooled.queues import queue_of
    from app.queue.type_stats import stats_of_type

    row = queue_of(call)
    found = stats_of_type(call.site, row)
    counts, ended = found.stats.counts, found.stats.ended
    mean, oldest = found.stats.mean_run, found.oldest_seconds
    payload = {
        "queue_name": row["name"],
        "pending_jobs": counts["pending"],
        "processing_jobs": counts["claimed"],
        "completed_jobs_24h": ended["completed"]["day"] or 0,
        "failed_jobs_24h": ended["failed"]["day"] or 0,
        "avg_processing_time_ms": None if mean is None else round(mean * 1000),
        "max_job_age_seconds": None if oldest is None else max(0, int(oldest)),
        "active_workers": found.active_workers,
    }
    return Response(200, payload)
