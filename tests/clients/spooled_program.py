"""A program as users of Spooled write them; only the address and the key are other ones.

    python spooled_program.py SCENE BASE_URL API_KEY

Runs with Spooled's packages alone, in whatever version the path has.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timezone
from typing import Any

from spooled import SpooledClient, SpooledWorker
from spooled.errors import SpooledError

printing = threading.Lock()


def tell(event: str, data: Any = None) -> None:
    with printing:
        print(json.dumps({"event": event, "data": data}, default=str), flush=True)


def caught(call: Any) -> list[Any]:
    """What kind of error a call ends with."""
    try:
        return ["no error", call()]
    except SpooledError as error:
        return [type(error).__name__, error.status_code, error.code]


def produce(client: SpooledClient) -> None:
    payload = {"to": "ada@example.org", "camelCase": [1, None, {"größe": "🎉"}]}
    first = client.jobs.create(
        {
            "queue_name": "mail.send",
            "payload": payload,
            "idempotency_key": "order-1",
            "priority": 5,
            "max_retries": 1,
            "timeout_seconds": 120,
            "tags": {"for": "Ada"},
        }
    )
    again = client.jobs.create(
        {"queue_name": "mail.send", "payload": {}, "idempotency_key": "order-1"}
    )
    later = client.jobs.create(
        {
            "queue_name": "mail.send",
            "payload": payload,
            "scheduled_at": datetime(2096, 1, 1, tzinfo=timezone.utc),
        }
    )
    tell("created", [each.model_dump() for each in (first, again, later)])
    tell("jobs", [client.jobs.get(each.id).model_dump() for each in (first, later)])
    jobs = [{"payload": {"n": 1}}, {"payload": {"n": 2}, "idempotency_key": "order-1"}]
    bulk = client.jobs.bulk_enqueue({"queue_name": "mail.send", "jobs": jobs})
    tell("bulk", [each.created for each in bulk.succeeded])
    client.jobs.cancel(later.id)
    tell("cancelled", client.jobs.get(later.id).status)
    tell("unknown", caught(lambda: client.jobs.get("999999999")))
    wrong = SpooledClient(api_key="not-the-right-key", base_url=client.get_config().base_url)
    tell("wrong key", caught(lambda: wrong.jobs.get(first.id)))


def work(client: SpooledClient) -> None:
    """Two jobs of which one fails once; the worker stops when both are done."""
    for what in ("echo", "fail once"):
        client.jobs.create({"queue_name": "scene.work", "payload": {"do": what}})
    worker = new_worker(client, "scene.work")

    @worker.process
    def handle(context: Any) -> dict[str, Any]:
        if context.payload["do"] == "fail once" and context.retry_count == 0:
            raise ValueError("not today")
        return {"did": context.payload["do"], "retry_count": context.retry_count}

    done = []

    def completed(event: Any) -> None:
        done.append(event)
        if len(done) == 2:
            threading.Thread(target=worker.stop).start()

    worker.on("job:completed", completed)
    run(worker)


def lose(client: SpooledClient) -> None:
    """Whatever the handler returns comes too late. Without a free slot the worker does not claim
    the job again itself.
    """
    worker = new_worker(client, "scene.lose", concurrency=1)

    @worker.process
    def handle(context: Any) -> dict[str, Any]:
        tell("holding", context.job_id)
        sys.stdin.readline()
        threading.Timer(1, worker.stop).start()
        return {"too": "late"}

    run(worker)


def keep(client: SpooledClient) -> None:
    """A job that takes long is kept by heartbeats alone."""
    worker = new_worker(client, "scene.keep", lease_duration=5, heartbeat_fraction=0.1)

    @worker.process
    def handle(context: Any) -> dict[str, Any]:
        tell("holding", context.job_id)
        sys.stdin.readline()
        threading.Timer(0.5, worker.stop).start()
        return {"kept": True}

    run(worker)


def by_hand(client: SpooledClient) -> None:
    """The worker's calls one by one, and those of a lease that was lost."""
    named = {"queue_name": "scene.by_hand", "hostname": "h", "worker_id": "hand.1", "metadata": {}}
    registered = client.workers.register(named)
    tell("registered", registered.model_dump())
    client.workers.heartbeat(registered.id, {"current_jobs": 0, "status": "healthy"})
    options = {"queue_name": "scene.by_hand", "worker_id": registered.id, "limit": 5}
    (job,) = client.jobs.claim(options).jobs
    hold = {"worker_id": registered.id, "lease_id": job.lease_id}
    client.jobs.heartbeat(job.id, {**hold, "lease_duration_secs": 600})
    tell("holding", job.id)
    sys.stdin.readline()
    tell("heartbeat", caught(lambda: client.jobs.heartbeat(job.id, hold)))
    tell("complete", caught(lambda: client.jobs.complete(job.id, {**hold, "result": {}})))
    tell("fail", caught(lambda: client.jobs.fail(job.id, {**hold, "error": "x"})))
    client.workers.deregister(registered.id)


def look(client: SpooledClient) -> None:
    """What people ask about jobs, queues and workers. Version 1.1.0 knows fewer filters."""
    is_new = hasattr(client.jobs, "history")
    queue = {"queue_name": "scene.look"}
    failing, done, waiting = (client.jobs.create({**queue, "payload": {}}).id for _ in range(3))
    worker = client.workers.register({**queue, "hostname": "h", "worker_id": "look.1"})
    claimed = client.jobs.claim({**queue, "worker_id": worker.id, "limit": 2}).jobs
    client.jobs.fail(
        failing, {"worker_id": worker.id, "error": "x", "lease_id": claimed[0].lease_id}
    )
    client.jobs.complete(done, {"worker_id": worker.id, "lease_id": claimed[1].lease_id})
    tell("ids", {"failing": failing, "done": done, "waiting": waiting})
    page = client.jobs.list({**queue, "limit": 2})
    tell("list", [[each.id, each.status] for each in page])
    tell("has more", page.has_more if is_new else True)
    tell("pending", [each.id for each in client.jobs.list({**queue, "status": "pending"})])
    found = client.jobs.batch_status([done, "999999999", waiting])
    tell("statuses", [[each.id, each.status, each.queue_name] for each in found])
    boosted = client.jobs.boost_priority(waiting, 50)
    tell("priority", [boosted.job_id, boosted.old_priority, boosted.new_priority])
    tell("ended", caught(lambda: client.jobs.boost_priority(done, 1)))
    events = [each.event_type for each in client.jobs.history(done)] if is_new else None
    tell("history", events)
    tell("health", client.health.get().model_dump())
    tell("probes", [client.health.liveness(), client.health.readiness()])
    tell("metrics", client.metrics.get())
    tell("stats", client.jobs.get_stats().model_dump())
    tell("queue stats", client.queues.get_stats("scene.look").model_dump())
    tell("queues", [each.model_dump() for each in client.queues.list()])
    tell("queue", client.queues.get("scene.look").model_dump())
    paused = client.queues.pause("scene.look", "repairs")
    tell("paused", [paused.queue_name, paused.paused, paused.reason])
    tell("while paused", client.queues.get("scene.look").enabled)
    resumed = client.queues.resume("scene.look")
    tell("resumed", [resumed.resumed, resumed.paused_duration_secs])
    tell("no such queue", caught(lambda: client.queues.pause("no.such")))
    tell("workers", [each.model_dump() for each in client.workers.list()])
    tell("worker", client.workers.get("look.1").model_dump())
    tell("no such worker", caught(lambda: client.workers.get("no.such")))


def schedules(client: SpooledClient) -> None:
    made = client.schedules.create(
        {
            "name": "scene.schedules",
            "cron_expression": "30 4 * * 1",
            "timezone": "Europe/Berlin",
            "queue_name": "scene.schedules",
            "payload_template": {"größe": "🎉"},
            "priority": 5,
            "max_retries": 1,
            "tags": {"for": "Ada"},
        }
    )
    tell("made", made.model_dump())
    tell(
        "taken",
        caught(
            lambda: client.schedules.create(
                {
                    "name": "scene.schedules",
                    "cron_expression": "@daily",
                    "queue_name": "scene.schedules",
                    "payload_template": {},
                }
            )
        ),
    )
    tell("listed", [each.name for each in client.schedules.list({"queue_name": "scene.schedules"})])
    tell("inactive", [each.name for each in client.schedules.list({"is_active": False})])
    tell("got", client.schedules.get(made.id).model_dump())
    changes = {"cron_expression": "0 5 * * *", "priority": 9}
    tell("updated", client.schedules.update(made.id, changes).model_dump())
    tell("paused", client.schedules.pause(made.id).is_active)
    tell("resumed", client.schedules.resume(made.id).is_active)
    triggered = client.schedules.trigger(made.id)
    tell("job", client.jobs.get(triggered.job_id).model_dump())
    tell("history", [each.model_dump() for each in client.schedules.get_history(made.id, limit=5)])
    client.schedules.delete(made.id)
    tell("deleted", caught(lambda: client.schedules.get(made.id)))


def dead_letters(client: SpooledClient) -> None:
    """Version 1.1.0 has no way to confirm a purge, neither here nor in Spooled."""
    for queue in ("scene.dead", "scene.dead", "scene.other"):
        job = {"queue_name": queue, "payload": {"job_type": "t"}, "max_retries": 0}
        made = client.jobs.create(job).id
        (job,) = client.jobs.claim({"queue_name": queue, "worker_id": "dead.1"}).jobs
        client.jobs.fail(made, {"worker_id": "dead.1", "error": "x", "lease_id": job.lease_id})
    letters = client.jobs.dlq.list({"queue_name": "scene.dead"})
    tell("letters", [[each.queue_name, each.status, each.retry_count] for each in letters])
    tell("retried", client.jobs.dlq.retry({"queue_name": "scene.dead", "limit": 1}).retried_count)
    chosen = client.jobs.dlq.retry({"job_ids": [each.id for each in letters]})
    tell("chosen", chosen.retried_jobs == [letters[0].id])
    if hasattr(client.jobs, "history"):
        purged = client.jobs.dlq.purge({"queue_name": "scene.other", "confirm": True})
        tell("purged", purged.purged_count)
    else:
        tell("purged", caught(lambda: client.jobs.dlq.purge({"queue_name": "scene.other"})))
    tell("left", [each.queue_name for each in client.jobs.dlq.list()])


def new_worker(client: SpooledClient, queue: str, **options: Any) -> SpooledWorker:
    options = {"lease_duration": 3600, "poll_interval": 0.1, "concurrency": 2, **options}
    worker = SpooledWorker(client, queue, worker_id=f"{queue}.1", **options)
    events = ("job:completed", "job:failed", "job:lease_lost", "error", "stopped")
    for name in events:
        worker.on(name, lambda event, name=name: tell(name, vars(event)))
    return worker


def run(worker: SpooledWorker) -> None:
    """Until it has stopped; in older versions start() returns before that."""
    stopped = threading.Event()
    worker.on("stopped", lambda _: stopped.set())
    worker.start()
    stopped.wait(30)


if __name__ == "__main__":
    _, scene, base_url, api_key = sys.argv
    scenes = {
        each.__name__: each
        for each in (produce, work, lose, keep, by_hand, look, schedules, dead_letters)
    }
    scenes[scene](SpooledClient(api_key=api_key, base_url=base_url))
