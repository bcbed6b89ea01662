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

From top to bottom: what handlers use, the client of the API, how a handler is run, the worker,
the command line.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import logging
import math
import os
import pickle
import queue
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType, ModuleType
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlsplit

import click
import requests

# Run as a program this module is called "__main__"; without this line `from worker import task`
# in the handlers would load a second copy, with a registry of its own.
sys.modules.setdefault("worker", sys.modules[__name__])

log = logging.getLogger("worker")

Handler = Callable[..., Any]
Listener = Callable[[dict[str, Any]], Any]
F = TypeVar("F", bound=Callable[..., Any])

TICK = 0.1  # seconds between two looks of the worker's threads
WORK_AHEAD = 2.0  # seconds of work that a worker holds, where it chooses its batches itself
MOST_AT_ONCE = 100  # tasks that one call may claim, settle or renew
REPORT_WITHIN = 1.0  # seconds a finished task may wait for others to be reported with
PROGRESS_EVERY = 1.0  # seconds between two progress reports of a task
STATUS_EVERY = 10.0  # seconds between two updates of an idle worker's status file
LONGEST_PAUSE = 60.0  # seconds, where the server does not ask for more
LONGEST_RETRY_AFTER = 300.0  # seconds
LONGEST_BEAT = 60.0  # seconds between two heartbeats, however long the lease
LAST_WORDS = 2.0  # seconds for what is still to be reported when the time is up
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


class FatalError(Exception):
    """Raised by a handler: this worker cannot go on (disk full, no GPU). The attempt fails, and
    the worker stops with exit code 4; others may try the task again.
    """


class Job:
    """One claimed task as its handler sees it."""

    def __init__(self, task: Mapping[str, Any], worker_id: str, link: Link) -> None:
        self.id: int = task["id"]
        self.type: str = task["type"]
        self.params: dict[str, Any] = task["params"]
        self.attempt: int = task["attempts"]
        self.max_attempts: int = task["max_attempts"]
        self.worker_id = worker_id
        self._link = link
        self._enqueued = 0

    @property
    def cancelled(self) -> bool:
        """Whether the work is no longer wanted: somebody cancelled the task, its lease was lost,
        or its time is up. Then stop as soon as is convenient.
        """
        return bool(self._link.flag.value & CANCELLED)

    @property
    def stopping(self) -> bool:
        """Whether the worker is being stopped and waits for this task, but not for ever."""
        return bool(self._link.flag.value & STOPPING)

    def progress(self, percent: float, message: str = "") -> None:
        """Notes how far the task is, from 0 to 100.

        A thread of its own sends the latest note within about a second, so this never waits and
        costs nothing when called often.
        """
        percent = min(100.0, max(0.0, float(percent)))
        self._link.tell({"progress": percent, "message": _printable(message)})

    def extend(self, seconds: float) -> None:
        """Makes the lease end `seconds` from now, and each renewal as long. Leases are kept alive
        anyway; this is for handlers that keep the whole process from running.
        """
        if not seconds > 0:
            raise ValueError(f"a lease must be longer than 0 seconds, not {seconds!r}")
        self._link.tell({"lease": float(seconds)})

    def log(self, message: object, level: int = logging.INFO) -> None:
        """Writes to the worker's log, with the task's id and type."""
        extra = {"task_id": self.id, "task_type": self.type, "attempt": self.attempt}
        self._link.log(level, f"task {self.id} {self.type}: {_printable(message)}", extra)

    def enqueue(
        self, type_name: str, params: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Adds a task, as Client.create does. When this one is tried again, it is added once."""
        self._enqueued += 1
        if options.get("dedupe") is False and "dedupe_key" not in options:
            options.update(dedupe="forever", dedupe_key=f"task-{self.id}-{self._enqueued}")
        return self._link.client.create(type_name, params, **options)


HANDLERS: dict[str, Handler] = {}
LISTENERS: dict[str, list[Listener]] = {}
EVENTS = (
    *("started", "stopped", "error"),
    *("job:claimed", "job:started", "job:completed", "job:failed", "job:released", "job:lost"),
)


def task(type_name: str, timeout: float | None = None) -> Callable[[F], F]:
    """Makes the decorated function the handler of a task type.

    It is called with (params) or (params, job); what it returns becomes the task's result.
    `timeout` is in seconds and wins over the worker's task_timeout.
    """

    def register(handler: F) -> F:
        if type_name in HANDLERS:
            raise ValueError(f"there are two handlers for the task type {type_name!r}")
        takes_job(handler)
        HANDLERS[type_name] = handler
        if timeout is not None:
            handler.task_timeout = timeout  # type: ignore[attr-defined]
        return handler

    return register


def on(event: str) -> Callable[[F], F]:
    """Calls the decorated function with a dict at each such event (see EVENTS) of any worker.
    Raises ValueError for an event that there is not.
    """
    return functools.partial(_listen, LISTENERS, event)


def _listen(listeners: dict[str, list[Listener]], event: str, listener: F) -> F:
    if event not in EVENTS:
        raise ValueError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")
    listeners.setdefault(event, []).append(listener)
    return listener


# --- The client ----------------------------------------------------------------------------------


@dataclass(eq=False)
class ApiError(Exception):
    """The server refused a call, or could not be asked (then `status` is 0)."""

    status: int
    code: str
    message: str
    details: Sequence[Any] = ()
    retry_after: float = 0.0  # seconds
    sent: bool = True  # whether the server may have got the call

    def __str__(self) -> str:
        return self.message

    @property
    def temporary(self) -> bool:
        """Whether the same call may succeed later."""
        if self.status in (0, 408, 429) or self.status >= 500:
            return True
        return self.code == "not_json" and self.status != 413


class TaskFailed(Exception):
    """The task that was waited for failed for good or was cancelled: see `task`."""

    def __init__(self, task: dict[str, Any]) -> None:
        reason = task["error_message"] or "no reason given"
        super().__init__(f"task {task['id']} {task['type']} is {task['status']}: {reason}")
        self.task = task


class WaitTimeout(Exception):
    """The task that was waited for has not ended yet: see `task`."""

    def __init__(self, task: dict[str, Any], seconds: float) -> None:
        super().__init__(f"task {task['id']} is still {task['status']} after {seconds:g} seconds")
        self.task = task


class Client:
    """Calls TaskManager's API. Threads may share it: each gets a connection of its own.

    `timeout` is in seconds. Calls are repeated up to `retries` times while the server cannot be
    reached or asks for patience, where that can do nothing twice. All methods raise ApiError.
    """

    def __init__(
        self, api_url: str, api_key: str = "", timeout: float = 30.0, retries: int = 3
    ) -> None:
        """Raises ValueError for an address or a key that cannot be used."""
        self.api_url = api_url.strip().rstrip("/")
        parts = urlsplit(self.api_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{api_url!r} is no address like https://example.com/api")
        self.api_key = api_key.strip()
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("the API key may hold printable ASCII characters only")
        self.timeout = timeout
        self.retries = retries
        self._local = threading.local()

    def create(
        self, type_name: str, params: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Adds a task; returns its `id`, `status` and, where it was there already, `deduplicated`.

        `options` are the API's: priority, run_at (a datetime will do), delay, max_attempts,
        timeout, dedupe, dedupe_key, tags.
        """
        return self._create(_draft({"type": type_name, "params": params or {}, **options}))

    def create_many(self, tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Adds tasks given as {"type", "params", …options}, a thousand a call, each call all or
        nothing. Returns `id`, `status`, `deduplicated` of each, in their order.
        """
        drafts = [_draft(each) for each in tasks]
        made: list[dict[str, Any]] = []
        for start in range(0, len(drafts), 1000):
            made += self._create({"tasks": drafts[start : start + 1000]})["tasks"]
        return made

    def get(self, task_id: int) -> dict[str, Any]:
        """Everything about a task."""
        return self._ask("GET", f"/tasks/{task_id}")

    def wait(self, task_id: int, timeout: float = 60.0) -> dict[str, Any]:
        """Waits until a task is completed and returns it. Raises TaskFailed, WaitTimeout."""
        ends_at, pause = time.monotonic() + timeout, 0.2
        while True:
            found = self.get(task_id)
            if found["status"] == "completed":
                return found
            if found["status"] in ("failed", "cancelled"):
                raise TaskFailed(found)
            left = ends_at - time.monotonic()
            if left <= 0:
                raise WaitTimeout(found, timeout)
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, 5.0)

    def list(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Goes through the tasks, newest first: status, type, tag, worker_id, created_after, …"""
        before: int | None = None
        while True:
            asked = {"limit": 100, **filters, **({"before_id": before} if before else {})}
            pairs = [f"{name}={quote(str(_plain(value)))}" for name, value in asked.items()]
            page = self._ask("GET", f"/tasks?{'&'.join(pairs)}")
            yield from page["tasks"]
            before = page["next_before_id"]
            if before is None:
                return

    def register_type(
        self,
        name: str,
        param_schema: Mapping[str, Any] | bool = True,
        version: str = "1",
        **settings: Any,
    ) -> dict[str, Any]:
        """Makes or updates a task type; `settings` are the API's, as in max_attempts=5."""
        body = {"name": name, "version": version, "param_schema": param_schema, **settings}
        return self._ask("POST", "/task-types/register", body)

    def cancel(self, task_id: int) -> dict[str, Any]:
        """Cancels a task; the worker of a claimed one is asked to stop."""
        return self._ask("POST", f"/tasks/{task_id}/cancel", {})

    def retry(self, task_id: int) -> dict[str, Any]:
        """Makes a failed or cancelled task pending again."""
        return self._ask("POST", f"/tasks/{task_id}/retry", {})

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        again: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Makes one call, once, and returns the whole answer.

        `path` begins with "/" and is relative to the API's address; `timeout` is in seconds.
        `again` is sent instead of `body` where a broken connection makes it necessary to repeat.
        """
        data = None if body is None else _encode(body)
        repeat = data if again is None else _encode(again)
        try:
            return _read_answer(self._send(method, path, data, repeat, timeout or self.timeout))
        except requests.RequestException as error:
            # A server that refuses a body before it has read it may break the connection.
            if _is_broken(error) and data and len(data) > LARGE_BODY:
                message = f"the connection broke while {len(data)} bytes were sent"
                raise ApiError(413, "too_large", message) from error
            sent = not isinstance(error, requests.ConnectTimeout) and "NewConn" not in repr(error)
            message = f"{self.api_url} cannot be reached: {_reason(error)}"
            raise ApiError(0, "unreachable", message, sent=sent) from error

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        drafts = body.get("tasks", [body])
        # An "active" one may have been made and have ended before it is asked for again.
        return self._ask("POST", "/tasks", body, all(d.get("dedupe") != "active" for d in drafts))

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, repeats: bool = True
    ) -> dict[str, Any]:
        for attempt in range(self.retries + 1):
            try:
                answer: dict[str, Any] = self.call(method, path, body)["data"]
                return answer
            except ApiError as error:
                # These two say that nothing was done, if TaskManager itself says them.
                refused = error.status in (429, 503) and error.code != "not_json"
                is_safe = repeats or refused or not error.sent
                if not error.temporary or not is_safe or attempt == self.retries:
                    raise
                log.debug("%s; trying again", error)
                time.sleep(max(error.retry_after, 0.5 * 2**attempt))
        raise AssertionError("unreachable")

    def _send(
        self, method: str, path: str, data: bytes | None, repeat: bytes | None, timeout: float
    ) -> requests.Response:
        def send(data: bytes | None) -> requests.Response:
            return self._session().request(
                method, self.api_url + path, data=data, timeout=timeout, allow_redirects=False
            )

        try:
            return send(data)
        except requests.ConnectionError as error:
            if not _is_broken(error) or (data and b'"dedupe":"active"' in data):
                raise
            # Most often the server had closed an idle connection. Every call may be repeated.
            return send(repeat)

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


def _draft(task: Mapping[str, Any]) -> dict[str, Any]:
    draft = {"params": {}, **{name: _plain(value) for name, value in task.items()}}
    if draft.get("dedupe") is False and "dedupe_key" not in draft:
        # A key of its own lets a call be repeated without making a second task.
        draft.update(dedupe="forever", dedupe_key=uuid.uuid4().hex)
    return draft


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return value


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


# --- Running a handler ---------------------------------------------------------------------------

STOPPING, CANCELLED = 1, 2  # what a flag tells a handler
FATAL = "fatal error"
RUN_ALREADY = "this worker has run already: make another one"


@dataclass
class Flag:
    """A number that a handler's thread reads; between processes, shared memory takes its place."""

    value: int = 0


class Link:
    """What a job tells its worker, and the other way round."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.flag: Any = Flag()
        self._news: dict[str, Any] = {}
        self._lock = threading.Lock()

    def tell(self, news: Mapping[str, Any]) -> None:
        """Notes what is to be sent with the next heartbeat."""
        with self._lock:
            self._news.update(news)

    def take_news(self) -> dict[str, Any]:
        """What was told since this was asked last."""
        with self._lock:
            news, self._news = self._news, {}
            return news

    def log(self, level: int, text: str, extra: dict[str, Any]) -> None:
        """Writes to the worker's log."""
        log.log(level, "%s", text, extra=extra)


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
    """Runs a handler and turns whatever it does into an outcome as the API takes it.

    "ends" in it is for the worker: why it must not go on.
    """
    try:
        result = handler(job.params, job) if takes_job(handler) else handler(job.params)
    except BaseException as error:  # SystemExit too: a handler may end its task, not the worker
        return _failure_of(error)
    try:
        return {"success": True, "result": plain_json(result)}
    except (TypeError, ValueError, RecursionError) as error:
        return failure(f"the handler's result cannot be written as JSON: {error}", retry=False)


def _failure_of(error: BaseException) -> dict[str, Any]:
    if isinstance(error, KeyboardInterrupt):
        return {"release": True, "ends": "interrupted"}
    if isinstance(error, PermanentError):
        return failure(_text_of(error), retry=False)
    if isinstance(error, RetryLater):
        return failure(_text_of(error), delay=error.delay_seconds)
    if isinstance(error, FatalError):
        return failure(_text_of(error), ends=FATAL)
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    trace = "".join(traceback.format_exception(type(error), error, frames))
    message = f"{type(error).__name__}: {_text_of(error)}"
    return failure(message, traceback=_printable(trace)[-TEXT_LIMIT:])


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


class Claim(Link):
    """A task that a worker holds, until the server knows how its attempt ended.

    Times are those of time.monotonic(), in seconds.
    """

    def __init__(self, task: dict[str, Any], worker_id: str, client: Client) -> None:
        super().__init__(client)
        self.task, self.worker_id = task, worker_id
        self.id: int = task["id"]
        self.type: str = task["type"]
        self.attempt: int = task["attempts"]
        self.lost = False  # the server says that it is no longer ours
        self.expires_at = self.beat_at = self.news_at = 0.0
        self.started_at = self.finished_at = 0.0
        self.is_begun = False  # a process that is to run it may have to start first
        self.outcome: dict[str, Any] | None = None
        self.refused = False  # the server took no report of it

    def raise_flag(self, bit: int) -> None:
        """Tells the handler."""
        with self._lock:
            self.flag.value |= bit

    def use_flag(self, flag: Any) -> None:
        """Makes this the flag from now on, as far up as the one before."""
        with self._lock:
            flag.value, self.flag = self.flag.value, flag

    def tell(self, news: Mapping[str, Any]) -> None:
        super().tell(news)
        if "lease" in news:
            self.beat_at = 0.0

    def is_due(self, now: float) -> bool:
        """Whether its lease is to be renewed, or news of it to be sent."""
        return now >= self.beat_at or bool(self._news and not self.outcome and now >= self.news_at)

    def renew(self, lease: float, sent_at: float, every: float) -> None:
        """Notes that the server has made the lease end `lease` seconds after `sent_at`."""
        self.expires_at = sent_at + lease
        beat = every or min(lease / 3, LONGEST_BEAT)
        self.beat_at = sent_at + min(max(beat, TICK), max(lease / 2, TICK))
        self.news_at = sent_at + PROGRESS_EVERY

    def postpone(self, sent_at: float, news: Mapping[str, Any]) -> None:
        """Notes that the lease was not renewed; the news go with the next try."""
        self.tell({**news, **self.take_news()})
        pause = min(max(1.0, (self.expires_at - sent_at) / 3), 15.0)
        self.beat_at = self.news_at = sent_at + pause

    def lose(self) -> None:
        """Notes that it is no longer ours."""
        self.lost = True
        self.raise_flag(CANCELLED)

    def finish(self, outcome: dict[str, Any]) -> None:
        """Notes how the attempt ended; the first word counts."""
        if self.outcome is None:
            self.finished_at = time.monotonic()
            self.outcome = outcome

    @property
    def extra(self) -> dict[str, Any]:
        """What a log line about it carries beside its text."""
        return {"task_id": self.id, "task_type": self.type, "attempt": self.attempt}


class Slot:
    """A thread that runs one handler at a time."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.claim: Claim | None = None
        self._inbox: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="slot", daemon=True).start()

    def start(self, claim: Claim) -> None:
        """Begins with a claim's task; its end comes through the worker's mailbox."""
        self.claim = claim
        self._inbox.put(claim)

    def end(self) -> None:
        """Ends an idle slot. Of one that is busy nothing more is waited for: a thread cannot be
        stopped, only told.
        """
        self._inbox.put(None)

    def _serve(self) -> None:
        while True:
            claim = self._inbox.get()
            if claim is None:
                return
            try:
                outcome = self._perform(claim)
            except Exception as error:
                log.exception("task %d: the worker met an error of its own", claim.id)
                outcome = failure(f"the worker met an error of its own: {_text_of(error)}")
            self.worker.mailbox.put((self, claim, outcome))

    def _perform(self, claim: Claim) -> dict[str, Any]:
        claim.is_begun = True
        job = Job(claim.task, claim.worker_id, claim)
        return run_handler(self.worker.all_handlers[claim.type], job)


class ProcessSlot(Slot):
    """A thread with a process of its own that runs the handlers, and that can be killed."""

    def __init__(self, worker: Worker) -> None:
        import multiprocessing

        self._context = multiprocessing.get_context("spawn")  # forked threads' locks stay locked
        self._flag = self._context.Value("i", 0, lock=False)
        self._child: Any = None
        self._ended = False
        super().__init__(worker)

    def end(self) -> None:
        self._ended = True
        super().end()
        if self._child is not None:
            self._child.kill()

    def _perform(self, claim: Claim) -> dict[str, Any]:
        claim.use_flag(self._flag)
        try:
            if self._child is None:
                self._start_child()
                self._pipe.recv()  # its handlers are loaded
            claim.started_at, claim.is_begun = time.monotonic(), True
            self._pipe.send((claim.task, claim.worker_id))
            while True:
                kind, task_id, value = self._pipe.recv()
                if task_id != claim.id:
                    continue  # said by a thread that an earlier handler left behind
                if kind == "outcome":
                    return self._renewed(value)
                getattr(claim, kind)(*value)
        except (EOFError, OSError):
            self._child.join()
            code, self._child = self._child.exitcode, None
            return failure(f"the handler's process died ({_exit_text(code)})")
        finally:
            claim.use_flag(Flag())  # the process's flag is the next task's

    def _start_child(self) -> None:
        worker = self.worker
        # What a decorator registered is imported again there; functions given are sent.
        handlers = worker.all_handlers if worker.source is None else None
        self._pipe, theirs = self._context.Pipe()
        client = (worker.client.api_url, worker.client.api_key)
        self._child = self._context.Process(
            target=serve_process, args=(worker.source, handlers, client, theirs, self._flag)
        )
        self._child.daemon = True
        self._child.start()
        theirs.close()
        if self._ended:
            self._child.kill()

    def _renewed(self, value: tuple[dict[str, Any], int]) -> dict[str, Any]:
        outcome, memory = value
        if self.worker.max_memory and memory > self.worker.max_memory:
            log.info("a handlers' process with %d MiB is replaced", memory >> 20)
            self._child.kill()
            self._child.join()
            self._child = None
        return outcome


class ChildLink(Link):
    """A job's link from the process that runs it to its worker."""

    def __init__(self, client: Client, pipe: Any, lock: threading.Lock, flag: Any, task: int):
        super().__init__(client)
        self._pipe, self._lock = pipe, lock
        self._task = task
        self.flag = flag

    def send(self, kind: str, *value: Any) -> None:
        """Handlers may have threads of their own, and a pipe takes one sender at a time."""
        with self._lock:
            self._pipe.send((kind, self._task, value))

    def tell(self, news: Mapping[str, Any]) -> None:
        self.send("tell", dict(news))

    def log(self, level: int, text: str, extra: dict[str, Any]) -> None:
        self.send("log", level, text, extra)


def serve_process(
    source: str | None,
    handlers: Mapping[str, Handler] | None,
    client: tuple[str, str],
    pipe: Any,
    flag: Any,
) -> None:
    """What a process of handlers runs: a task at a time, until its worker has ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Sent to the whole group they are the worker's affair. Not SIG_IGN: programs that a
        # handler starts would inherit that.
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if handlers is None:
        load_handlers(source)
        handlers = HANDLERS
    api, lock = Client(*client), threading.Lock()
    pipe.send("ready")
    while True:
        try:
            task, worker_id = pipe.recv()
        except EOFError:
            return
        link = ChildLink(api, pipe, lock, flag, task["id"])
        outcome = run_handler(handlers[task["type"]], Job(task, worker_id, link))
        link.send("outcome", outcome, memory_in_use())


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _exit_text(code: int | None) -> str:
    return f"signal {-code}" if code and code < 0 else f"exit code {code}"


def memory_in_use() -> int:
    """How many bytes of memory this process holds; 0 where that cannot be known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


# --- The worker ----------------------------------------------------------------------------------


@dataclass
class Counters:
    """What became of a worker's tasks."""

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    lost: int = 0


class Keeper(threading.Thread):
    """Keeps all leases of a worker alive, sends progress, and keeps the status file up to date."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(name="keeper", daemon=True)
        self.worker = worker
        self._ended = threading.Event()
        self._registered = False

    def run(self) -> None:
        worker = self.worker
        while not self._ended.wait(TICK):
            try:
                self._renew_leases()
                worker.monitor.write_if_due()
                if not self._registered and (worker.held or not worker.until_empty):
                    self._register()
            except Exception:
                log.exception("the keeper thread met an error and goes on")

    def end(self) -> None:
        """Ends the thread, and the worker's entry in the list of workers."""
        self._ended.set()
        if self._registered:
            # What was held has been released by name: another process may have the same worker_id.
            path = f"/workers/{quote(self.worker.worker_id, safe='')}/deregister"
            self._tell(path, {"release": False}, LAST_WORDS)

    def _renew_leases(self) -> None:
        now = time.monotonic()
        held = [claim for claim in list(self.worker.held.values()) if not claim.lost]
        if not any(claim.is_due(now) for claim in held):
            return
        # One that would be due soon goes along.
        held.sort(key=lambda claim: claim.beat_at)
        soon = [c for c in held if c.is_due(now) or c.beat_at - now < (c.expires_at - now) / 4]
        for start in range(0, len(soon), MOST_AT_ONCE):
            self._beat(soon[start : start + MOST_AT_ONCE])

    def _beat(self, claims: list[Claim]) -> None:
        sent_at = time.monotonic()
        news = [claim.take_news() for claim in claims]
        tasks = [{"id": c.id, "attempt": c.attempt, **n} for c, n in zip(claims, news)]
        body = {"worker_id": self.worker.worker_id, "tasks": tasks}
        try:
            answer = self.worker.client.call("POST", "/tasks/heartbeat", body, timeout=10.0)
        except ApiError as error:
            log.warning("%d leases not renewed: %s", len(claims), error)
            for claim, told in zip(claims, news):
                claim.postpone(sent_at, told if error.temporary else {})
            return
        for claim, entry in zip(claims, answer["data"]["tasks"]):
            if "code" in entry:
                # Of one that is finished the report decides: it may just have been taken.
                claim.lose()
                continue
            claim.renew(entry["lease"], sent_at, self.worker.heartbeat_interval)
            if entry["cancel_requested"]:
                claim.raise_flag(CANCELLED)

    def _register(self) -> None:
        self._registered = True
        worker = self.worker
        body = {"worker_id": worker.worker_id, "host": socket.gethostname()}
        body.update({"version": worker.version} if worker.version else {})
        more = {"concurrency": worker.concurrency, "metadata": dict(worker.metadata)}
        types = {"task_types": worker.wish["task_types"]} if "task_types" in worker.wish else {}
        self._tell("/workers/register", {**body, **more, **types}, 10.0)

    def _tell(self, path: str, body: Mapping[str, Any], timeout: float) -> None:
        try:
            self.worker.client.call("POST", path, body, timeout)
        except ApiError as error:
            log.debug("the list of workers: %s", error)


class Patience:
    """How long to leave the server alone after failures, and when to give up."""

    def __init__(self, first_pause: float, max_errors: int) -> None:
        self.first_pause = first_pause  # seconds
        self.max_errors = max_errors
        self.ease()

    def ease(self) -> None:
        """A call went well."""
        self._failures, self._pause = 0, 0.0

    def bear(self, error: ApiError) -> float:
        """Counts a failure; how many seconds to wait. Raises the error when it is one too many."""
        self._failures += 1
        if self._failures >= self.max_errors:
            raise error
        # A first hint is taken at its word: a busy server is free again in a moment.
        if self._failures == 1 and error.retry_after:
            return error.retry_after
        self._pause = min(self._pause * 2, LONGEST_PAUSE) or max(1.0, self.first_pause)
        return max(self._pause, error.retry_after)


class StatusFile:
    """A worker's state and counters as a JSON file for monitoring; nothing where `path` is None."""

    def __init__(self, path: str | None, status: Callable[[], dict[str, Any]]) -> None:
        """Raises ValueError for a path that cannot be written."""
        self.path = Path(path) if path else None
        if self.path and not os.access(self.path.parent, os.W_OK):
            raise ValueError(f"the status file {self.path} cannot be written")
        self.changed = False
        self._status = status
        self._written_at = 0.0
        self._lock = threading.Lock()

    def write_if_due(self) -> None:
        """Writes what has changed, and now and then that all is well."""
        if self.changed or time.monotonic() > self._written_at + STATUS_EVERY:
            self.write()

    def write(self) -> None:
        """Replaces the file whole, so that nobody reads half of it."""
        with self._lock:
            self.changed = False
            self._written_at = time.monotonic()
            if self.path is None:
                return
            unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            try:
                unfinished.write_text(json.dumps(self._status()) + "\n", encoding="utf-8")
                unfinished.replace(self.path)
            except OSError as error:
                log.warning("the status file cannot be written: %s", error)


@dataclass(eq=False)
class Worker:
    """Claims tasks, runs their handlers, `concurrency` at a time, and reports how they ended.

    Without `handlers` it has those of the decorator `task`; without `task_types` and
    `type_pattern` it claims the types that it has handlers for. Times are in seconds, sizes in
    bytes; 0 means no limit, or for `batch`, `lease` and `heartbeat_interval` that worker or server
    choose. `processes` runs the handlers in processes instead of threads; the handlers are then
    imported again from `source` (as --handlers takes it), or must be functions of a module.
    Raises ValueError.

    `run` works until the end; `start`, `stop` and `wait` do the same in the background.
    """

    client: Client
    handlers: Mapping[str, Handler] | None = None
    worker_id: str = ""
    task_types: Sequence[str] = ()
    type_pattern: str | None = None
    poll_interval: float = 10.0
    max_poll_interval: float = 60.0
    max_runs: int = 0
    max_time: float = 0.0
    max_memory: int = 0
    until_empty: bool = False
    batch: int = 0
    concurrency: int = 1
    processes: bool = False
    lease: float = 0.0
    heartbeat_interval: float = 0.0
    task_timeout: float = 0.0
    shutdown_timeout: float = 30.0
    max_errors: int = 5
    status_file: str | None = None
    source: str | None = None
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.worker_id = self.worker_id or _new_worker_id()
        self.all_handlers = HANDLERS if self.handlers is None else self.handlers
        self.counters = Counters()
        self.state = "idle"  # starting, running, stopping, stopped, error
        self.stopping = False
        self.stop_reason = ""
        self.met_fatal_error = False
        self.error: Exception | None = None
        self.mailbox: queue.SimpleQueue[tuple[Slot, Claim, dict[str, Any]] | None] = (
            queue.SimpleQueue()
        )
        if self.max_memory and memory_in_use() > self.max_memory:
            size = memory_in_use() >> 20
            raise ValueError(f"max_memory is too small: {size} MiB are in use before any task")
        if self.processes and self.source is None:
            _check_sendable(self.all_handlers)
        self.wish = _claim_wish(self.all_handlers, self.task_types, self.type_pattern, self.lease)
        self.monitor = StatusFile(self.status_file, self.status)
        self.held: dict[int, Claim] = {}  # changed by the main thread, read by the keeper too
        self._listeners: dict[str, list[Listener]] = {}
        self._thread: threading.Thread | None = None
        self._keeper = Keeper(self)
        self._slots: list[Slot] = []
        self._queue: deque[Claim] = deque()  # claimed and not started
        self._warned: set[str] = set()
        self._patience = Patience(self.poll_interval, self.max_errors)
        self._report_at_most = MOST_AT_ONCE
        self._ask_apart = False
        self._unanswered: dict[str, Any] | None = None
        self._came_empty = False
        self._idle_pause = 0.0
        self._again_at = self._idle_until = self._deadline = 0.0
        self._runs = 0
        self._seconds = 0.0  # that handlers ran, all together
        self._mean = 0.0  # seconds, of the latest tasks
        self._longest: dict[str, float] = {}
        self._began = self._last_task_at = 0.0

    # What a program does with a worker.

    def run(self) -> Counters:
        """Works until it is stopped or until a limit says so.

        Raises ApiError: a temporary one after `max_errors` failures in a row, any other at once.
        """
        if self._began:
            raise RuntimeError(RUN_ALREADY)
        try:
            self._open()
            while not self._is_done():
                self._turn()
            self._close("stopped")
        except Exception as error:
            self.error = error
            self._emit("error", error=error)
            self._close("error")
            raise
        return self.counters

    def start(self) -> None:
        """Begins to work in a thread of its own; `wait` tells how it ended."""

        def work() -> None:
            try:
                self.run()
            except Exception as error:
                log.error("%s", error)

        if self.state != "idle":
            raise RuntimeError(RUN_ALREADY)
        self.state = "starting"
        self._thread = threading.Thread(target=work, name=self.worker_id)
        self._thread.start()

    def stop(self, reason: str = "stopped") -> None:
        """Asks the worker to end: no new tasks, what runs has `shutdown_timeout` seconds, the rest
        is released. May be called by any thread and by a signal handler.
        """
        if not self.stopping:
            self.stop_reason = self.stop_reason or reason
            self._deadline = _earliest(time.monotonic() + self.shutdown_timeout, self._deadline)
            self.stopping = True
            self.mailbox.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end of a started worker; whether it has ended. Raises what `run` does."""
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        if self.error is not None:
            raise self.error
        return True

    def on(self, event: str, listener: Listener) -> Listener:
        """Calls `listener` with a dict at each such event of this worker. Raises ValueError."""
        return _listen(self._listeners, event, listener)

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.state in ("starting", "running", "stopping")

    @property
    def active_jobs(self) -> int:
        """How many handlers run now."""
        return len(self.running())

    def running(self) -> list[Claim]:
        """The claims whose handlers run now."""
        return [slot.claim for slot in self._slots if slot.claim]

    def status(self) -> dict[str, Any]:
        """State, counters and rates, as they are in the status file. Times in seconds."""
        ended = self.counters.completed + self.counters.failed
        return {
            "state": self.state,
            "worker_id": self.worker_id,
            "pid": os.getpid(),
            **asdict(self.counters),
            "active": self.active_jobs,
            "success_rate": round(self.counters.completed / ended, 4) if ended else None,
            "average_time": round(self._seconds / ended, 6) if ended else None,
            "last_task_at": _iso(self._last_task_at) if self._last_task_at else None,
            "started_at": _iso(self._began or time.time()),
            "updated_at": _iso(time.time()),
            "uptime": round(time.time() - self._began, 3) if self._began else 0,
        }

    # Beginning and end.

    def _open(self) -> None:
        self._began = time.time()
        self._deadline = time.monotonic() + self.max_time if self.max_time else 0.0
        self._set_state("starting")
        self._check_health()
        self._slots = [self._new_slot() for _ in range(self.concurrency)]
        self._keeper.start()
        self._set_state("running")
        self._emit("started", task_types=self.wish.get("task_types"))

    def _new_slot(self) -> Slot:
        return ProcessSlot(self) if self.processes else Slot(self)

    def _check_health(self) -> None:
        try:
            self.client.call("GET", "/health")
        except ApiError as error:
            hint = "is the address right (it ends in /api), and does the server run?"
            message = f"the server is not ready: {error} - {hint}"
            raise ApiError(error.status, error.code, message) from error

    def _is_done(self) -> bool:
        if self.held:
            return False
        if self.until_empty and self._came_empty:
            self._wind_down("empty")
        return bool(self.stop_reason)

    def _close(self, state: str) -> None:
        for slot in self._slots:
            slot.end()
        self._keeper.end()
        self._set_state(state)
        counts = ", ".join(f"{name} {count}" for name, count in asdict(self.counters).items())
        # Cron mails what is written: a run that found nothing says nothing.
        quiet = self.until_empty and not self.counters.claimed and state == "stopped"
        level = logging.DEBUG if quiet else logging.INFO
        log.log(level, "summary: %s, seconds %.1f", counts, time.time() - self._began)
        self._emit("stopped", reason=self.stop_reason or state)

    # One turn of the main thread: start, collect, report and claim.

    def _turn(self) -> None:
        now = time.monotonic()
        self._check_limits(now)
        self._start_queued(now)
        self._end_overdue(now)
        if self._exchange_is_due(now):
            self._try_exchange(now)
            self._collect(0)
        else:
            self._collect(min(TICK, max(0.0, self._idle_until - now)) or TICK)

    def _check_limits(self, now: float) -> None:
        if self.max_time and now >= self._deadline:
            self.stop("max_time")
        too_much = self.max_memory and not self.processes and memory_in_use() > self.max_memory
        if too_much and not self.stop_reason:
            log.info("stopping: %d MiB of memory are in use", memory_in_use() >> 20)
            self._wind_down("max_memory")
        if self.stopping and self.state == "running":
            self._set_state("stopping")
            self._again_at = min(self._again_at, now + 1.0)
            for claim in self.running():
                claim.raise_flag(STOPPING)
        if self.stop_reason:
            self._release_queued()
        if self.stopping and now >= self._deadline:
            self._give_up_running()

    def _release_queued(self) -> None:
        while self._queue:
            claim = self._queue.popleft()
            if claim.lost:
                self._lose(claim)
            else:
                claim.finish({"release": True})

    def _wind_down(self, reason: str) -> None:
        """Claims no more; what runs may take its time."""
        self.stop_reason = self.stop_reason or reason

    def _start_queued(self, now: float) -> None:
        idle = [slot for slot in self._slots if slot.claim is None]
        waiting: list[Claim] = []
        while self._queue and (idle or self._queue[0].type not in self.all_handlers):
            claim = self._queue.popleft()
            if claim.lost:
                self._lose(claim)
            elif claim.type not in self.all_handlers:
                log.warning("task %d: no handler for %s, left to others", claim.id, claim.type)
                claim.finish({"release": True, "delay": NO_HANDLER_DELAY})
            elif claim.expires_at < now:
                waiting.append(claim)  # the keeper asks whether it is still ours
            elif self.max_time and now + self._longest.get(claim.type, 0) > self._deadline:
                claim.finish({"release": True})
                self.stop("max_time")
                break
            else:
                self._start(claim, idle.pop(), now)
        self._queue.extendleft(reversed(waiting))

    def _start(self, claim: Claim, slot: Slot, now: float) -> None:
        self._runs += 1
        if self._runs == self.max_runs:
            self._wind_down("max_runs")
        claim.started_at = now
        slot.start(claim)
        self._emit("job:started", claim)

    def _end_overdue(self, now: float) -> None:
        for slot in self._slots:
            claim = slot.claim
            if claim is None or claim.outcome or not claim.is_begun:
                continue
            own = getattr(self.all_handlers[claim.type], "task_timeout", None)
            limit = self.task_timeout if own is None else own
            if limit and now > claim.started_at + limit:
                claim.finish(failure(f"timed out: not finished within {limit:g} seconds"))
                self._abandon(slot, claim)

    def _give_up_running(self) -> None:
        for slot in self._slots:
            claim = slot.claim
            if claim is None:
                continue
            ran = time.monotonic() - claim.started_at
            if self.max_time and ran >= self.max_time / 2:
                # Released, it would be begun again and again and never count as tried.
                claim.finish(failure(f"not finished within --max-time: stopped after {ran:.0f} s"))
            else:
                claim.finish({"release": True})
            self._abandon(slot, claim)

    def _abandon(self, slot: Slot, claim: Claim) -> None:
        claim.raise_flag(CANCELLED)
        slot.end()
        self._slots[self._slots.index(slot)] = self._new_slot()
        self._tally(claim)

    def _collect(self, seconds: float) -> None:
        """Waits for the first task that ends, and takes all that have."""
        try:
            message = self.mailbox.get(timeout=seconds) if seconds else self.mailbox.get_nowait()
            while True:
                if message is not None:
                    self._take_end(*message)
                message = self.mailbox.get_nowait()
        except queue.Empty:
            pass

    def _take_end(self, slot: Slot, claim: Claim, outcome: dict[str, Any]) -> None:
        slot.claim = None
        if claim.outcome:
            return  # its time was up before
        ends = outcome.pop("ends", None)
        claim.finish(outcome)
        self._tally(claim)
        if ends:
            log.error("task %d %s ends this worker: %s", claim.id, claim.type, ends)
            self.met_fatal_error = ends == FATAL
            self.stop(ends)
        if claim.lost:
            self._lose(claim)

    def _tally(self, claim: Claim) -> None:
        seconds = claim.finished_at - claim.started_at
        self._seconds += seconds
        self._mean = seconds if not self._mean else 0.8 * self._mean + 0.2 * seconds
        self._longest[claim.type] = max(seconds, self._longest.get(claim.type, 0.0))
        self._last_task_at = time.time()
        outcome = claim.outcome or {}
        if outcome.get("success"):
            log.debug("task %d %s: %.3f s", claim.id, claim.type, seconds, extra=claim.extra)
        elif "error" in outcome:
            error = outcome["error"]
            log.warning("task %d %s failed: %.200s", claim.id, claim.type, error, extra=claim.extra)

    # Round trips: what is finished goes out, new tasks come in.

    def _exchange_is_due(self, now: float) -> bool:
        if now < self._again_at:
            return False
        if self._room() and now >= self._idle_until:
            return True
        finished = self._finished()
        if not finished:
            return False
        if len(finished) >= min(len(self.held), MOST_AT_ONCE):
            return True
        return min(claim.finished_at for claim in finished) + REPORT_WITHIN <= now

    def _finished(self) -> list[Claim]:
        return [claim for claim in self.held.values() if claim.outcome]

    def _room(self) -> int:
        """How many tasks to claim now: none while there is enough to do."""
        if self.stop_reason:
            return 0
        unfinished = sum(claim.outcome is None for claim in self.held.values())
        wanted = self.batch or self._own_batch()
        if unfinished >= self.concurrency and unfinished > wanted // 3:
            return 0
        left = self.max_runs - self._runs - len(self._queue) if self.max_runs else wanted
        return max(0, min(max(wanted, self.concurrency) - unfinished, left, MOST_AT_ONCE))

    def _own_batch(self) -> int:
        """As many tasks as are done in a moment, so that no other worker waits for those that
        this one has only put aside.
        """
        if not self._longest:
            return self.concurrency
        in_time = math.ceil(WORK_AHEAD * self.concurrency / max(self._mean, 0.001))
        return max(self.concurrency, min(in_time, MOST_AT_ONCE))

    def _try_exchange(self, now: float) -> None:
        finished = self._finished()[: self._report_at_most]
        claim = None if finished and self._ask_apart else self._next_claim()
        try:
            self._exchange(finished, claim)
        except ApiError as error:
            self._emit("error", error=error)
            if error.temporary:
                self._unanswered = claim
                self._bear(error, now)
            elif finished and error.status in (400, 413):
                self._narrow_down(finished, bool(claim), error)
            else:
                raise
        else:
            self._patience.ease()
            self._ask_apart = False
            self._report_at_most = min(MOST_AT_ONCE, self._report_at_most * 2)

    def _next_claim(self) -> dict[str, Any] | None:
        """The claim that got no answer, so that what it may have got is not left lying; else one
        for as many tasks as there is room for.
        """
        if self._unanswered:
            return {**self._unanswered, "again": True}
        room = self._room()
        return {"limit": room, "claim_key": secrets.token_hex(8), **self.wish} if room else None

    def _exchange(self, finished: list[Claim], claim: dict[str, Any] | None) -> None:
        body: dict[str, Any] = {"worker_id": self.worker_id}
        sent_at = time.monotonic()
        if finished:
            outcomes = [{"id": c.id, "attempt": c.attempt, **(c.outcome or {})} for c in finished]
            body["outcomes"] = outcomes
            again = {**body, "claim": {**claim, "again": True}} if claim else body
            if claim:
                body["claim"] = claim
            answer = self._call("/tasks/settle", body, again)
            self._book(finished, answer["data"]["settled"])
        else:
            body.update(claim or {})
            answer = self._call("/tasks/claim", body, {**body, "again": True})
        if claim:
            self._unanswered = None
            self._take_claimed(answer, sent_at)

    def _call(self, path: str, body: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
        timeout = self.client.timeout
        if self._deadline:
            left = self._deadline - time.monotonic()
            timeout = min(timeout, max(left, 0.0) + LAST_WORDS)
        return self.client.call("POST", path, body, timeout, again)

    def _bear(self, error: ApiError, now: float) -> None:
        if self._deadline and now >= self._deadline:
            raise error
        wait = self._patience.bear(error)
        log.warning("%s; trying again in %g seconds", error, wait)
        self._again_at = time.monotonic() + (min(wait, 1.0) if self.stopping else wait)

    def _narrow_down(self, finished: list[Claim], had_claim: bool, error: ApiError) -> None:
        """Finds what the server refused, so that one bad outcome does not hold up the others."""
        if had_claim:
            self._ask_apart = True
        elif len(finished) > 1:
            self._report_at_most = len(finished) // 2
        elif finished[0].refused:
            log.error("task %d: the server takes no report of it: %s", finished[0].id, error)
            self._lose(finished[0])
        else:
            claim = finished[0]
            reason = f"the server refused this task's outcome (HTTP {error.status}): {error}"
            log.error("task %d: %s", claim.id, reason, extra=claim.extra)
            claim.outcome, claim.refused = failure(reason, retry=False), True

    def _book(self, reported: Iterable[Claim], settled: Iterable[Mapping[str, Any]]) -> None:
        answers = {entry["id"]: entry for entry in settled}
        for claim in reported:
            entry = answers.get(claim.id, {"code": "missing", "error": "no word about it"})
            outcome = claim.outcome or {}
            if "code" in entry:
                log.warning("task %d: report not taken: %s", claim.id, entry.get("error"))
                self._lose(claim)
                continue
            del self.held[claim.id]
            if outcome.get("release"):
                self.counters.released += 1
                self._emit("job:released", claim)
            elif outcome["success"]:
                self.counters.completed += 1
                self._emit("job:completed", claim, result=outcome["result"])
            else:
                self.counters.failed += 1
                will_retry = bool(entry.get("will_retry"))
                self._emit("job:failed", claim, error=outcome["error"], will_retry=will_retry)
        self.monitor.changed = True

    def _lose(self, claim: Claim) -> None:
        log.warning("task %d: no longer this worker's", claim.id, extra=claim.extra)
        if self.held.get(claim.id) is claim:
            del self.held[claim.id]
        self.counters.lost += 1
        self._emit("job:lost", claim)

    def _take_claimed(self, answer: Mapping[str, Any], sent_at: float) -> None:
        for warning in set(answer.get("warnings", ())) - self._warned:
            self._warned.add(warning)
            log.warning("the server says: %s", warning)
        tasks = answer["data"]["tasks"]
        self._came_empty = not tasks
        self.counters.claimed += len(tasks)
        for task in tasks:
            claim = Claim(task, self.worker_id, self.client)
            if claim.id in self.held:  # lost without our noticing, and handed out to us again
                self.held[claim.id].lose()
            claim.renew(task["lease"], sent_at, self.heartbeat_interval)
            self.held[claim.id] = claim
            # What this worker cannot do goes first: another one may be waiting for it.
            known = claim.type in self.all_handlers
            (self._queue.append if known else self._queue.appendleft)(claim)
            self._emit("job:claimed", claim)
        if tasks:
            self._idle_until = self._idle_pause = 0.0
        elif not self.until_empty or self.held:
            longest = max(self.poll_interval, self.max_poll_interval)
            self._idle_pause = min(self._idle_pause * 2, longest) or self.poll_interval
            self._idle_until = time.monotonic() + self._idle_pause
            log.debug("no tasks; asking again in %g seconds", self._idle_pause)

    # Telling others.

    def _set_state(self, state: str) -> None:
        self.state = state
        self.monitor.write()

    def _emit(self, event: str, claim: Claim | None = None, **more: Any) -> None:
        listeners = [*LISTENERS.get(event, ()), *self._listeners.get(event, ())]
        if not listeners:
            return
        told = {"event": event, "worker_id": self.worker_id, **more}
        if claim is not None:
            told.update(job_id=claim.id, type=claim.type, attempt=claim.attempt)
            if claim.finished_at:
                told["seconds"] = claim.finished_at - claim.started_at
        for listener in listeners:
            try:
                listener(told)
            except Exception:
                log.exception("a listener of %s met an error", event)


def _claim_wish(
    handlers: Mapping[str, Handler], types: Sequence[str], pattern: str | None, lease: float
) -> dict[str, Any]:
    known = ", ".join(sorted(handlers)) or "none"
    missing = ", ".join(name for name in types if name not in handlers)
    if missing:
        raise ValueError(f"there is no handler for {missing}; there are handlers for {known}")
    wish: dict[str, Any] = {"lease": lease} if lease else {}
    if pattern:
        return {**wish, "type_pattern": pattern, **({"task_types": list(types)} if types else {})}
    if not handlers:
        raise ValueError("there is no handler: decorate a function with @task(type name)")
    return {**wish, "task_types": sorted(types or handlers)}


def _check_sendable(handlers: Mapping[str, Handler]) -> None:
    try:
        pickle.dumps(dict(handlers))
    except Exception as error:
        message = "with processes, handlers must be functions at the top of a module"
        raise ValueError(f"{message}: {error}") from error


def _earliest(*times: float) -> float:
    return min(each for each in times if each)


def _new_worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    """Registers what has changed of the list TASK_TYPES of a handlers module.

    The rest is left as it is: a type that somebody deactivated stays so.
    Raises ApiError, click.UsageError.
    """
    types = getattr(module, "TASK_TYPES", None)
    if not types:
        raise click.UsageError("--register needs a list TASK_TYPES in the handlers module")
    listed = client.call("GET", "/task-types")["data"]["task_types"]
    known = {task_type["name"]: task_type for task_type in listed}
    changed = [each for each in types if not each.items() <= known.get(each["name"], {}).items()]
    for task_type in changed:
        client.call("POST", "/task-types/register", task_type)
    if changed:
        log.info("registered %d task types", len(changed))


def stop_on_signals(*workers: Worker) -> None:
    """Makes SIGTERM and SIGINT stop workers politely, and a second one at once."""

    signals: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if signals:
            os._exit(128 + number)
        signals.append(number)
        for worker in workers:
            worker.stop(f"signal {number}")
        # Not by logging: the signal may have come in the middle of a log line.
        os.write(2, b"stopping when the tasks at hand are done (a second signal ends at once)\n")

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def take_lock(path: Path) -> IO[str] | None:
    """Locks a file until this process ends; None while another process has it locked.

    Raises click.UsageError for a file that cannot be written.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise click.UsageError(f"the lock file {path} cannot be written: {error}") from error
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _lock_path(given: str, *which: Any) -> Path:
    """A name of its own for each kind of worker of this user, where none is given."""
    if given != "auto":
        return Path(given)
    digest = hashlib.sha256(repr((os.getcwd(), *which)).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"taskmanager-worker-{_user()}-{digest}.lock"


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


class JsonLines(logging.Formatter):
    """Log records as JSON, a line each."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _iso(record.created), "level": record.levelname.lower()}
        line["message"] = record.getMessage()
        for name in ("task_id", "task_type", "attempt"):
            if hasattr(record, name):
                line[name] = getattr(record, name)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_log(level: str, file: str | None, as_json: bool) -> None:
    """Raises click.UsageError for a file that cannot be written."""
    target: logging.Handler = logging.StreamHandler()
    if file:
        from logging.handlers import RotatingFileHandler

        try:
            target = RotatingFileHandler(file, maxBytes=5 << 20, backupCount=3, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"the log file {file} cannot be written: {error}") from error
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    target.setFormatter(JsonLines() if as_json else plain)
    logging.basicConfig(level=level.upper(), handlers=[target])
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def read_config(path: Path) -> dict[str, str]:
    """Settings of a file by the names of their environment variables; raises OSError, ValueError.

    NAME=value a line, or JSON, where {"logging": {"level": …}} gives LOGGING_LEVEL and LEVEL.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        return _json_settings(json.loads(text))
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return dict(_setting(number, line) for number, line in lines if line and line[0] not in "#;[")


def _json_settings(document: Any) -> dict[str, str]:
    if not isinstance(document, dict):
        raise ValueError("it must hold an object, {…}")
    found: dict[str, Any] = dict(document)
    for name, value in document.items():
        for key, each in value.items() if isinstance(value, dict) else ():
            found.update({f"{name}_{key}": each, key: each})
    return {name.upper(): _as_text(value) for name, value in found.items() if value is not None}


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _setting(number: int, line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals:
        raise ValueError(f"line {number} is not like NAME=value: {line}")
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return name.replace("export ", "", 1).strip().upper(), value


def _use_config(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    path = Path(value or "worker.conf")
    if value is None and not path.is_file():
        return
    try:
        found = read_config(path)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"the settings in {path} cannot be read: {error}") from error
    options = [each for each in context.command.params if each.name and each.envvar]
    context.default_map = {
        option.name: found[name]
        for option in options
        for name in reversed(_as_list(option.envvar))
        if option.name and name in found
    }
    known = {name for option in options for name in _as_list(option.envvar)}
    for name, text in found.items():
        if name not in known and path.suffix != ".json":
            os.environ.setdefault(name, text)  # of the handlers, as in a .env file


def _as_list(names: str | Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


class Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A kind of option that a function makes of its text; ValueError tells what is wrong."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self.parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Switch(click.Option):
    """A switch whose variable can turn it off too: click 8.2.0 and 8.2.1 take any text there,
    even "false", for on.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        return click.Parameter.resolve_envvar_value(self, ctx)


def _lock_of(text: str) -> str | None:
    """The lock that an option or variable asks for: a path, "auto", or none."""
    word = text.strip().lower()
    if word in ("", "0", "false", "no", "off", "n", "f", "none"):
        return None
    return "auto" if word in ("1", "true", "yes", "on", "y", "t", "auto") else text


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pairs(text: str) -> dict[str, str]:
    if not all("=" in each for each in _names(text)):
        raise ValueError(f"{text!r} is not like name=value,name=value")
    return dict(each.split("=", 1) for each in _names(text))


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s*([KMG]?)I?B?", text.strip().upper())
    if not match:
        raise ValueError(f"{text!r} is not a size like 512M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


NAMES, PAIRS, SIZE = Parsed("names", _names), Parsed("pairs", _pairs), Parsed("size", _size)
LOCK = Parsed("lock", _lock_of)
FLAG, COUNT, SECONDS = click.BOOL, click.IntRange(min=0), click.FloatRange(min=0)
AT_LEAST_ONE, POSITIVE = click.IntRange(1), click.FloatRange(min=0.1)
LEVELS = click.Choice(["debug", "info", "warning", "error"], case_sensitive=False)

# Name, environment variables (also the names in worker.conf), default, kind, help.
OPTIONS: list[tuple[str, str, Any, Any, str]] = [
    ("api-url", "TASKMANAGER_API_URL API_URL", "http://127.0.0.1:8000/api", str, "Address."),
    ("api-key", "TASKMANAGER_API_KEY API_KEY", "", str, "Key of the API."),
    ("worker-id", "WORKER_ID", "", str, "Unique name.  [default: host-process-random]"),
    ("type-pattern", "TASK_TYPE_PATTERN", None, str, "Claim task types LIKE this: 'example.%'."),
    ("task-types", "TASK_TYPES", "", NAMES, "Claim a,b,c.  [default: all with a handler]"),
    ("handlers", "HANDLERS", None, str, "File or module of handlers.  [default: ./handlers.py]"),
    ("register", "", False, FLAG, "First register the list TASK_TYPES of the handlers."),
    ("concurrency", "CONCURRENCY CONCURRENT_TASKS", 1, AT_LEAST_ONE, "Tasks at once."),
    ("processes", "PROCESSES", False, FLAG, "Run handlers in processes, not in threads."),
    ("batch", "BATCH", 0, click.IntRange(0, 100), "Tasks to hold; 0: two seconds' worth."),
    ("poll-interval", "POLL_INTERVAL POLLING_INTERVAL", 10.0, POSITIVE, "Seconds to wait if idle."),
    ("max-poll-interval", "MAX_POLL_INTERVAL", 60.0, SECONDS, "Longest wait, if idle for long."),
    ("until-empty", "UNTIL_EMPTY", False, FLAG, "End when there is nothing to claim."),
    ("max-runs", "MAX_RUNS", 0, COUNT, "End after so many tasks; 0: never."),
    ("max-time", "MAX_TIME", 0.0, SECONDS, "End within so many seconds; 0: never."),
    ("max-memory", "MAX_MEMORY MEMORY_LIMIT", "0", SIZE, "End above this size: 512M; 0: never."),
    ("lease", "LEASE", 0.0, SECONDS, "Seconds of a lease; 0: as the task says."),
    ("heartbeat-interval", "HEARTBEAT_INTERVAL", 0.0, SECONDS, "Seconds; 0: a third of the lease."),
    ("task-timeout", "TASK_TIMEOUT", 0.0, SECONDS, "Seconds that a handler may run; 0: any."),
    ("shutdown-timeout", "SHUTDOWN_TIMEOUT", 30.0, SECONDS, "Seconds for tasks when stopped."),
    ("max-errors", "MAX_ERRORS", 5, AT_LEAST_ONE, "Give up after so many API errors in a row."),
    ("api-timeout", "API_TIMEOUT TIMEOUT", 30.0, POSITIVE, "Seconds to wait for an answer."),
    ("status-file", "STATUS_FILE", None, str, "Keep state and counters in this JSON file."),
    ("metadata", "METADATA", "", PAIRS, "For the list of workers: region=eu,tier=1."),
    ("log-level", "LOG_LEVEL LOGGING_LEVEL", "info", LEVELS, "What to log."),
    ("log-file", "LOG_FILE LOGGING_FILE", None, str, "Log to this file, rotated at 5 MiB."),
    ("log-json", "LOG_JSON", False, FLAG, "Log JSON, a line each."),
    ("debug", "DEBUG", False, FLAG, "The same as --log-level debug."),
]


def _options(command: F) -> F:
    """Gives a command all OPTIONS, in their order."""
    for name, variables, default, kind, text in reversed(OPTIONS):
        names = variables.split()
        # A switch gets no type: click 8.2.0 would turn one of type BOOL round.
        given: dict[str, Any] = {"cls": Switch, "is_flag": True} if kind is FLAG else {"type": kind}
        command = click.option(
            f"--{name}",
            default=default,
            help=text,
            envvar=names,
            show_envvar=bool(names),
            show_default=bool(default) and kind not in (FLAG, SIZE),
            **given,
        )(command)
    return command


EXIT_CODES = """\b
Exit codes:
  0  fine: a limit was reached, nothing left (--until-empty), stopped by a signal, or locked out
  1  gave up after errors of the API: not reachable at the start, or --max-errors in a row
  2  wrong usage or configuration
  3  refused by the server: wrong key, not allowed, or a claim that it does not understand
  4  ended by a handler that raised FatalError
  130, 143  ended at once by a second SIGINT or SIGTERM

The command line wins over environment variables, these over worker.conf, and that over defaults.
"""
CONFIG_HELP = "File of settings, NAME=value.  [default: ./worker.conf]"
LOCK_HELP = "Do nothing while another such worker runs.  [optionally: PATH]"


@click.command(epilog=EXIT_CODES)
@click.option(
    "--config",
    envvar="WORKER_CONFIG",
    show_envvar=True,
    help=CONFIG_HELP,
    is_eager=True,
    expose_value=False,
    callback=_use_config,
)
@click.option(
    "--lock",
    envvar="LOCK",
    show_envvar=True,
    help=LOCK_HELP,
    type=LOCK,
    is_flag=False,
    flag_value="auto",
)
@_options
def main(
    api_url: str,
    api_key: str,
    api_timeout: float,
    handlers: str | None,
    register: bool,
    lock: str | None,
    log_level: str,
    log_file: str | None,
    log_json: bool,
    debug: bool,
    **settings: Any,
) -> None:
    """Claims tasks from a TaskManager server, runs your handlers on them, reports the outcomes."""
    set_up_log("debug" if debug else log_level, log_file, log_json)
    which = (api_url, handlers, settings["task_types"], settings["type_pattern"])
    path = _lock_path(lock, *which) if lock else None
    locked = take_lock(path) if path else None
    if path and not locked:
        log.debug("another worker has locked %s: nothing to do", path)
        return
    module = load_handlers(handlers)
    version = str(getattr(module, "__version__", ""))
    try:
        client = Client(api_url, api_key, api_timeout)
        worker = Worker(client, source=handlers or "handlers.py", version=version, **settings)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    stop_on_signals(worker)
    code = 0
    try:
        if register:
            register_types(client, module)
        worker.run()
        code = 4 if worker.met_fatal_error else 0
    except ApiError as error:
        log.error("%s", error)
        code = 1 if error.temporary else 3
    logging.shutdown()
    sys.stdout.flush()
    # A handler that was given up may still run in its thread; nothing may wait for it.
    os._exit(code)


if __name__ == "__main__":
    main()
