"""How many jobs there are in each status, and how a queue is doing."""

from __future__ import annotations

from app.api.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call


def job_stats(call: Call) -> Response:
    """A job that has failed for good is a dead letter at once, so none is ``failed``."""
    from app.queue.type_stats import count_by_status

    counts = count_by_status(call.site)
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
    from app.api.spooled.queues import queue_of
    from app.queue.type_stats import stats_of_type

    row = queue_of(call)
    stats = stats_of_type(call.site, row)
    mean, oldest = stats.run_seconds, stats.oldest_seconds
    payload = {
        "queue_name": row["name"],
        "pending_jobs": stats.counts["pending"],
        "processing_jobs": stats.counts["claimed"],
        "completed_jobs_24h": stats.completed,
        "failed_jobs_24h": stats.failed,
        "avg_processing_time_ms": None if mean is None else round(mean * 1000),
        "max_job_age_seconds": None if oldest is None else max(0, int(oldest)),
        "active_workers": stats.active_workers,
    }
    return Response(200, payload)
