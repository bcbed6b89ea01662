#!/usr/bin/env python3
"""TaskManager's worker: claims tasks over HTTP, runs your handlers on them, reports the outcomes.

Put this file beside a handlers.py such as

    from worker import task

    @task("example.echo")
    def echo(params, job):
        job.progress(50, "half way")
        return {"echoed": params["message"]}

and run `python worker.py --api-url https://example.com/api --api-key KEY`.
It needs Python 3.9 or newer, `requests` and `click`. `python worker.py --help` lists everything.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import logging
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import requests

# Run as a program this module is called "__main__"; without this line `from worker import task`
# in the handlers would load a second copy, with a registry of its own.
sys.modules.setdefault("worker", sys.modules[__name__])

log = logging.getLogger("worker")

Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)
T = TypeVar("T")

TICK = 0.2  # seconds between two rounds of the keeper thread
REPORT_WITHIN = 1.0  # seconds a finished task may wait for others to be reported with
PROGRESS_EVERY = 1.0  # seconds between two progress reports of a task
FAILURES_IN_A_ROW = 5  # then the worker gives up
LONGEST_PAUSE = 60.0  # seconds, where the server does not ask for more
LONGEST_RETRY_AFTER = 300.0  # seconds
LONGEST_BEAT = 60.0  # seconds between two heartbeats, however long the lease seems
UNKNOWN_LEASE = 30.0  # seconds, assumed when the server's own clocks contradict each other
NO_HANDLER_DELAY = 60  # seconds a task is left to workers that have a handler for it
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LARGE_BODY = 256 * 1024  # bytes; every server takes as many
TEXT_LIMIT = 64 * 1024  # characters of an error or a traceback; the server keeps no more


# --- What handlers use ---------------------------------------------------------------------------


class PermanentError(Exception):
    """Raised by a handler: this task can never succeed, so do not try it again."""


class RetryLater(Exception):
    """Raised by a handler: try this task again in `delay_seconds` seconds."""

    def __init__(self, delay_seconds: float, message: str = "") -> None:
        if not delay_seconds >= 0:
            raise ValueError(f"the delay of RetryLater must be 0 or more, not {delay_seconds!r}")
        super().__init__(message or f"to be tried again in {delay_seconds:g} seconds")
        self.delay_seconds = delay_seconds


class Job:
    """One claimed task as its handler sees it.

    `cancelled` turns true while the handler runs when somebody asked for the task to be
    cancelled, or when its lease was lost: then stop as soon as is convenient.
    """

    def __init__(self, task: Mapping[str, Any], worker_id: str) -> None:
        self.id: int = task["id"]
        self.type: str = task["type"]
        self.params: dict[str, Any] = task["params"]
        self.attempt: int = task["attempts"]
        self.max_attempts: int = task["max_attempts"]
        self.worker_id = worker_id
        self.cancelled = False
        # What the worker notes about it; times are those of time.monotonic().
        self._lost = False
        self._expires_at = self._beat_at = 0.0
        self._news: dict[str, Any] | None = None
        self._news_at = 0.0
        self._outcome: dict[str, Any] | None = None
        self._finished_at = 0.0
        self._refused = False

    def progress(self, percent: float, message: str = "") -> None:
        """Notes how far the task is, from 0 to 100.

        A thread of its own sends the latest note within about a second, so this never waits and
        costs nothing when called often.
        """
        percent = min(100.0, max(0.0, float(percent)))
        self._news = {"progress": percent, "message": _printable(message)}


HANDLERS: dict[str, Handler] = {}


def task(type_name: str) -> Callable[[F], F]:
    """Makes the decorated function the handler of a task type.

    It is called with (params) or (params, job); what it returns becomes the task's result.
    """

    def register(handler: F) -> F:
        if type_name in HANDLERS:
            raise ValueError(f"there are two handlers for the task type {type_name!r}")
        takes_job(handler)
        HANDLERS[type_name] = handler
        return handler

    return register


def takes_job(handler: Handler) -> bool:
    """Whether a handler wants (params, job) and not (params); TypeError if it takes neither."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(handler).parameters.values()
    positional = [p for p in parameters if p.kind in kinds]
    required = [p for p in positional if p.default is p.empty]
    if not positional or len(required) > 2:
        raise TypeError(f"handler {handler!r} must take (params) or (params, job)")
    return len(required) == 2 or (len(positional) > 1 and positional[1].name == "job")


def run_handler(handler: Handler, job: Job) -> dict[str, Any]:
    """Runs a handler and turns whatever it does, save KeyboardInterrupt, into an outcome."""
    try:
        result = handler(job.params, job) if takes_job(handler) else handler(job.params)
    except KeyboardInterrupt:
        raise
    except PermanentError as error:
        return failure(_text_of(error), retry=False)
    except RetryLater as error:
        return failure(_text_of(error), delay=error.delay_seconds)
    except BaseException as error:  # SystemExit too: a handler may end its task, not the worker
        frames = error.__traceback__.tb_next if error.__traceback__ else None
        trace = "".join(traceback.format_exception(type(error), error, frames))
        message = f"{type(error).__name__}: {_text_of(error)}"
        return failure(message, traceback=_printable(trace)[-TEXT_LIMIT:])
    try:
        return {"success": True, "result": plain_json(result)}
    except (TypeError, ValueError, RecursionError) as error:
        return failure(f"the handler's result cannot be written as JSON: {error}", retry=False)


def failure(error: str, **more: Any) -> dict[str, Any]:
    """An outcome that says that the task failed, and why."""
    return {"success": False, "error": _printable(error)[:TEXT_LIMIT], **more}


def plain_json(value: Any) -> Any:
    """A copy of `value` as JSON keeps it; raises ValueError or TypeError where JSON cannot."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")  # fails on half a surrogate pair, which no database stores
    return json.loads(text)


def _text_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _printable(text: object) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


# --- The API -------------------------------------------------------------------------------------


@dataclass(eq=False)
class ApiError(Exception):
    """The server refused a call, or could not be asked (then `status` is 0)."""

    status: int
    code: str
    message: str
    details: Sequence[Any] = ()
    retry_after: float = 0.0  # seconds

    def __str__(self) -> str:
        return self.message

    @property
    def temporary(self) -> bool:
        """Whether the same call may succeed later."""
        if self.status in (0, 408, 429) or self.status >= 500:
            return True
        return self.code == "not_json" and self.status != 413

    @property
    def lease_lost(self) -> bool:
        """Whether a call about one task was refused because the task is no longer ours."""
        return self.status in (403, 404, 409) and not self.temporary


class Client:
    """Calls TaskManager's API. Threads may share it: each gets a connection of its own."""

    def __init__(self, api_url: str, api_key: str) -> None:
        """Raises ValueError for an address or a key that cannot be used."""
        self.api_url = api_url.strip().rstrip("/")
        parts = urlsplit(self.api_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{api_url!r} is no address like https://example.com/api")
        self.api_key = api_key.strip()
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("the API key may hold printable ASCII characters only")
        self._local = threading.local()

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout: float = 30.0
    ) -> dict[str, Any]:
        """Makes one call and returns the whole answer; raises ApiError.

        `path` begins with "/" and is relative to the API's address; `timeout` is in seconds.
        """
        data = None if body is None else _encode(body)
        try:
            return _read_answer(self._send(method, path, data, timeout))
        except requests.RequestException as error:
            # A server that refuses a body before it has read it may break the connection.
            if _is_broken(error) and data and len(data) > LARGE_BODY:
                message = f"the connection broke while {len(data)} bytes were sent"
                raise ApiError(413, "too_large", message) from error
            message = f"{self.api_url} cannot be reached: {_reason(error)}"
            raise ApiError(0, "unreachable", message) from error

    def _send(
        self, method: str, path: str, data: bytes | None, timeout: float
    ) -> requests.Response:
        def send() -> requests.Response:
            return self._session().request(
                method, self.api_url + path, data=data, timeout=timeout, allow_redirects=False
            )

        try:
            return send()
        except requests.ConnectionError as error:
            if not _is_broken(error):
                raise
            # Most often the server had closed an idle connection. Every call may be repeated.
            return send()

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.headers["Content-Type"] = "application/json"
            self._local.session.auth = self._sign
            # A proxy that the environment names for the internet cannot reach this machine.
            self._local.session.trust_env = urlsplit(self.api_url).hostname not in LOOPBACK
        session: requests.Session = self._local.session
        return session

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Not in `Authorization`, which CGI servers drop. That `auth` is set keeps .netrc out too.
        if self.api_key:
            request.headers["X-API-Key"] = self.api_key
        return request


def _encode(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _read_answer(response: requests.Response) -> dict[str, Any]:
    status, url = response.status_code, response.url
    if response.is_redirect:
        target = response.headers["Location"]
        raise ApiError(status, "redirected", f"{url} redirects to {target}: use that address")
    header = response.headers.get("Retry-After", "")
    retry_after = min(float(header), LONGEST_RETRY_AFTER) if header.isdecimal() else 0.0
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or (status < 400 and answer.get("success") is not True):
        message = f"{url} answered HTTP {status} with something that is not TaskManager's JSON"
        raise ApiError(status, "not_json", message, retry_after=retry_after)
    if status >= 400:
        message = str(answer.get("error") or f"{url} answered HTTP {status}")
        code = str(answer.get("code") or "unknown")
        raise ApiError(status, code, message, answer.get("details") or (), retry_after)
    return answer


def _is_broken(error: requests.RequestException) -> bool:
    return "Connection aborted" in str(error)


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    system_error = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    return system_error.group(1) if system_error else str(error)


def lease_length(answer: Mapping[str, Any], expires_at: str) -> float:
    """How many seconds a lease lasts, by the server's clocks alone: ours may be wrong."""
    ends = datetime.fromisoformat(expires_at.replace("Z", "+00:00")).timestamp()
    length = ends - float(answer["timestamp"])
    # The timestamp is in whole seconds, so the lease may be up to a second shorter than it seems.
    return max(length - 1, length / 3) if length > 0 else UNKNOWN_LEASE


# --- The worker ----------------------------------------------------------------------------------


@dataclass
class Counters:
    """What became of a worker's tasks."""

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    lost: int = 0


@dataclass(eq=False)
class Worker:
    """Claims tasks in batches, runs their handlers one after the other, reports in batches.

    Without `handlers` it has those of the decorator `task`; without `task_types` and
    `type_pattern` it claims the types that it has handlers for. `poll_interval` is in seconds,
    `batch` from 1 to 100, `max_runs` 0 means no limit. Raises ValueError.
    """

    client: Client
    handlers: Mapping[str, Handler] | None = None
    worker_id: str = ""
    task_types: Sequence[str] = ()
    type_pattern: str | None = None
    poll_interval: float = 10.0
    max_runs: int = 0
    batch: int = 10
    until_empty: bool = False
    status_file: str | None = None

    def __post_init__(self) -> None:
        self.counters = Counters()
        self.stopping = False
        self.worker_id = self.worker_id or _new_worker_id()
        self._handlers = HANDLERS if self.handlers is None else self.handlers
        self._filter = _claim_filter(self._handlers, self.task_types, self.type_pattern)
        if self.status_file and not os.access(Path(self.status_file).parent, os.W_OK):
            raise ValueError(f"the status file {self.status_file} cannot be written")
        self._started_at = _now()
        self._status_due = False
        self._runs = self._failures = 0
        self._warned: set[str] = set()
        self._queue: deque[Job] = deque()  # claimed and not started
        self._held: dict[int, Job] = {}  # all whose lease is ours: queued, running, unreported
        self._lock = threading.Lock()  # guards _held, counters and the status file
        self._reporting = threading.Lock()  # held during a round trip that settles
        self._ended = threading.Event()

    def run(self) -> Counters:
        """Works until stopped, or until `max_runs` or `until_empty` say so.

        Raises ApiError: a temporary one after five failures in a row, any other at once.
        """
        began = time.monotonic()
        self._write_status("running")
        keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        try:
            self._check_health()
            keeper.start()
            try:
                self._work()
            except KeyboardInterrupt:
                self.stop()
            self._close()
        finally:
            self._ended.set()
            self._write_status("stopped")
            counts = ", ".join(f"{name} {count}" for name, count in asdict(self.counters).items())
            log.info("summary: %s, seconds %.1f", counts, time.monotonic() - began)
        return self.counters

    def stop(self) -> None:
        """Asks the worker to finish its current task, report it, release the rest and end."""
        self.stopping = True

    # The main thread claims, runs and reports.

    def _check_health(self) -> None:
        try:
            self.client.call("GET", "/health")
        except ApiError as error:
            hint = "is the address right (it ends in /api), and does the server run?"
            message = f"the server is not ready: {error} - {hint}"
            raise ApiError(error.status, error.code, message) from error

    def _work(self) -> None:
        while not self.stopping:
            if self._queue:
                self._start(self._queue.popleft())
            elif self._room() == 0:
                return
            elif self._ride_out(lambda: self._exchange(self._room())) == 0:
                if self.until_empty:
                    return
                log.debug("no tasks; asking again in %g seconds", self.poll_interval)
                self._pause(self.poll_interval)

    def _close(self) -> None:
        while self._unreported():
            self._ride_out(lambda: self._exchange(0))
        while self._queue:
            self._release(self._queue.popleft())

    def _room(self) -> int:
        """How many tasks may be claimed now that the queue is empty."""
        if self.stopping:
            return 0
        return min(self.batch, self.max_runs - self._runs) if self.max_runs else self.batch

    def _start(self, job: Job) -> None:
        if job._expires_at < time.monotonic():
            self._ride_out(lambda: self._beat(job))
        if job._lost:
            self._lose(job)
        elif job.type not in self._handlers:
            log.warning("task %d: no handler for %s, left to other workers", job.id, job.type)
            self._release(job, NO_HANDLER_DELAY)
        else:
            self._runs += 1
            self._run(job)

    def _run(self, job: Job) -> None:
        started = time.monotonic()
        try:
            outcome = run_handler(self._handlers[job.type], job)
        except KeyboardInterrupt:
            self.stop()
            self._queue.appendleft(job)
            return
        if job._lost:
            self._lose(job)
            return
        job._finished_at = time.monotonic()
        job._outcome = {"id": job.id, "attempt": job.attempt, **outcome}
        if outcome["success"]:
            log.debug("task %d %s: %.3f seconds", job.id, job.type, job._finished_at - started)
        else:
            log.warning("task %d %s failed: %.200s", job.id, job.type, outcome["error"])

    def _exchange(self, want: int) -> int | None:
        """Reports what is finished and claims up to `want` tasks, in one round trip.

        Returns how many tasks were claimed, or None when none could be asked for.
        """
        claim = {"limit": want, **self._filter} if want else None
        with self._reporting:
            sent_at = time.monotonic()
            finished = self._unreported()
            answer = None
            if finished:
                answer = self._settle(finished, claim)
            elif claim:
                body = {"worker_id": self.worker_id, **claim}
                answer = self.client.call("POST", "/tasks/claim", body)
        return self._take(answer, sent_at) if claim and answer else None

    def _take(self, answer: Mapping[str, Any], sent_at: float) -> int:
        for warning in set(answer.get("warnings", ())) - self._warned:
            self._warned.add(warning)
            log.warning("the server says: %s", warning)
        tasks = answer["data"]["tasks"]
        for claimed in tasks:
            job = Job(claimed, self.worker_id)
            self._renew(job, answer, claimed, sent_at)
            with self._lock:
                self._held[job.id] = job
            # What this worker cannot do goes first: another one may be waiting for it.
            (self._queue.append if job.type in self._handlers else self._queue.appendleft)(job)
        self._count(claimed=len(tasks))
        return len(tasks)

    def _settle(self, jobs: list[Job], claim: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Reports finished jobs. Returns the answer, or None when the claim was left out."""
        body = {"worker_id": self.worker_id, "outcomes": [job._outcome for job in jobs]}
        try:
            answer = self.client.call(
                "POST", "/tasks/settle", {**body, "claim": claim} if claim else body
            )
        except ApiError as error:
            if error.temporary:
                raise
            self._settle_apart(jobs, claim is not None, error)
            return None
        self._book(jobs, answer["data"]["settled"])
        return answer

    def _settle_apart(self, jobs: list[Job], had_claim: bool, error: ApiError) -> None:
        """Finds what the server refused, so that one bad outcome does not hold up the others."""
        if had_claim:
            self._settle(jobs, None)
        elif error.status not in (400, 413):
            raise error
        elif len(jobs) > 1:
            middle = len(jobs) // 2
            self._settle(jobs[:middle], None)
            self._settle(jobs[middle:], None)
        elif jobs[0]._refused:
            log.error("task %d: the server takes no report of it: %s", jobs[0].id, error)
            self._lose(jobs[0])
        else:
            self._report_refusal(jobs[0], error)

    def _report_refusal(self, job: Job, error: ApiError) -> None:
        reason = f"the server refused this task's outcome (HTTP {error.status}): {error}"
        log.error("task %d: %s", job.id, reason)
        job._outcome = {"id": job.id, "attempt": job.attempt, **failure(reason, retry=False)}
        job._refused = True
        self._settle([job], None)

    def _book(self, jobs: list[Job], settled: Iterable[Mapping[str, Any]]) -> None:
        answers = {entry["id"]: entry for entry in settled}
        done = {True: 0, False: 0}
        for job in jobs:
            entry = answers.get(job.id, {"code": "missing", "error": "no word about it"})
            if "code" in entry:
                log.warning("task %d: report not taken: %s", job.id, entry.get("error"))
                self._lose(job)
            elif job._outcome:
                done[job._outcome["success"]] += 1
                self._forget(job)
        self._count(completed=done[True], failed=done[False])
        log.info("reported %d completed, %d failed", done[True], done[False])

    def _release(self, job: Job, delay: float = 0) -> None:
        body = {"worker_id": self.worker_id, "attempt": job.attempt, "delay": delay}
        try:
            self._ride_out(lambda: self.client.call("POST", f"/tasks/{job.id}/release", body))
        except ApiError as error:
            if not error.lease_lost:
                raise
            self._lose(job)
        else:
            self._forget(job)
            self._count(released=1)

    def _lose(self, job: Job) -> None:
        log.warning("task %d: no longer this worker's", job.id)
        self._forget(job)
        self._count(lost=1)

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._held.pop(job.id, None)

    def _unreported(self) -> list[Job]:
        with self._lock:
            return [job for job in self._held.values() if job._outcome]

    def _ride_out(self, call: Callable[[], T]) -> T:
        """Makes a call again until it succeeds; raises ApiError when that is hopeless."""
        pause = max(1.0, self.poll_interval)
        while True:
            try:
                answer = call()
            except ApiError as error:
                self._failures = self._failures + 1 if error.temporary else 0
                if not error.temporary or self._failures >= FAILURES_IN_A_ROW:
                    raise
                # A first hint is taken at its word: a busy server is free again in a moment.
                hinted = self._failures == 1 and error.retry_after
                wait = error.retry_after if hinted else max(pause, error.retry_after)
                log.warning("%s; trying again in %g seconds", error, wait)
                self._pause(wait)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._failures = 0
                return answer

    def _pause(self, seconds: float) -> None:
        # Short sleeps and a plain flag, because a signal handler must not wait for a lock.
        was_stopping = self.stopping
        end = time.monotonic() + (min(seconds, 1.0) if was_stopping else seconds)
        while self.stopping == was_stopping and time.monotonic() < end:
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    # The keeper thread renews leases, and sends what would otherwise wait for the handler.

    def _keep(self) -> None:
        report_at = pause = 0.0
        while not self._ended.wait(TICK):
            try:
                with self._lock:
                    jobs = [job for job in self._held.values() if not job._lost]
                for job in sorted(jobs, key=lambda job: job._expires_at):
                    self._keep_job(job)
                if self._report_is_due() and time.monotonic() >= report_at:
                    self._exchange(0)
                    pause = 0.0
                if self._status_due:
                    self._write_status("running")
            except ApiError as error:
                # The main thread meets the same trouble at the end of its batch, and decides.
                pause = min(max(1.0, pause * 2), LONGEST_PAUSE)
                report_at = time.monotonic() + pause
                log.debug("reports wait: %s", error)
            except Exception:
                log.exception("the keeper thread met an error and goes on")

    def _report_is_due(self) -> bool:
        # Not while the other thread reports: leases must not wait for that.
        finished = [] if self._reporting.locked() else self._unreported()
        return any(job._finished_at + REPORT_WITHIN < time.monotonic() for job in finished)

    def _keep_job(self, job: Job) -> None:
        now = time.monotonic()
        has_news = job._news and not job._outcome and now >= job._news_at
        if not has_news and now < job._beat_at:
            return
        try:
            self._beat(job, timeout=10.0)
        except ApiError as error:
            log.warning("task %d: lease not renewed: %s", job.id, error)
            left = job._expires_at - now
            job._beat_at = job._news_at = now + (min(max(1.0, left / 3), 15.0) if left > 0 else 15)

    def _beat(self, job: Job, timeout: float = 30.0) -> None:
        """Renews a lease, or marks the job as lost; raises ApiError when neither is known."""
        sent_at = time.monotonic()
        news, job._news = job._news, None
        path = f"/tasks/{job.id}/{'progress' if news else 'heartbeat'}"
        body = {"worker_id": self.worker_id, "attempt": job.attempt, **(news or {})}
        try:
            answer = self.client.call("POST", path, body, timeout)
        except ApiError as error:
            if not error.lease_lost:
                job._news = job._news or (news if error.temporary else None)
                raise
            # Of a job that is finished the report decides: it may just have been taken.
            job._lost = job.cancelled = True
            return
        self._renew(job, answer, answer["data"], sent_at)
        if answer["data"].get("cancel_requested"):
            job.cancelled = True

    @staticmethod
    def _renew(
        job: Job, answer: Mapping[str, Any], lease: Mapping[str, Any], sent_at: float
    ) -> None:
        # A server that does not say how long it is leaves it to be worked out.
        length = lease.get("lease") or lease_length(answer, lease["lease_expires_at"])
        job._expires_at = sent_at + length
        job._beat_at = sent_at + min(max(length / 3, TICK), LONGEST_BEAT)
        job._news_at = sent_at + PROGRESS_EVERY

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, count in more.items():
                setattr(self.counters, name, getattr(self.counters, name) + count)
            self._status_due = True

    def _write_status(self, state: str) -> None:
        with self._lock:
            self._status_due = False
            if self.status_file is None or (state == "running" and self._ended.is_set()):
                return
            times = {"started_at": self._started_at, "updated_at": _now()}
            status = {"state": state, "worker_id": self.worker_id, **asdict(self.counters), **times}
            path = Path(self.status_file)
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                unfinished.write_text(json.dumps(status) + "\n", encoding="utf-8")
                unfinished.replace(path)
            except OSError as error:
                log.warning("the status file cannot be written: %s", error)


def _claim_filter(
    handlers: Mapping[str, Handler], types: Sequence[str], pattern: str | None
) -> dict[str, Any]:
    known = ", ".join(sorted(handlers)) or "none"
    missing = ", ".join(name for name in types if name not in handlers)
    if missing:
        raise ValueError(f"there is no handler for {missing}; there are handlers for {known}")
    if pattern:
        return {"type_pattern": pattern, **({"task_types": list(types)} if types else {})}
    if not handlers:
        raise ValueError("there is no handler: decorate a function with @task(type name)")
    return {"task_types": sorted(types or handlers)}


def _new_worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- The command line ----------------------------------------------------------------------------


def load_handlers(source: str | None) -> ModuleType:
    """Imports a handlers file or module; raises click.UsageError when that fails."""
    name = source or "handlers.py"
    path = Path(name).resolve() if name.endswith(".py") or os.sep in name else None
    if path and not path.is_file():
        hint = "" if source else " in the current folder: name your handlers with --handlers PATH"
        raise click.UsageError(f"there is no file {name}{hint}")
    sys.path.insert(0, str(path.parent) if path else os.getcwd())
    try:
        return _import_file(path) if path else importlib.import_module(name)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        raise click.UsageError(f"the handlers in {name} cannot be loaded: {reason}") from error


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("taskmanager_handlers", path)
    if spec is None or spec.loader is None:
        raise ImportError("this is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def register_types(client: Client, module: ModuleType) -> None:
    """Registers the list TASK_TYPES of a handlers module; raises ApiError, click.UsageError."""
    types = getattr(module, "TASK_TYPES", None)
    if not types:
        raise click.UsageError("--register needs a list TASK_TYPES in the handlers module")
    for task_type in types:
        client.call("POST", "/task-types/register", task_type)
    log.info("registered %d task types", len(types))


def stop_on_signals(worker: Worker) -> None:
    """Makes SIGTERM and SIGINT stop a worker politely, and a second one at once."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if worker.stopping:
            os._exit(128 + number)
        worker.stop()
        # Not by logging: the signal may have come in the middle of a log line.
        os.write(2, b"stopping when the current task is done (a second signal ends at once)\n")

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _option(
    name: str, variable: str | None, text: str, default: Any = None, kind: Any = None, **more: Any
) -> Callable[[F], F]:
    shown = {"envvar": variable, "show_envvar": bool(variable), "show_default": bool(default)}
    return click.option(name, help=text, default=default, type=kind, **{**shown, **more})


def _names(_context: click.Context, _option: click.Parameter, value: str | None) -> list[str]:
    return [name.strip() for name in (value or "").split(",") if name.strip()]


TASK_TYPES_HELP = "Claim these, separated by commas.  [default: all that have a handler]"
EXIT_CODES = """\b
Exit codes:
  0  fine: --max-runs reached, nothing left (--until-empty), or stopped by a signal
  1  gave up after errors of the API: not reachable at the start, or five failures in a row
  2  wrong usage or configuration
  3  refused by the server: wrong key, not allowed, or a claim that it does not understand
  130, 143  ended at once by a second SIGINT or SIGTERM

The command line wins over environment variables, and these over defaults.
"""


@click.command(epilog=EXIT_CODES)
@_option("--api-url", "TASKMANAGER_API_URL", "Address of the API.", "http://127.0.0.1:8000/api")
@_option("--api-key", "TASKMANAGER_API_KEY", "Key of the API.", "")
@_option("--worker-id", "WORKER_ID", "Unique name.  [default: host-process-random]", "")
@_option("--type-pattern", "TASK_TYPE_PATTERN", "Claim task types LIKE this, as in 'example.%'.")
@_option("--task-types", "TASK_TYPES", TASK_TYPES_HELP, callback=_names)
@_option(
    "--poll-interval", "POLL_INTERVAL", "Seconds to wait if idle.", 10.0, click.FloatRange(min=0.1)
)
@_option("--max-runs", "MAX_RUNS", "End after so many tasks; 0: never.", 0, click.IntRange(min=0))
@_option("--debug", "DEBUG", "Log each task.", False, is_flag=True)
@_option("--handlers", "HANDLERS", "File or module of handlers.  [default: ./handlers.py]")
@_option("--batch", "BATCH", "How many tasks to claim at once.", 10, click.IntRange(1, 100))
@_option("--until-empty", None, "End when there is nothing left to claim.", False, is_flag=True)
@_option("--status-file", None, "Keep the counters in this JSON file, for monitoring.")
@_option(
    "--register", None, "First register the list TASK_TYPES of the handlers.", False, is_flag=True
)
def main(
    api_url: str, api_key: str, debug: bool, handlers: str | None, register: bool, **settings: Any
) -> None:
    """Claims tasks from a TaskManager server, runs your handlers on them, reports the outcomes."""
    level = logging.DEBUG if debug else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    module = load_handlers(handlers)
    try:
        client = Client(api_url, api_key)
        worker = Worker(client, **settings)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    stop_on_signals(worker)
    try:
        if register:
            register_types(client, module)
        worker.run()
    except ApiError as error:
        log.error("%s", error)
        sys.exit(1 if error.temporary else 3)


if __name__ == "__main__":
    main()
