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

From top to bottom: what handlers use, the client, the worker, the command line. Below these,
how each of the three works inside.
"""

from __future__ import annotations  # An error in this line: worker.py needs Python 3.9 or newer.

import base64
import errno
import faulthandler
import functools
import hashlib
import importlib
import importlib.util
import inspect
import itertools
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
import stat
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

if sys.version_info < (3, 9):  # noqa: UP036 (here it can still be said in a sentence)
    sys.stderr.write(
        "worker.py needs Python 3.9 or newer, and this is Python {}.{}: start it with a newer one, "
        "for example python3.11 worker.py\n".format(*sys.version_info)
    )
    sys.exit(2)

import click
import requests
import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

# Run as a program this module is called "__main__"; without this line `from worker import task`
# in the handlers would load a second copy, with a registry of its own.
sys.modules.setdefault("worker", sys.modules[__name__])

# Python 2.7 shows the first line that it cannot read, which has to be this one.
log: logging.Logger = logging.getLogger("worker")  # worker.py needs Python 3.9 or newer.

Handler = Callable[..., Any]
Listener = Callable[[dict[str, Any]], Any]
F = TypeVar("F", bound=Callable[..., Any])

STARTED_AT = time.monotonic() - time.process_time()  # where the system cannot tell

TICK = 0.1  # seconds between two checks in the worker's threads
BATCH_TIME = 2.0  # seconds of work that a worker holds, where it chooses the size of its batches
MAX_PER_CALL = 100  # tasks that one call may claim, settle or renew
REPORT_WITHIN = 1.0  # seconds a finished task may wait for others to be reported with
SHORT = 0.01  # seconds that a task may take to be followed by another without the main thread
COLLECT_WITHIN = 0.02  # seconds between two times that a busy slot notifies the main thread
PROGRESS_INTERVAL = 1.0  # seconds between two progress reports of a task
STATUS_INTERVAL = 10.0  # seconds between two updates of an idle worker's status file
LONGEST_PAUSE = 60.0  # seconds, where the server does not ask for more
LONGEST_RETRY_AFTER = 300.0  # seconds
LONGEST_HEARTBEAT_INTERVAL = 60.0  # seconds, however long the lease
HEARTBEAT_TIMEOUT = 10.0  # seconds
END_RESERVE = 2.0  # seconds before the end of --max-time that are kept for the last report
PING_INTERVAL = 60.0  # seconds between two pings while a worker runs
PING_TIME = 2.0  # seconds that a ping may take
LAST_REPORT_TIME = 10.0  # seconds for the report after an error that ends the worker
NO_HANDLER_DELAY = 60  # seconds a task is left to workers that have a handler for it
NO_PROCESS_DELAY = 10  # seconds a task is left to workers that can start a process for it
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LARGE_BODY = 256 * 1024  # bytes; every server takes as many
TCP_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
TEXT_LIMIT = 64 * 1024  # characters of an error or a traceback; the server keeps no more
MESSAGE_LIMIT = 4 * 1024  # characters of a progress message
SHORTEST_LEASE, LONGEST_LEASE = 0.1, 10 * 366 * 86400.0  # seconds; the server takes no others


# --- What handlers use ---------------------------------------------------------------------------


def task(type_name: str, timeout: float | None = None) -> Callable[[F], F]:
    """Makes the decorated function the handler of a task type.

    It is called with (params) or (params, job); what it returns becomes the task's result. An
    `async def` runs in an event loop of its own. `timeout` is in seconds and wins over the
    worker's task_timeout. Raises TypeError, ValueError for what cannot be a handler.
    """
    if not isinstance(type_name, str):
        raise TypeError('write the task type behind it: @task("shop.greet")')
    limit = None if timeout is None else finite(timeout)
    if timeout is not None and (limit is None or limit < 0):
        raise ValueError(f"the timeout of {type_name!r} must be 0 or more, not {timeout!r}")

    def register(handler: F) -> F:
        if type_name in HANDLERS:
            raise ValueError(f"there are two handlers for the task type {type_name!r}")
        takes_job(handler)
        HANDLERS[type_name] = handler
        if limit is not None:
            handler.task_timeout = limit  # type: ignore[attr-defined]
        return handler

    return register


def on(event: str) -> Callable[[F], F]:
    """Calls the decorated function with a dict at each such event (see EVENTS) of any worker.
    Raises ValueError for an event that there is not.
    """
    return functools.partial(_listen, LISTENERS, event)


HANDLERS: dict[str, Handler] = {}
LISTENERS: dict[str, list[Listener]] = {}
EVENTS = (
    *("started", "stopped", "error"),
    *("job:claimed", "job:started", "job:completed", "job:failed", "job:released", "job:lost"),
)


class Job:
    """One claimed task as its handler sees it."""

    def __init__(self, task: Mapping[str, Any], worker_id: str, link: Link) -> None:
        self.id: int = task["id"]
        self.type: str = task["type"]
        self.params: dict[str, Any] = task["params"]
        self.attempt: int = task["attempts"]
        self.max_attempts: int = task["max_attempts"]
        self.traceparent: str | None = task.get("traceparent")
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
        """Whether the worker is being stopped. It waits for this task, but not forever."""
        return bool(self._link.flag.value & STOPPING)

    def progress(self, percent: float, message: str = "") -> None:
        """Notes how far the task is, from 0 to 100. Raises ValueError for what is not a number.

        Another thread sends the latest note about once a second, so this never waits and costs
        nothing when called often.
        """
        number = finite(percent)
        if number is None:
            raise ValueError(f"progress is a number from 0 to 100, not {percent!r}")
        text = _printable(message)[:MESSAGE_LIMIT]
        self._link.update({"progress": min(100.0, max(0.0, number)), "message": text})

    def extend(self, seconds: float) -> None:
        """Makes the lease end `seconds` from now, and each renewal as long. Raises ValueError.

        Leases are renewed anyway; this is for handlers that keep the whole process from running.
        """
        number = finite(seconds)
        if number is None or number <= 0:
            raise ValueError(f"a lease must be longer than 0 seconds, not {seconds!r}")
        self._link.update({"lease": min(max(number, SHORTEST_LEASE), LONGEST_LEASE)})

    def log(self, message: object, level: int | str = logging.INFO) -> None:
        """Writes to the worker's log, with the task's id and type. Raises ValueError for an
        unknown level.
        """
        number = logging.getLevelName(level.upper()) if isinstance(level, str) else level
        if not isinstance(number, int):
            raise ValueError(f"there is no level {level!r}; there are debug, info, warning, error")
        extra = {"task_id": self.id, "task_type": self.type, "attempt": self.attempt}
        self._link.log(number, f"task {self.id} {self.type}: {_printable(message)}", extra)

    def enqueue(
        self, type_name: str, params: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Adds a task, as Client.create does. When this one is tried again, it is added once.

        It is part of the same trace. The trace is passed on as it is, for only a handler knows the
        spans that it made: with a made-up one, what follows would hang on nothing.
        """
        self._enqueued += 1
        options = {"parent_id": self.id, "traceparent": self.traceparent, **options}
        if options.get("dedupe") is False and "dedupe_key" not in options:
            options.update(dedupe="forever", dedupe_key=f"task-{self.id}-{self._enqueued}")
        return self._link.client.create(type_name, params, **options)


class PermanentError(Exception):
    """Raised by a handler: this task can never succeed, so do not try it again."""


class RetryLater(Exception):
    """Raised by a handler: try this task again in `delay_seconds` seconds, a number or a timedelta.
    Raises ValueError for anything else.
    """

    def __init__(self, delay_seconds: Any, message: str = "") -> None:
        delay = finite(delay_seconds)
        if delay is None or delay < 0:
            raise ValueError(f"the delay of RetryLater must be 0 or more, not {delay_seconds!r}")
        super().__init__(message or f"to be tried again in {counted(delay, 'second')}")
        self.delay_seconds = delay

    def __reduce__(self) -> tuple[Any, ...]:  # a handler's own process pool pickles it
        return type(self), (self.delay_seconds, str(self))


class FatalError(Exception):
    """Raised by a handler: this worker cannot go on (disk full, no GPU). The attempt fails, and
    the worker stops with exit code 4; other workers may try the task again.
    """


# --- The client: add tasks and wait for them -----------------------------------------------------


class Client:
    """Calls TaskManager's API. Threads may share it: each gets a connection of its own.

    A name and a password in the address are sent as HTTP Basic authentication. `timeout` is in
    seconds. Calls are repeated up to `retries` times when the server cannot be reached or asks to
    wait, if repeating cannot do anything twice. All methods raise ApiError.
    """

    def __init__(
        self, api_url: str, api_key: str = "", timeout: float = 30.0, retries: int = 3
    ) -> None:
        """Raises ValueError for an address or a key that cannot be used."""
        self._http = HttpConnections(api_url, api_key)
        self.api_url, self.api_key = self._http.api_url, self._http.api_key
        self.timeout, self.retries = timeout, retries

    def create(
        self, type_name: str, params: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Adds a task; returns its `id`, `status` and, where it was there already, `deduplicated`.

        `options` are the API's: priority, run_at (may be a datetime), delay, max_attempts,
        timeout, dedupe, dedupe_key, concurrency_key, tags, parent_id, traceparent.
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
        """Makes one call, once, and returns the whole response.

        `path` begins with "/" and is relative to the API's address; `timeout` is in seconds.
        `again` is sent instead of `body` if the call is repeated because a connection broke.
        """
        return self._http.make(HttpCall(method, path, body, timeout or self.timeout, again))

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        # An "active" one may have been made and have ended before it is asked for again.
        return self._ask("POST", "/tasks", body, not _has_active_dedupe(body))

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, repeats: bool = True
    ) -> dict[str, Any]:
        for attempt in range(self.retries + 1):
            try:
                return _data(self.call(method, path, body))
            except ApiError as error:
                # These two say that nothing was done, if TaskManager itself says them.
                refused = error.status in (429, 503) and error.code != "not_json"
                is_safe = repeats or refused or not error.sent
                if not error.temporary or not is_safe or attempt == self.retries:
                    raise
                log.debug("%s; trying again", error)
                time.sleep(max(error.retry_after, 0.5 * 2**attempt))
        raise AssertionError("unreachable")

    @property
    def arguments(self) -> tuple[str, str, float, int]:
        """What makes the same client in another process."""
        return self._http.address_with_login, self.api_key, self.timeout, self.retries


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
    """The awaited task was cancelled or has failed for good: see `task`."""

    def __init__(self, task: dict[str, Any]) -> None:
        reason = task["error_message"] or "no reason given"
        super().__init__(f"task {task['id']} {task['type']} is {task['status']}: {reason}")
        self.task = task


class WaitTimeout(Exception):
    """The awaited task has not ended yet: see `task`."""

    def __init__(self, task: dict[str, Any], seconds: float) -> None:
        waited = counted(seconds, "second")
        super().__init__(f"task {task['id']} is still {task['status']} after {waited}")
        self.task = task


# --- The worker: options, run, start, stop -------------------------------------------------------


@dataclass(eq=False)
class Options:
    """What a worker is told: the options of the command line, with underscores.

    Times are in seconds, sizes in bytes; 0 means no limit, or for `batch`, `lease` and
    `heartbeat_interval` that worker or server choose. Without `handlers` a worker has those of the
    decorator `task`; without `task_types` and `type_pattern` it claims the types that it has
    handlers for. `processes` runs the handlers in processes instead of threads; the handlers are
    then imported again from `source` (as --handlers takes it), or must be functions of a module.
    `max_time` counts from `started_at`, by time.monotonic(), or from `run`.
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
    fail_on_false: bool = False
    shutdown_timeout: float = 30.0
    max_errors: int = 5
    status_file: str | None = None
    source: str | None = None
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    started_at: float = 0.0

    @property
    def all_handlers(self) -> Mapping[str, Handler]:
        """By task type: those given, or those of the decorator."""
        return HANDLERS if self.handlers is None else self.handlers


@dataclass(eq=False)
class Worker(Options):
    """Claims tasks, runs their handlers, `concurrency` at a time, and reports how they ended.

    `run` works until the end; `start`, `stop` and `wait` do the same in the background.
    Raises ValueError for options that cannot be used.
    """

    def __post_init__(self) -> None:
        self.worker_id = self.worker_id or _new_worker_id()
        if self.max_memory and memory_in_use() > self.max_memory:
            size = memory_in_use() >> 20
            raise ValueError(f"max_memory is too small: {size} MiB are in use before any task")
        if self.processes and self.source is None:
            _check_sendable(self.all_handlers)
        self._thread: threading.Thread | None = None
        self._state = State(self.worker_id)
        monitor = StatusFile(self.status_file, self.status)
        self._shutdown = Shutdown(self.shutdown_timeout)
        self._events = Events(self.worker_id, self._shutdown)
        self._slots = SlotPool(self)
        self._loop = MainLoop(self, self._state, monitor, self._shutdown, self._events, self._slots)

    def run(self) -> Counters:
        """Works until it is stopped or until a limit says so.

        Raises ApiError: a temporary one after `max_errors` failures in a row, any other at once;
        SystemExit when a listener called sys.exit(). Whatever it raises, what was finished is
        reported before and the rest given back, if the server takes it within ten seconds.
        """
        if self._state.began:
            raise RuntimeError(RUN_ALREADY)
        self._loop.run()
        if self._events.exit is not None:
            raise self._events.exit
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
        self._state.name = "starting"
        self._thread = threading.Thread(target=work, name=self.worker_id)
        self._thread.start()

    def stop(self, reason: str = "stopped") -> None:
        """Asks the worker to end: no new tasks, what runs has `shutdown_timeout` seconds, the rest
        is released. May be called by any thread and by a signal handler.
        """
        self._shutdown.request(reason)
        self._slots.interrupt()

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
        return self._events.on(event, listener)

    @property
    def state(self) -> str:
        """One of idle, starting, running, stopping, stopped, error."""
        return self._state.name

    @property
    def error(self) -> Exception | None:
        """What ended it, in the state `error`."""
        return self._state.error

    @property
    def counters(self) -> Counters:
        """What became of its tasks."""
        return self._state.counters

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.state in ("starting", "running", "stopping")

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to end, or has met an error."""
        return self._shutdown.requested

    @property
    def stop_reason(self) -> str:
        """Why it claims no more; empty while it does."""
        return self._shutdown.reason

    @property
    def met_fatal_error(self) -> bool:
        """Whether a handler raised FatalError, or no process for handlers could be started."""
        return self._shutdown.by_fatal_error

    @property
    def active_jobs(self) -> int:
        """How many handlers run now."""
        return len(self._slots.running())

    def status(self) -> dict[str, Any]:
        """State, counters and rates, as they are in the status file. Times in seconds."""
        return self._state.as_dict(self.active_jobs)


@dataclass
class Counters:
    """What became of a worker's tasks."""

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    lost: int = 0


def stop_on_signals(*workers: Worker) -> None:
    """Makes SIGTERM and SIGINT stop workers gracefully; a second one ends the process at once."""

    signals: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if signals:
            end_children()
            os._exit(128 + number)
        signals.append(number)
        for worker in workers:
            worker.stop(f"signal {number}")
        # Not by logging: the signal may have come in the middle of a log line.
        with suppress(OSError):
            os.write(
                2, b"stopping when the tasks at hand are done (a second signal ends at once)\n"
            )

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


# --- The command line ----------------------------------------------------------------------------


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


class WholeNumber(click.IntRange):
    """Named as people call it: click says "not a valid integer range"."""

    name = "whole number"


class Number(click.FloatRange):
    """The same for numbers with a fraction."""

    name = "number"


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


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = not text or (parts.scheme in ("http", "https") and parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is no address like https://hc-ping.com/your-uuid")
    return text


NAMES, PAIRS, SIZE = Parsed("names", _names), Parsed("pairs", _pairs), Parsed("size", _size)
LOCK, ADDRESS = Parsed("lock", _lock_of), Parsed("address", _web_address)
FLAG, COUNT, SECONDS = click.BOOL, WholeNumber(min=0), Number(min=0)
AT_LEAST_ONE, POSITIVE = WholeNumber(min=1), Number(min=0.1)
LEVELS = click.Choice(["debug", "info", "warning", "error"], case_sensitive=False)

# Name, environment variables (also the names in worker.conf), default, kind, help.
OPTIONS: list[tuple[str, str, Any, Any, str]] = [
    ("lock-max-age", "LOCK_MAX_AGE", 0.0, SECONDS, "Seconds of --lock until exit code 5; 0: auto."),
    ("api-url", "TASKMANAGER_API_URL API_URL", "http://127.0.0.1:8000/api", str, "Address."),
    ("api-key", "TASKMANAGER_API_KEY API_KEY", "", str, "Key of the API."),
    ("worker-id", "WORKER_ID", "", str, "Unique name.  [default: host-process-random]"),
    ("type-pattern", "TASK_TYPE_PATTERN", None, str, "Claim task types LIKE this: 'example.%'."),
    ("task-types", "TASK_TYPES", "", NAMES, "Claim a,b,c.  [default: all with a handler]"),
    ("handlers", "HANDLERS", None, str, "File or module of handlers.  [default: ./handlers.py]"),
    ("register", "", False, FLAG, "First register the list TASK_TYPES of the handlers."),
    ("concurrency", "CONCURRENCY CONCURRENT_TASKS", 1, AT_LEAST_ONE, "Tasks at once."),
    ("processes", "PROCESSES", False, FLAG, "Run handlers in processes, not in threads."),
    ("batch", "BATCH", 0, WholeNumber(0, 100), "Tasks to hold; 0: two seconds' worth."),
    ("poll-interval", "POLL_INTERVAL POLLING_INTERVAL", 10.0, POSITIVE, "Seconds to wait if idle."),
    ("max-poll-interval", "MAX_POLL_INTERVAL", 60.0, SECONDS, "Longest wait, if idle for long."),
    ("until-empty", "UNTIL_EMPTY", False, FLAG, "End when there is nothing to claim."),
    ("max-runs", "MAX_RUNS", 0, COUNT, "End after so many tasks; 0: never."),
    ("max-time", "MAX_TIME", 0.0, SECONDS, "End within so many seconds; 0: never."),
    ("max-memory", "MAX_MEMORY MEMORY_LIMIT", "0", SIZE, "End above this size: 512M; 0: never."),
    ("lease", "LEASE", 0.0, SECONDS, "Seconds of a lease; 0: as the task says."),
    ("heartbeat-interval", "HEARTBEAT_INTERVAL", 0.0, SECONDS, "Seconds; 0: a third of the lease."),
    ("task-timeout", "TASK_TIMEOUT", 0.0, SECONDS, "Seconds that a handler may run; 0: any."),
    ("fail-on-false", "FAIL_ON_FALSE", False, FLAG, "A result with success: false is a failure."),
    ("shutdown-timeout", "SHUTDOWN_TIMEOUT", 30.0, SECONDS, "Seconds for tasks when stopped."),
    ("max-errors", "MAX_ERRORS", 5, AT_LEAST_ONE, "Give up after so many API errors in a row."),
    ("api-timeout", "API_TIMEOUT TIMEOUT", 30.0, POSITIVE, "Seconds to wait for an answer."),
    ("status-file", "STATUS_FILE", None, str, "Keep state and counters in this JSON file."),
    ("ping-url", "PING_URL", "", ADDRESS, "Tell this monitor of each start, success and failure."),
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
        # A switch gets no type: click 8.2.0 would invert one of type BOOL.
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
        reason = _reason_of(error)
        raise click.UsageError(f"the settings in {path} cannot be read: {reason}") from error
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


EXIT_CODES = """\b
Exit codes:
  0  fine: a limit was reached, nothing left (--until-empty), stopped by a signal, or locked out
  1  gave up after errors of the API: not reachable at the start, or --max-errors in a row
  2  wrong usage or configuration
  3  refused by the server: wrong key, not allowed, or a claim that it does not understand
  4  ended by a handler that raised FatalError, or no process for handlers could be started
  5  another worker has had the lock for too long, or has ended and left it locked
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
    lock_max_age: float,
    log_level: str,
    log_file: str | None,
    log_json: bool,
    debug: bool,
    ping_url: str,
    **settings: Any,
) -> None:
    """Claims tasks from a TaskManager server, runs your handlers on them, reports the outcomes."""
    open_standard_files()
    set_up_log("debug" if debug else log_level, log_file, log_json)
    began, max_time = started_at(), settings["max_time"]
    monitor = Monitor(ping_url, began + max_time if max_time else 0.0)
    with monitor.told_of_trouble():
        lock_file = None
        if lock:
            which = (api_url, handlers, settings["task_types"], settings["type_pattern"])
            lock_file = lock_for(lock, *which)
            take_or_exit(lock_file, max_time, lock_max_age, bool(log_file) or os.isatty(2))
        set_up_forks(lock_file)
        if max_time:
            end_at(began + max_time)
        module = load_handlers(handlers)
        settings.update(
            source=handlers or "handlers.py",
            version=str(getattr(module, "__version__", "")),
            started_at=began,
            max_time=monitor.time_for_worker(max_time),
        )
        try:
            worker = Worker(Client(api_url, api_key, api_timeout), **settings)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        stop_on_signals(worker)
        monitor.begin(worker)
        code = _work(worker, module if register else None)
    monitor.end(worker, code)
    exit_at_once(code)


WHERE_THE_KEY_IS = (
    ". The worker takes its key from --api-key, else from the environment (TASKMANAGER_API_KEY, "
    "API_KEY), else from worker.conf"
)


def _work(worker: Worker, types_of: ModuleType | None) -> int:
    """Runs a worker, and registers the task types of a module before; the exit code."""
    try:
        if types_of is not None:
            register_types(worker.client, types_of)
        worker.run()
    except ApiError as error:
        log.error("%s%s", error, WHERE_THE_KEY_IS if error.status == 401 else "")
        return 1 if error.temporary else 3
    except SystemExit as error:  # of a listener
        return error.code & 0xFF if isinstance(error.code, int) else int(bool(error.code))
    except click.UsageError:
        raise
    except Exception:
        log.exception("this worker met an error of its own")
        return 1
    return 4 if worker.met_fatal_error else 0


# --- Inside handlers: registering, running, outcomes ---------------------------------------------

STOPPING, CANCELLED = 1, 2  # what a flag tells a handler
FATAL = "fatal error"
RUN_ALREADY = "this worker has run already: make another one"


def _listen(listeners: dict[str, list[Listener]], event: str, listener: F) -> F:
    if event not in EVENTS:
        raise ValueError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")
    listeners.setdefault(event, []).append(listener)
    return listener


def takes_job(handler: Handler) -> bool:
    """Whether a handler wants (params, job) and not (params); TypeError if it takes neither, or
    has `yield` in it, so that calling it would not run it.
    """
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise TypeError(f"handler {handler!r} has a yield: return the result instead")
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(handler).parameters.values()
    positional = [p for p in parameters if p.kind in kinds]
    required = [p for p in positional if p.default is p.empty]
    if not positional or len(required) > 2:
        raise TypeError(f"handler {handler!r} must take (params) or (params, job)")
    return len(required) == 2 or (len(positional) > 1 and positional[1].name == "job")


def _wants_job(handler: Handler) -> bool:
    # Looking at a signature takes longer than a short task.
    return _remembered(handler) if isinstance(handler, Hashable) else takes_job(handler)


_remembered = functools.lru_cache(maxsize=1000)(takes_job)


def run_handler(handler: Handler, job: Job) -> dict[str, Any]:
    """Runs a handler and turns whatever it does into an outcome as the API takes it.

    "ends" in it is for the worker: why it must not go on.
    """
    try:
        result = handler(job.params, job) if _wants_job(handler) else handler(job.params)
        if inspect.iscoroutine(result):
            import asyncio

            result = asyncio.run(result)
    except BaseException as error:  # SystemExit too: a handler may end its task, not the worker
        return _failure_of(error)
    try:
        return {"success": True, "result": plain_json(result)}
    except BaseException as error:  # a result may be of a class that raises anything
        text = f"the handler's result cannot be written as JSON: {_text_of(error)}"
        if isinstance(error, TypeError):
            text += ". Return dicts, lists, text, numbers, True, False and None only"
        return failure(text, retry=False)


def _failure_of(error: BaseException) -> dict[str, Any]:
    if isinstance(error, KeyboardInterrupt):
        return {"release": True, "ends": "interrupted"}
    if isinstance(error, PermanentError):
        return failure(_text_of(error), retry=False)
    if isinstance(error, RetryLater):
        # A subclass may have set it to anything, or not at all.
        delay = finite(getattr(error, "delay_seconds", None))
        more = {} if delay is None or delay < 0 else {"delay": delay}
        return failure(_text_of(error), **more)
    if isinstance(error, FatalError):
        return failure(_text_of(error), ends=FATAL)
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    try:
        trace = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:  # of an exception that cannot even be shown
        trace = "".join(traceback.format_tb(frames))
    message = f"{type(error).__name__}: {_text_of(error)}"
    return failure(message, traceback=_printable(trace)[-TEXT_LIMIT:])


def failure(error: str, **more: Any) -> dict[str, Any]:
    """An outcome that says that the task failed, and why."""
    return {"success": False, "error": _printable(error)[:TEXT_LIMIT], **more}


def judged(outcome: dict[str, Any], claim: Claim, fail_on_false: bool) -> dict[str, Any]:
    """The outcome, where a handler that returned {"success": false, …} may have meant a failure."""
    result = outcome.get("result")
    if not isinstance(result, dict) or result.get("success") is not False:
        return outcome
    if fail_on_false:
        reason = result.get("error") or result.get("message") or "no reason given"
        text = reason if isinstance(reason, str) else json.dumps(reason)
        return failure(f"the handler returned success: false: {text}")
    text = "the handler returned success: false, which completes the task: raise an exception, "
    text += "or use --fail-on-false"
    log.warning("task %d %s: %s", claim.id, claim.type, text, extra=claim.extra)
    return outcome


def plain_json(value: Any) -> Any:
    """A copy of `value` as JSON keeps it; raises ValueError or TypeError where JSON cannot."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")  # fails on half a surrogate pair, which no database stores
    return json.loads(text)


def _text_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except BaseException:  # its own code runs here, which may do anything
        return type(error).__name__


def _printable(text: object) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def counted(number: float, noun: str) -> str:
    """`1 second`, `2 seconds`, `0.5 seconds`."""
    written = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{written} {noun}" if number == 1 else f"{written} {noun}s"


def finite(value: Any) -> float | None:
    """A number as a float, a timedelta in seconds; None for infinity, NaN and anything else."""
    try:
        number = float(value.total_seconds() if isinstance(value, timedelta) else value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- Inside the client: HTTP ---------------------------------------------------------------------


@dataclass(frozen=True)
class HttpCall:
    """One call: `path` is relative to the API's address, `timeout` in seconds. `again` is sent
    instead of `body` when the call is repeated because a connection broke; None: the same body.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None
    timeout: float
    again: Mapping[str, Any] | None = None


class HttpConnections:
    """HTTP with one API: an address, a key, and a connection for each thread that calls."""

    def __init__(self, address: str, api_key: str) -> None:
        """Raises ValueError for an address or a key that cannot be used."""
        # Nothing prints the address's name and password: they are taken out of it here.
        self.api_url, self._login = _split_address(address.strip().rstrip("/"))
        self.api_key = api_key.strip()
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("the API key may hold printable ASCII characters only")
        self._local = threading.local()

    @property
    def address_with_login(self) -> str:
        """The address as it was given, for another process. Not to be printed."""
        user, colon, password = (self._login or "").partition(":")
        login = f"{quote(user, safe='')}{colon}{quote(password, safe='')}@" if colon else ""
        return self.api_url.replace("//", f"//{login}", 1)

    def make(self, call: HttpCall) -> dict[str, Any]:
        """Makes a call; the whole response. Raises ApiError."""
        try:
            return _read_response(self._send_or_repeat(call))
        except requests.RequestException as error:
            # A server that refuses a body before it has read it may break the connection.
            size = len(_encode(call.body)) if call.body else 0
            if _is_broken(error) and size > LARGE_BODY:
                message = f"the connection broke while {size} bytes were sent"
                raise ApiError(413, "too_large", message) from error
            sent = not isinstance(error, requests.ConnectTimeout) and "NewConn" not in repr(error)
            message = f"{self.api_url} cannot be reached: {_reason(error)}"
            raise ApiError(0, "unreachable", message, sent=sent) from error

    def _send_or_repeat(self, call: HttpCall) -> requests.Response:
        try:
            return self._send(call, call.body)
        except requests.ConnectionError as error:
            # Most often the server had closed an idle connection.
            if not _is_broken(error) or _has_active_dedupe(call.body or {}):
                raise
            return self._send(call, call.body if call.again is None else call.again)

    def _send(self, call: HttpCall, body: Mapping[str, Any] | None) -> requests.Response:
        return self._session().request(
            call.method,
            self.api_url + call.path,
            data=None if body is None else _encode(body),
            timeout=call.timeout,
            allow_redirects=False,
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            self._local.session = session = requests.Session()
            for scheme in ("http://", "https://"):
                session.mount(scheme, _PromptAdapter())
            session.headers["Content-Type"] = "application/json"
            session.auth = self._sign
            # A proxy that the environment names for the internet cannot reach this machine.
            if urlsplit(self.api_url).hostname in LOOPBACK:
                session.trust_env = False
                bundles = [os.environ.get(f"{name}_CA_BUNDLE") for name in ("REQUESTS", "CURL")]
                session.verify = bundles[0] or bundles[1] or True
        return session

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Not in `Authorization`, which CGI servers drop. That `auth` is set keeps .netrc out too.
        if self.api_key:
            request.headers["X-API-Key"] = self.api_key
        if self._login is not None:
            token = base64.b64encode(self._login.encode("utf-8", "surrogateescape"))
            request.headers["Authorization"] = f"Basic {token.decode()}"
        return request


class _PromptMixin:
    """A connection that acknowledges a response as soon as it is read.

    Linux waits 40 ms with that. Meanwhile some servers on the same machine, such as uWSGI's HTTP
    router, hold back what is left of the response.
    """

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        # Set for every response: sending the next request takes it back.
        if TCP_QUICKACK is not None:
            with suppress(AttributeError, OSError):  # TLS inside TLS has no socket of its own
                self.sock.setsockopt(  # type: ignore[attr-defined]
                    socket.IPPROTO_TCP, TCP_QUICKACK, 1
                )
        return super().getresponse(*args, **kwargs)  # type: ignore[misc]


class _PromptConnection(_PromptMixin, urllib3.connection.HTTPConnection):
    pass


class _PromptTlsConnection(_PromptMixin, urllib3.connection.HTTPSConnection):
    pass


class _PromptPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _PromptConnection


class _PromptTlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _PromptTlsConnection


class _PromptAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools = {"http": _PromptPool, "https": _PromptTlsPool}
        self.poolmanager.pool_classes_by_scheme = pools


def _split_address(address: str) -> tuple[str, str | None]:
    """An address without "user:password@", and these. Raises ValueError, without them in it."""
    shown = re.sub(r"^.*@", "…@", address)
    try:
        parts = urlsplit(address)
        login, at, host = parts.netloc.rpartition("@")
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        raise ValueError(f"{shown!r} is no address like https://example.com/api")
    user, _, password = login.partition(":")
    url = parts._replace(netloc=host).geturl()
    return url, f"{unquote(user)}:{unquote(password)}" if at else None


def _draft(task: Mapping[str, Any]) -> dict[str, Any]:
    draft = {"params": {}, **{name: _plain(value) for name, value in task.items()}}
    if draft.get("dedupe") is False and "dedupe_key" not in draft:
        # A key of its own lets a call be repeated without making a second task.
        draft.update(dedupe="forever", dedupe_key=uuid.uuid4().hex)
    return draft


def _has_active_dedupe(body: Mapping[str, Any]) -> bool:
    """Whether repeating a call may make a second task: the first may have ended meanwhile."""
    tasks = body.get("tasks")
    drafts = [body, *tasks] if isinstance(tasks, list) else [body]
    return any(isinstance(each, dict) and each.get("dedupe") == "active" for each in drafts)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return value


def _encode(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _read_response(response: requests.Response) -> dict[str, Any]:
    status, url = response.status_code, response.url
    if response.is_redirect:
        target = response.headers["Location"]
        raise ApiError(status, "redirected", f"{url} redirects to {target}: use that address")
    header = response.headers.get("Retry-After", "")
    retry_after = min(float(header), LONGEST_RETRY_AFTER) if header.isdecimal() else 0.0
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or (status < 400 and body.get("success") is not True):
        message = f"{url} answered HTTP {status} with something that is not TaskManager's JSON"
        raise ApiError(status, "not_json", message, retry_after=retry_after)
    if status >= 400:
        message = str(body.get("error") or f"{url} answered HTTP {status}")
        code = str(body.get("code") or "unknown")
        details = body.get("details")
        details = details if isinstance(details, list) else ()
        raise ApiError(status, code, message, details, retry_after)
    return body


def _is_broken(error: requests.RequestException) -> bool:
    return "Connection aborted" in str(error)


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    system_error = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    return system_error.group(1) if system_error else str(error)


# What a response holds is checked here, before anything relies on it.


def _data(response: Mapping[str, Any]) -> dict[str, Any]:
    data = response.get("data")
    if not isinstance(data, dict):
        raise _unexpected("data", data)
    return data


def _entries(response: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list in a response's data, of objects that belong to tasks."""
    entries = _data(response).get(name)
    if not isinstance(entries, list):
        raise _unexpected(name, entries)
    for entry in entries:
        if not isinstance(entry, dict) or not _is_count(entry.get("id")):
            raise _unexpected(name, entry)
    return entries


def _claimed_tasks(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    tasks = _entries(response, "tasks")
    for each in tasks:
        texts = isinstance(each.get("type"), str) and isinstance(each.get("params"), dict)
        counts = _is_count(each.get("attempts")) and _is_count(each.get("max_attempts"))
        if not (texts and counts and _is_lease(each.get("lease"))):
            raise _unexpected("a task", each)
    return tasks


def _renewed_leases(response: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    entries = _entries(response, "tasks")
    for each in entries:
        if "code" not in each and not _is_lease(each.get("lease")):
            raise _unexpected("a lease", each)
    return {each["id"]: each for each in entries}


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_lease(value: object) -> bool:
    return type(value) in (int, float) and (finite(value) or 0) > 0


def _unexpected(name: str, value: object) -> ApiError:
    shown = json.dumps(value, default=str)[:200]
    message = f"the server's answer is not TaskManager's: {name} in it is {shown}"
    return ApiError(200, "not_json", message)


# --- Inside the worker: its main thread ----------------------------------------------------------


@dataclass(eq=False)
class MainLoop:
    """What a worker's main thread does: it claims, starts handlers and reports, until the end."""

    options: Options
    state: State
    monitor: StatusFile
    shutdown: Shutdown
    events: Events
    slots: SlotPool

    def __post_init__(self) -> None:
        options, shutdown, events = self.options, self.shutdown, self.events
        claim_options = _claim_options(options)
        self._held = held = HeldClaims(self.state.counters, events, self.monitor)
        self._executor = executor = Executor(
            options, held, shutdown, events, self.state.run_times, self.slots
        )
        self._exchange = Exchange(options, claim_options, held, shutdown, events, executor)
        self._presence = Presence(options, held, claim_options)
        self._background = BackgroundThread(
            LeaseRenewer(options, held).renew_due,
            self.monitor.write_if_due,
            self._presence.register_once,
        )

    def run(self) -> None:
        """Works until the end. Raises what ends the worker, after a last report."""
        try:
            self._open()
            while not self._is_done():
                self._turn()
            self._close("stopped")
        except BaseException as error:
            LastReport(self.options, self._held, self.shutdown, self._executor).send()
            if isinstance(error, Exception):
                self.state.error = error
                self.events.emit("error", error=error)
            self._close("error")
            raise

    def _open(self) -> None:
        options = self.options
        self.state.began = time.time()
        if options.max_time:
            self.shutdown.limit_time(options.started_at or time.monotonic(), options.max_time)
        self._set_state("starting")
        self._exchange.check_health()
        self.slots.open()
        self._background.start()
        self._set_state("running")
        self.events.emit("started", task_types=self._exchange.claim_options.get("task_types"))

    def _turn(self) -> None:
        now = time.monotonic()
        self._check_limits(now)
        self._check_shutdown(now)
        self._executor.start_queued(now)
        self._executor.end_overdue(now)
        if self._exchange.is_due(now):
            self._exchange.make(now)
            self._executor.collect(0)
        else:
            idle = max(0.0, self._exchange.polling.idle_until - now)
            self._executor.collect(min(TICK, idle) or TICK)

    def _check_limits(self, now: float) -> None:
        options, shutdown = self.options, self.shutdown
        if options.max_time and shutdown.is_overdue(now):
            shutdown.request("max_time")
        limit = 0 if options.processes or shutdown.reason else options.max_memory
        if limit and memory_in_use() > limit:
            log.info("stopping: %d MiB of memory are in use", memory_in_use() >> 20)
            shutdown.wind_down("max_memory")

    def _check_shutdown(self, now: float) -> None:
        shutdown = self.shutdown
        if shutdown.requested and self.state.name == "running":
            self._set_state("stopping")
            self._exchange.hurry(now)
            for claim in self.slots.running():
                claim.raise_flag(STOPPING)
        if shutdown.reason:
            self._executor.release_queued()
        if shutdown.requested and shutdown.is_overdue(now):
            self._executor.give_up_running()

    def _is_done(self) -> bool:
        if len(self._held):
            return False
        if self.options.until_empty and self._exchange.polling.came_empty:
            self.shutdown.wind_down("empty")
        return bool(self.shutdown.reason)

    def _close(self, state: str) -> None:
        self.slots.close()
        self._background.end()
        self._presence.deregister(self.shutdown.time_for_call(END_RESERVE))
        self._set_state(state)
        # Cron mails what is written: a run that found nothing says nothing.
        found_nothing = self.options.until_empty and not self.state.counters.claimed
        level = logging.DEBUG if found_nothing and state == "stopped" else logging.INFO
        log.log(level, "summary: %s", self.state.summary())
        self.events.emit("stopped", reason=self.shutdown.reason or state)

    def _set_state(self, name: str) -> None:
        self.state.name = name
        self.monitor.write()


# --- Inside the worker: its state, and telling others --------------------------------------------


class State:
    """What a worker is doing and what became of its tasks."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        self.name = "idle"  # starting, running, stopping, stopped, error
        self.counters = Counters()
        self.run_times = RunTimes()
        self.began = 0.0  # by time.time(); 0: not yet
        self.error: Exception | None = None

    def as_dict(self, active: int) -> dict[str, Any]:
        """What Worker.status returns; `active` handlers run now."""
        ended = self.counters.completed + self.counters.failed
        times = self.run_times
        return {
            "state": self.name,
            "worker_id": self.worker_id,
            "pid": os.getpid(),
            **asdict(self.counters),
            "active": active,
            "success_rate": round(self.counters.completed / ended, 4) if ended else None,
            "average_time": round(times.total / ended, 6) if ended else None,
            "last_task_at": _iso(times.last_task_at) if times.last_task_at else None,
            "started_at": _iso(self.began or time.time()),
            "updated_at": _iso(time.time()),
            "uptime": round(time.time() - self.began, 3) if self.began else 0,
        }

    def summary(self) -> str:
        """Counters and seconds, for the last line of the log."""
        counts = ", ".join(f"{name} {count}" for name, count in asdict(self.counters).items())
        return f"{counts}, seconds {time.time() - self.began:.1f}"


@dataclass
class RunTimes:
    """How long handlers ran, in seconds."""

    total: float = 0.0
    mean: float = 0.0  # of the latest tasks
    longest: dict[str, float] = field(default_factory=dict)  # by task type
    last_task_at: float = 0.0  # by time.time()

    def add(self, claim: Claim) -> None:
        """Counts a finished task."""
        seconds = claim.finished_at - claim.started_at
        self.total += seconds
        self.mean = seconds if not self.mean else 0.8 * self.mean + 0.2 * seconds
        self.longest[claim.type] = max(seconds, self.longest.get(claim.type, 0.0))
        self.last_task_at = time.time()


class Events:
    """Calls the listeners of one worker, and those of all."""

    def __init__(self, worker_id: str, shutdown: Shutdown) -> None:
        self.exit: SystemExit | None = None  # raised by a listener
        self._worker_id, self._shutdown = worker_id, shutdown
        self._listeners: dict[str, list[Listener]] = {}

    def on(self, event: str, listener: Listener) -> Listener:
        """Calls `listener` at each such event. Raises ValueError."""
        return _listen(self._listeners, event, listener)

    def listeners(self, event: str) -> list[Listener]:
        """Those of all workers first."""
        return [*LISTENERS.get(event, ()), *self._listeners.get(event, ())]

    def emit(self, event: str, claim: Claim | None = None, **more: Any) -> None:
        """Tells the listeners. What they raise is logged; SystemExit stops the worker."""
        listeners = self.listeners(event)
        if not listeners:
            return
        told = {"event": event, "worker_id": self._worker_id, **more}
        if claim is not None:
            told.update(job_id=claim.id, type=claim.type, attempt=claim.attempt)
            if claim.finished_at:
                told["seconds"] = claim.finished_at - claim.started_at
        for listener in listeners:
            try:
                listener(told)
            except SystemExit as error:
                self.exit = error
                self._shutdown.request("listener")
            except Exception:
                log.exception("a listener of %s met an error", event)


class StatusFile:
    """A worker's status as a JSON file for monitoring; nothing where `path` is None."""

    def __init__(self, path: str | None, status: Callable[[], dict[str, Any]]) -> None:
        """Raises ValueError for a path that cannot be written."""
        self.path = Path(path) if path else None
        if self.path and not os.access(self.path.parent, os.W_OK):
            hint = "its folder must exist, and let this user write"
            raise ValueError(f"the status file {self.path} cannot be written: {hint}")
        self.changed = False
        self._status = status
        self._written_at = 0.0
        self._lock = threading.Lock()

    def write_if_due(self) -> None:
        """Writes what has changed, and now and then that nothing has."""
        if self.changed or time.monotonic() > self._written_at + STATUS_INTERVAL:
            self.write()

    def write(self) -> None:
        """Replaces the file in one step, so that nobody reads half of it."""
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
                with suppress(OSError):
                    unfinished.unlink()


# --- Inside the worker: the tasks that it holds --------------------------------------------------


@dataclass
class Flag:
    """A number that a handler's thread reads; between processes, shared memory takes its place."""

    value: int = 0


class Link:
    """What a job and its worker tell each other: updates and log lines, and a flag."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.flag: Any = Flag()
        self._updates: dict[str, Any] = {}
        self._lock = threading.Lock()

    def update(self, updates: Mapping[str, Any]) -> None:
        """Notes what to send with the next heartbeat."""
        with self._lock:
            self._updates.update(updates)

    def take_updates(self) -> dict[str, Any]:
        """Returns the pending updates and clears them."""
        with self._lock:
            updates, self._updates = self._updates, {}
            return updates

    def log(self, level: int, text: str, extra: dict[str, Any]) -> None:
        """Writes to the worker's log."""
        log.log(level, "%s", text, extra=extra)


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
        self.lost = False  # the server says that this worker no longer holds it
        self.expires_at = self.renew_at = self.update_at = 0.0
        self.started_at = self.ended_at = self.finished_at = 0.0
        self.is_begun = False  # a process that is to run it may have to start first, or die
        self.outcome: dict[str, Any] | None = None
        self.refused = False  # the server took no report of it

    def raise_flag(self, bit: int) -> None:
        """Tells the handler."""
        with self._lock:
            self.flag.value |= bit

    def use_flag(self, flag: Any) -> None:
        """Makes this the flag from now on, with the bits of the one before."""
        with self._lock:
            flag.value, self.flag = self.flag.value, flag

    def update(self, updates: Mapping[str, Any]) -> None:
        super().update(updates)
        if "lease" in updates:
            self.renew_at = 0.0

    def is_due(self, now: float) -> bool:
        """Whether its lease is to be renewed, or its updates are to be sent."""
        has_updates = bool(self._updates and not self.outcome)
        return now >= self.renew_at or (has_updates and now >= self.update_at)

    def renewed(self, lease: float, sent_at: float, interval: float) -> None:
        """Notes that the lease ends `lease` seconds after `sent_at`; the next renewal is after
        `interval`, or 0: after a third of the lease.
        """
        self.expires_at = sent_at + lease
        wait = interval or min(lease / 3, LONGEST_HEARTBEAT_INTERVAL)
        self.renew_at = sent_at + min(max(wait, TICK), max(lease / 2, TICK))
        self.update_at = sent_at + PROGRESS_INTERVAL

    def postpone(self, sent_at: float, updates: Mapping[str, Any]) -> None:
        """Notes that the lease was not renewed; the updates go with the next try."""
        self.update({**updates, **self.take_updates()})
        pause = min(max(1.0, (self.expires_at - sent_at) / 3), 15.0)
        self.renew_at = self.update_at = sent_at + pause

    def lose(self) -> None:
        """Notes that this worker no longer holds it."""
        self.lost = True
        self.raise_flag(CANCELLED)

    def begin(self) -> None:
        """Notes that its handler is called now: from here on this is an attempt."""
        self.started_at, self.is_begun = time.monotonic(), True

    def end(self) -> float:
        """Notes that its handler has ended, and returns when."""
        self.ended_at = time.monotonic()
        return self.ended_at

    def finish(self, outcome: dict[str, Any]) -> None:
        """Notes how the attempt ended; only the first outcome counts."""
        if self.outcome is None:
            self.finished_at = self.ended_at or time.monotonic()
            self.outcome = outcome

    def release(self, **more: Any) -> None:
        """Notes that the task is to be given back."""
        self.finish({"release": True, **more})

    @property
    def report(self) -> dict[str, Any]:
        """Its outcome as the API takes it."""
        return {"id": self.id, "attempt": self.attempt, **(self.outcome or {})}

    @property
    def extra(self) -> dict[str, Any]:
        """What a log line about it carries beside its text."""
        return {"task_id": self.id, "task_type": self.type, "attempt": self.attempt}


class HeldClaims:
    """The claims that a worker holds, and what becomes of each.

    Changed by the main thread, read by the thread that renews leases.
    """

    def __init__(self, counters: Counters, events: Events, monitor: StatusFile) -> None:
        self._counters, self._events, self._monitor = counters, events, monitor
        self._by_id: dict[int, Claim] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def not_lost(self) -> list[Claim]:
        """Those that the server has not said are lost."""
        return [claim for claim in list(self._by_id.values()) if not claim.lost]

    def finished(self) -> list[Claim]:
        """Those whose outcome is to be reported."""
        return [claim for claim in self._by_id.values() if claim.outcome]

    def unfinished(self) -> int:
        """How many wait or run."""
        return sum(claim.outcome is None for claim in self._by_id.values())

    def add(self, claim: Claim) -> None:
        """Takes a new claim. Its task may have been lost unnoticed and claimed again."""
        if claim.id in self._by_id:
            self._by_id[claim.id].lose()
        self._by_id[claim.id] = claim
        self._counters.claimed += 1

    def settled(self, reported: Iterable[Claim], entries: Iterable[Mapping[str, Any]]) -> None:
        """Notes what the server says of each report."""
        by_id = {entry["id"]: entry for entry in entries}
        for claim in reported:
            entry = by_id.get(claim.id, {"code": "missing", "error": "no word about it"})
            if "code" in entry:
                log.warning("task %d: report not taken: %s", claim.id, entry.get("error"))
                self.lose(claim)
            else:
                del self._by_id[claim.id]
                self._count(claim, claim.outcome or {}, bool(entry.get("will_retry")))
        self._monitor.changed = True

    def lose(self, claim: Claim) -> None:
        """Drops a claim that this worker no longer holds."""
        log.warning("task %d: no longer this worker's", claim.id, extra=claim.extra)
        if self._by_id.get(claim.id) is claim:
            del self._by_id[claim.id]
        self._counters.lost += 1
        self._events.emit("job:lost", claim)

    def _count(self, claim: Claim, outcome: dict[str, Any], will_retry: bool) -> None:
        if outcome.get("release"):
            self._counters.released += 1
            self._events.emit("job:released", claim)
        elif outcome["success"]:
            self._counters.completed += 1
            seconds = claim.finished_at - claim.started_at
            text = "task %d %s: Completed successfully in %.3f s"
            log.info(text, claim.id, claim.type, seconds, extra=claim.extra)
            self._events.emit("job:completed", claim, result=outcome["result"])
        else:
            self._counters.failed += 1
            error = outcome["error"]
            self._events.emit("job:failed", claim, error=error, will_retry=will_retry)


# --- Inside the worker: round trips to the server ------------------------------------------------


@dataclass(eq=False)
class Exchange:
    """Round trips: finished tasks are reported, and new ones claimed with the same call."""

    options: Options
    claim_options: dict[str, Any]
    held: HeldClaims
    shutdown: Shutdown
    events: Events
    executor: Executor

    def __post_init__(self) -> None:
        self._batching = Batching(self.options, self.held, self.shutdown, self.executor)
        self.polling = Polling(self.options)
        self._backoff = Backoff(self.options.poll_interval, self.options.max_errors)
        self._again_at = 0.0  # no call before
        self._max_reports = MAX_PER_CALL
        self._report_alone = False  # without a claim in the same call
        self._unanswered: dict[str, Any] | None = None  # a claim
        self._warned: set[str] = set()

    def hurry(self, now: float) -> None:
        """Shortens the pause after an error, because the worker is to end."""
        self._again_at = min(self._again_at, now + 1.0)

    def check_health(self) -> None:
        """Raises ApiError when the server is not ready."""
        client = self.options.client
        try:
            client.call("GET", "/health", timeout=self.shutdown.time_for_call(client.timeout))
        except ApiError as error:
            hint = "is the address right (it ends in /api), and does the server run?"
            message = f"the server is not ready: {error} - {hint}"
            raise ApiError(error.status, error.code, message) from error

    def is_due(self, now: float) -> bool:
        """Whether to call the server now."""
        if now < self._again_at:
            return False
        if self._batching.capacity() and now >= self.polling.idle_until:
            return True
        finished = self.held.finished()
        if not finished:
            return False
        if len(finished) >= min(len(self.held), MAX_PER_CALL):
            return True
        return min(claim.finished_at for claim in finished) + REPORT_WITHIN <= now

    def make(self, now: float) -> None:
        """Makes one round trip. Raises ApiError when the worker cannot go on."""
        finished = self.held.finished()[: self._max_reports]
        claim = None if finished and self._report_alone else self._next_claim()
        try:
            self._send(finished, claim)
        except ApiError as error:
            self.events.emit("error", error=error)
            if error.temporary:
                self._unanswered = claim
                self._wait_after(error, now)
            elif finished and error.status in (400, 413):
                self._isolate_refused(finished, bool(claim), error)
            else:
                raise
        else:
            self._backoff.reset()
            self._report_alone = False
            self._max_reports = min(MAX_PER_CALL, self._max_reports * 2)

    def _next_claim(self) -> dict[str, Any] | None:
        """The claim that got no answer, since it may have got tasks; else one for as many tasks as
        there is capacity for.
        """
        if self._unanswered:
            return {**self._unanswered, "again": True}
        limit = self._batching.capacity()
        if not limit:
            return None
        return {"limit": limit, "claim_key": secrets.token_hex(8), **self.claim_options}

    def _send(self, finished: list[Claim], claim: dict[str, Any] | None) -> None:
        sent_at, client = time.monotonic(), self.options.client
        body = self._body(finished, claim)
        again = self._body(finished, {**claim, "again": True} if claim else None)
        path = "/tasks/settle" if finished else "/tasks/claim"
        timeout = self.shutdown.time_for_exchange(client.timeout)
        response = client.call("POST", path, body, timeout, again)
        entries = _entries(response, "settled") if finished else []
        tasks = _claimed_tasks(response) if claim else []
        if finished:
            self.held.settled(finished, entries)
        if claim:
            self._unanswered = None
            self._log_warnings(response.get("warnings"))
            self._take_claimed(tasks, sent_at)

    def _body(self, finished: list[Claim], claim: dict[str, Any] | None) -> dict[str, Any]:
        body: dict[str, Any] = {"worker_id": self.options.worker_id}
        if not finished:
            return {**body, **(claim or {})}
        body["outcomes"] = [each.report for each in finished]
        return {**body, "claim": claim} if claim else body

    def _take_claimed(self, tasks: list[dict[str, Any]], sent_at: float) -> None:
        options = self.options
        claims = [Claim(task, options.worker_id, options.client) for task in tasks]
        for claim in claims:
            claim.renewed(claim.task["lease"], sent_at, options.heartbeat_interval)
            self.held.add(claim)
            self.executor.enqueue(claim)
        self.polling.note(len(claims), is_last=options.until_empty and not len(self.held))
        for claim in claims:
            self.events.emit("job:claimed", claim)

    def _wait_after(self, error: ApiError, now: float) -> None:
        if self.shutdown.is_overdue(now):
            raise error
        wait = self._backoff.after(error)
        log.warning("%s; trying again in %s", error, counted(wait, "second"))
        self._again_at = time.monotonic() + (min(wait, 1.0) if self.shutdown.requested else wait)

    def _isolate_refused(self, finished: list[Claim], had_claim: bool, error: ApiError) -> None:
        """Finds what the server refused, so that one bad outcome does not hold up the others."""
        claim = finished[0]
        if had_claim:
            self._report_alone = True
        elif len(finished) > 1:
            self._max_reports = len(finished) // 2
        elif claim.refused:
            log.error("task %d: the server takes no report of it: %s", claim.id, error)
            self.held.lose(claim)
        else:
            reason = f"the server refused this task's outcome (HTTP {error.status}): {error}"
            log.error("task %d %s: Failed: %s", claim.id, claim.type, reason, extra=claim.extra)
            claim.outcome, claim.refused = failure(reason, retry=False), True

    def _log_warnings(self, warnings: Any) -> None:
        for warning in warnings if isinstance(warnings, list) else ():
            if isinstance(warning, str) and warning not in self._warned:
                self._warned.add(warning)
                log.warning("the server says: %s", warning)


@dataclass(eq=False)
class Batching:
    """How many tasks a worker claims at once."""

    options: Options
    held: HeldClaims
    shutdown: Shutdown
    executor: Executor

    def capacity(self) -> int:
        """How many tasks to claim now: none while there is enough to do."""
        if self.shutdown.reason:
            return 0
        concurrency, unfinished = self.options.concurrency, self.held.unfinished()
        wanted = self.options.batch or self._own_size()
        if unfinished >= concurrency and unfinished > wanted // 3:
            return 0
        missing = max(wanted, concurrency) - unfinished
        return max(0, min(missing, self.executor.runs_left(wanted), MAX_PER_CALL))

    def _own_size(self) -> int:
        """As many tasks as take two seconds, so that no other worker waits for those that this one
        has only put aside.
        """
        concurrency = self.options.concurrency
        if not self.executor.run_times.longest:
            return concurrency
        in_time = math.ceil(BATCH_TIME * concurrency / max(self.executor.run_times.mean, 0.001))
        return max(concurrency, min(in_time, MAX_PER_CALL))


class Polling:
    """When to ask again after a claim that got nothing: after twice as long each time."""

    def __init__(self, options: Options) -> None:
        self.came_empty = False
        self.idle_until = 0.0  # by time.monotonic()
        self._first = options.poll_interval
        self._longest = max(options.poll_interval, options.max_poll_interval)
        self._pause = 0.0

    def note(self, count: int, is_last: bool) -> None:
        """Notes how many tasks a claim got. The last one is not followed by a pause."""
        self.came_empty = not count
        if count:
            self.idle_until = self._pause = 0.0
        elif not is_last:
            self._pause = min(self._pause * 2, self._longest) or self._first
            self.idle_until = time.monotonic() + self._pause
            log.debug("no tasks; asking again in %s", counted(self._pause, "second"))


class Backoff:
    """How long to wait after failed calls, and when to give up."""

    def __init__(self, first_pause: float, max_errors: int) -> None:
        self._first_pause = first_pause  # seconds
        self._max_errors = max_errors
        self.reset()

    def reset(self) -> None:
        """A call succeeded."""
        self._failures, self._pause = 0, 0.0

    def after(self, error: ApiError) -> float:
        """Counts a failure; how many seconds to wait. Raises the error when it is one too many."""
        self._failures += 1
        if self._failures >= self._max_errors:
            raise error
        # The first Retry-After is taken as it is: a busy server is free again in a moment.
        if self._failures == 1 and error.retry_after:
            return error.retry_after
        self._pause = min(self._pause * 2, LONGEST_PAUSE) or max(1.0, self._first_pause)
        return max(self._pause, error.retry_after)


@dataclass(eq=False)
class LastReport:
    """After an error: what is finished is reported, and the rest given back."""

    options: Options
    held: HeldClaims
    shutdown: Shutdown
    executor: Executor

    def send(self) -> None:
        """Tries once, within a few seconds, and never raises an Exception."""
        shutdown = self.shutdown
        shutdown.requested = True
        is_late = shutdown.is_overdue(time.monotonic())
        seconds = shutdown.time_for_call(END_RESERVE if is_late else LAST_REPORT_TIME)
        until = time.monotonic() + seconds
        try:
            self.executor.collect(0)
            held = self.held.not_lost()
            for claim in held:
                claim.raise_flag(CANCELLED)
                claim.release()
            for start in range(0, len(held), MAX_PER_CALL):
                self._report(held[start : start + MAX_PER_CALL], until)
        except Exception:
            log.exception("the last report met an error")

    def _report(self, claims: list[Claim], until: float) -> None:
        """Reports, in halves where the server does not take all of them."""
        left = until - time.monotonic()
        outcomes = [claim.report for claim in claims]
        body = {"worker_id": self.options.worker_id, "outcomes": outcomes}
        try:
            response = self.options.client.call("POST", "/tasks/settle", body, max(left, TICK))
            self.held.settled(claims, _entries(response, "settled"))
        except Exception as error:
            refused = not isinstance(error, ApiError) or error.status in (400, 413)
            if not refused or len(claims) == 1 or left <= 0:
                ids = ", ".join(str(claim.id) for claim in claims)
                log.error("no report of task %s: %s", ids, error)
                return
            half = len(claims) // 2
            self._report(claims[:half], until)
            self._report(claims[half:], until)


def _claim_options(options: Options) -> dict[str, Any]:
    """What a worker's claims ask for beside their limit. Raises ValueError."""
    handlers, types = options.all_handlers, options.task_types
    missing = ", ".join(name for name in types if name not in handlers)
    if missing:
        known = ", ".join(sorted(handlers)) or "none"
        raise ValueError(f"there is no handler for {missing}; there are handlers for {known}")
    found: dict[str, Any] = {"lease": options.lease} if options.lease else {}
    if options.type_pattern:
        if not any(_is_like(name, options.type_pattern) for name in handlers):
            text = "no handler is for a task type like %r: change --type-pattern or add a handler"
            log.warning(text, options.type_pattern)
        named = {"task_types": list(types)} if types else {}
        return {**found, "type_pattern": options.type_pattern, **named}
    if not handlers:
        raise ValueError("there is no handler: decorate a function with @task(type name)")
    return {**found, "task_types": sorted(types or handlers)}


def _is_like(name: str, pattern: str) -> bool:
    """Whether SQL's LIKE may take a name; true in doubt, where the pattern escapes something."""
    if "\\" in pattern:
        return True
    parts = {"%": ".*", "_": "."}
    expression = "".join(parts.get(each) or re.escape(each) for each in pattern)
    return re.fullmatch(expression, name, re.IGNORECASE | re.DOTALL) is not None


def _new_worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


# --- Inside the worker: leases, and the list of workers ------------------------------------------


class BackgroundThread(threading.Thread):
    """Does what cannot wait for the main thread, ten times a second."""

    def __init__(self, *duties: Callable[[], None]) -> None:
        super().__init__(name="background", daemon=True)
        self._duties = duties
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(TICK):
            try:
                for duty in self._duties:
                    duty()
            except Exception:
                log.exception("the background thread met an error and goes on")

    def end(self) -> None:
        """Ends it, after what it is doing."""
        self._ended.set()


@dataclass(eq=False)
class LeaseRenewer:
    """Renews the leases of all tasks that a worker holds, and sends pending updates with them."""

    options: Options
    held: HeldClaims

    def renew_due(self) -> None:
        """Renews leases if one is due, together with those that will be soon."""
        now = time.monotonic()
        held = self.held.not_lost()
        if not any(claim.is_due(now) for claim in held):
            return
        held.sort(key=lambda claim: claim.renew_at)
        soon = [c for c in held if c.is_due(now) or c.renew_at - now < (c.expires_at - now) / 4]
        for start in range(0, len(soon), MAX_PER_CALL):
            self._renew(soon[start : start + MAX_PER_CALL])

    def _renew(self, claims: list[Claim]) -> None:
        sent_at = time.monotonic()
        updates = [claim.take_updates() for claim in claims]
        tasks = [{"id": c.id, "attempt": c.attempt, **u} for c, u in zip(claims, updates)]
        body = {"worker_id": self.options.worker_id, "tasks": tasks}
        try:
            call = self.options.client.call
            entries = _renewed_leases(call("POST", "/tasks/heartbeat", body, HEARTBEAT_TIMEOUT))
        except ApiError as error:
            log.warning("%s not renewed: %s", counted(len(claims), "lease"), error)
            for claim, pending in zip(claims, updates):
                claim.postpone(sent_at, pending if error.temporary else {})
            return
        for claim, pending in zip(claims, updates):
            entry = entries.get(claim.id)
            if entry is None:
                claim.postpone(sent_at, pending)
            elif "code" in entry:
                # Of a finished one the report decides: the server may just have taken it.
                claim.lose()
            else:
                claim.renewed(entry["lease"], sent_at, self.options.heartbeat_interval)
                if entry.get("cancel_requested"):
                    claim.raise_flag(CANCELLED)


@dataclass(eq=False)
class Presence:
    """A worker's entry in the server's list of workers."""

    options: Options
    held: HeldClaims
    claim_options: dict[str, Any]
    registered: bool = False

    def register_once(self) -> None:
        """Registers the worker. One that finds nothing and ends is not worth an entry."""
        options = self.options
        if self.registered or not (len(self.held) or not options.until_empty):
            return
        self.registered = True
        body: dict[str, Any] = {"worker_id": options.worker_id, "host": socket.gethostname()}
        if options.version:
            body["version"] = options.version
        body.update(concurrency=options.concurrency, metadata=dict(options.metadata))
        if "task_types" in self.claim_options:
            body["task_types"] = self.claim_options["task_types"]
        self._call("/workers/register", body, HEARTBEAT_TIMEOUT)

    def deregister(self, timeout: float) -> None:
        """Ends the entry, if there is one."""
        if self.registered:
            # What was held has been released by name: another process may have the same worker_id.
            # Slashes stay as they are: Apache takes no address with a %2F in it.
            path = f"/workers/{quote(self.options.worker_id)}/deregister"
            self._call(path, {"release": False}, timeout)

    def _call(self, path: str, body: Mapping[str, Any], timeout: float) -> None:
        try:
            self.options.client.call("POST", path, body, timeout)
        except ApiError as error:
            log.debug("the list of workers: %s", error)


# --- Inside the worker: running handlers, and limits ---------------------------------------------


class Shutdown:
    """Whether a worker is to end, why, and by when.

    Times are those of time.monotonic(), in seconds; 0 means never.
    """

    def __init__(self, timeout: float) -> None:
        self.reason = ""  # where there is one, nothing more is claimed
        self.requested = False  # what still runs is given up at the deadline
        self.by_fatal_error = False
        self.deadline = self.ends_at = 0.0
        self._timeout = timeout

    def limit_time(self, started_at: float, max_time: float) -> None:
        """Makes the worker end in time."""
        self.ends_at = started_at + max_time
        # What is over at the deadline has to be reported before the end.
        self.deadline = self.ends_at - min(END_RESERVE, max_time / 4)

    def wind_down(self, reason: str) -> None:
        """Claims no more; what runs may take its time."""
        self.reason = self.reason or reason

    def request(self, reason: str) -> None:
        """Claims no more; what runs has `timeout` seconds. May be called by any thread."""
        if not self.requested:
            self.wind_down(reason)
            by_timeout = time.monotonic() + self._timeout
            self.deadline = min(by_timeout, self.deadline or by_timeout)
            self.requested = True

    def is_overdue(self, now: float) -> bool:
        """Whether the deadline has come."""
        return bool(self.deadline) and now >= self.deadline

    def time_for_call(self, timeout: float) -> float:
        """How long to wait for a response: no longer than --max-time allows."""
        left = self.ends_at - time.monotonic() if self.ends_at else timeout
        return min(timeout, max(left, TICK))

    def time_for_exchange(self, timeout: float) -> float:
        """The same, and not much longer than until the deadline."""
        if self.deadline:
            left = max(self.deadline - time.monotonic(), 0.0)
            timeout = min(timeout, left + END_RESERVE)
        return self.time_for_call(timeout)


@dataclass(eq=False)
class Executor:
    """Starts the handlers of claimed tasks, `concurrency` at a time, and takes their outcomes."""

    options: Options
    held: HeldClaims
    shutdown: Shutdown
    events: Events
    run_times: RunTimes
    slots: SlotPool

    def __post_init__(self) -> None:
        self._queue: deque[Claim] = deque()  # claimed and not started
        self._runs = 0
        self._never_begun = 0  # tasks in a row whose process did not begin them

    def runs_left(self, wanted: int) -> int:
        """How many more tasks --max-runs allows; `wanted` where it is not set."""
        max_runs = self.options.max_runs
        return max_runs - self._runs - len(self._queue) if max_runs else wanted

    def enqueue(self, claim: Claim) -> None:
        """Takes a claim. One without a handler goes first: another worker may be waiting for it."""
        if claim.type in self.options.all_handlers:
            self._queue.append(claim)
        else:
            self._queue.appendleft(claim)

    def release_queued(self) -> None:
        """Gives back what has not been started."""
        for slot, _ in self.slots.busy():
            self._requeue(slot.take_back())
        while self._queue:
            claim = self._queue.popleft()
            if claim.lost:
                self.held.lose(claim)
            else:
                claim.release()

    def start_queued(self, now: float) -> None:
        """Starts queued tasks in all idle slots: one in each, or several where they are short."""
        self._take_back_late(now)
        idle = self.slots.idle()
        size = self._tasks_at_once(len(idle))
        ready = self._take_ready(len(idle) * size, now)
        together = list(itertools.islice(ready, size))
        while together:
            self._start(together, idle.pop(), now)
            together = list(itertools.islice(ready, size))

    def _take_ready(self, capacity: int, now: float) -> Iterator[Claim]:
        """Takes queued claims that can start now, at most `capacity`, and gives back those that
        cannot start here at all, even where there is no capacity.
        """
        handlers = self.options.all_handlers
        waiting: list[Claim] = []
        while self._queue and (capacity or self._queue[0].type not in handlers):
            claim = self._queue.popleft()
            if claim.lost:
                self.held.lose(claim)
            elif claim.type not in handlers:
                log.warning("task %d: no handler for %s, left to others", claim.id, claim.type)
                claim.release(delay=NO_HANDLER_DELAY)
            elif claim.expires_at < now:
                waiting.append(claim)  # the next renewal tells whether it is still held
            elif not self._ends_in_time(claim, now):
                claim.release()
                self.shutdown.request("max_time")
                break
            else:
                capacity -= 1
                yield claim
        self._requeue(waiting)

    def _tasks_at_once(self, idle: int) -> int:
        """How many queued tasks a slot takes: as many as take a moment, so that short ones are not
        handed over one by one. One if each start has to be counted or told.
        """
        options, mean = self.options, self.run_times.mean
        one_by_one = options.processes or options.max_runs or self.events.listeners("job:started")
        if one_by_one or not 0 < mean < SHORT or not idle:
            return 1
        return max(1, min(int(TICK / mean), math.ceil(len(self._queue) / idle)))

    def _take_back_late(self, now: float) -> None:
        """Takes back what waits in a slot behind a task that runs longer than expected."""
        for slot, claim in self.slots.busy():
            if claim.is_begun and claim.started_at + TICK < now:
                self._requeue(slot.take_back())

    def _requeue(self, claims: Sequence[Claim]) -> None:
        self._queue.extendleft(reversed(claims))

    def _may_begin(self, claim: Claim) -> bool:
        """Whether a slot may go on with a claim that it was given; asked by the slot's thread."""
        now = time.monotonic()
        if self.shutdown.reason or self.shutdown.requested or claim.lost or claim.expires_at < now:
            return False
        return self._ends_in_time(claim, now)

    def _ends_in_time(self, claim: Claim, now: float) -> bool:
        """False if tasks of its type are known to take longer than what is left of --max-time."""
        longest = self.run_times.longest.get(claim.type, 0.0)
        return not self.options.max_time or now + longest <= self.shutdown.deadline

    def _start(self, claims: list[Claim], slot: Slot, now: float) -> None:
        self._runs += len(claims)
        if self._runs == self.options.max_runs:
            self.shutdown.wind_down("max_runs")
        claims[0].started_at = now
        slot.start(claims, self._may_begin)
        self.events.emit("job:started", claims[0])

    def end_overdue(self, now: float) -> None:
        """Fails tasks that run longer than their timeout."""
        for slot, claim in self.slots.busy():
            if claim.outcome or claim.ended_at or not claim.is_begun:
                continue
            own = getattr(self.options.all_handlers[claim.type], "task_timeout", None)
            limit = self.options.task_timeout if own is None else own
            if limit and now > claim.started_at + limit:
                within = counted(limit, "second")
                self._abandon(slot, claim, failure(f"timed out: not finished within {within}"))

    def give_up_running(self) -> None:
        """Gives back what still runs when the worker has to end."""
        max_time = self.options.max_time
        for slot, claim in self.slots.busy():
            if claim.ended_at:
                continue  # its outcome is about to be taken
            ran = time.monotonic() - claim.started_at
            if max_time and claim.is_begun and ran >= max_time / 2:
                # Released, it would be begun again and again and never count as tried.
                text = f"not finished within --max-time: stopped after {ran:.0f} s"
                self._abandon(slot, claim, failure(text))
            else:
                self._abandon(slot, claim, {"release": True})

    def collect(self, seconds: float) -> None:
        """Waits for the first handlers that end, and takes the outcomes of all that have."""
        came_back: list[Claim] = []
        for claim, outcome in self.slots.ended(seconds):
            if outcome is None:
                came_back.append(claim)
            elif not claim.outcome:  # else its time was up before
                self._take(claim, outcome)
        self._requeue(came_back)

    def _take(self, claim: Claim, outcome: dict[str, Any]) -> None:
        ends = outcome.pop("ends", None)
        if self._too_many_never_begun(claim, outcome.pop("never_begun", None)):
            ends = FATAL
        claim.finish(judged(outcome, claim, self.options.fail_on_false))
        self._tally(claim)
        if ends:
            log.error("task %d %s ends this worker: %s", claim.id, claim.type, ends)
            self.shutdown.by_fatal_error = self.shutdown.by_fatal_error or ends == FATAL
            self.shutdown.request(ends)
        if claim.lost:
            self.held.lose(claim)

    def _too_many_never_begun(self, claim: Claim, reason: str | None) -> bool:
        self._never_begun = self._never_begun + 1 if reason else 0
        if reason:
            log.error("task %d: its process did not begin it (%s)", claim.id, reason)
        return bool(reason) and self._never_begun >= self.options.max_errors

    def _tally(self, claim: Claim) -> None:
        if claim.is_begun:
            self.run_times.add(claim)
        error = (claim.outcome or {}).get("error")
        if error is not None:
            text = "task %d %s: Failed: %.200s"
            log.warning(text, claim.id, claim.type, error, extra=claim.extra)

    def _abandon(self, slot: Slot, claim: Claim, outcome: dict[str, Any]) -> None:
        left = self.slots.replace(slot, claim)
        if left is None:
            return  # its handler has just ended, and the slot goes on with another
        claim.finish(outcome)
        claim.raise_flag(CANCELLED)
        self._requeue(left)
        self._tally(claim)


# --- Inside the worker: threads and processes for handlers ---------------------------------------


class SlotPool:
    """The slots of a worker, `concurrency` of them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._slots: list[Slot] = []
        self._endings = Endings()

    def open(self) -> None:
        """Makes the slots."""
        self._slots = [self._new_slot() for _ in range(self._options.concurrency)]

    def close(self) -> None:
        """Ends the slots."""
        for slot in self._slots:
            slot.end()

    def idle(self) -> list[Slot]:
        """Those that run no handler."""
        return [slot for slot in self._slots if slot.claim is None]

    def busy(self) -> list[tuple[Slot, Claim]]:
        """Those that run a handler, and for which claim."""
        found = [(slot, slot.running()) for slot in self._slots]
        return [(slot, claim) for slot, claim in found if claim]

    def running(self) -> list[Claim]:
        """The claims whose handlers run now."""
        return [claim for _, claim in self.busy()]

    def replace(self, slot: Slot, claim: Claim) -> list[Claim] | None:
        """Gives up a slot whose handler does not end: what waited behind it. None if the slot has
        gone on to another claim than this one.
        """
        left = slot.give_up(claim)
        if left is not None:
            self._slots[self._slots.index(slot)] = self._new_slot()
        return left

    def ended(self, seconds: float) -> Iterator[tuple[Claim, dict[str, Any] | None]]:
        """Waits until handlers have ended: claim and outcome of each; None for a claim that a slot
        did not begin.
        """
        for slot, claim, outcome in self._endings.take(seconds):
            if claim is not None:
                yield claim, outcome
            else:
                slot.claim = None
                for left in slot.take_back():
                    yield left, None

    def interrupt(self) -> None:
        """Ends a wait in `ended`. May be called by any thread and by a signal handler."""
        self._endings.notify()

    def _new_slot(self) -> Slot:
        kind = ProcessSlot if self._options.processes else Slot
        return kind(self._options, self._endings)


class Endings:
    """What the slots' threads pass to the main thread: claims with their outcomes, and None after
    the last claim that a slot was given.
    """

    def __init__(self) -> None:
        self._queued: deque[tuple[Slot, Claim | None, dict[str, Any]]] = deque()
        self._notices: queue.SimpleQueue[None] = queue.SimpleQueue()

    def tell(self, slot: Slot, claim: Claim | None, outcome: dict[str, Any]) -> None:
        """Queues it for the main thread, without `notify`, which may take longer than a task."""
        self._queued.append((slot, claim, outcome))

    def notify(self) -> None:
        """Ends the wait in `take`, or the next one."""
        self._notices.put(None)

    def take(self, seconds: float) -> Iterator[tuple[Slot, Claim | None, dict[str, Any]]]:
        """Waits up to so many seconds for a notice, and takes all that was queued."""
        with suppress(queue.Empty):
            if seconds:
                self._notices.get(timeout=seconds)
            while True:
                self._notices.get_nowait()
        with suppress(IndexError):
            while True:
                yield self._queued.popleft()


class Slot:
    """A thread that runs handlers, one at a time. Given several claims, it goes on from one to the
    next by itself while they are short; after a long one the main thread decides, which may have
    been told to stop meanwhile.
    """

    def __init__(self, options: Options, endings: Endings) -> None:
        self.claim: Claim | None = None  # whose handler runs; None: the slot is idle
        self._options, self._endings = options, endings
        self._waiting: deque[Claim] = deque()
        self._may_begin: Callable[[Claim], bool] = lambda _: True
        self._is_over = False
        self._lock = threading.Lock()  # held while it goes from one claim to the next
        self._inbox: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="slot", daemon=True).start()

    def start(self, claims: Sequence[Claim], may_begin: Callable[[Claim], bool]) -> None:
        """Starts the first claim's task. The others follow as long as `may_begin` allows; the main
        thread learns how each ended.
        """
        self.claim, self._may_begin = claims[0], may_begin
        self._waiting.extend(claims[1:])
        self._inbox.put(True)

    def running(self) -> Claim | None:
        """The claim whose handler runs now, not one whose handler has just ended."""
        with self._lock:
            return self.claim

    def take_back(self) -> list[Claim]:
        """The claims that it was given and has not begun."""
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
        return left

    def give_up(self, claim: Claim) -> list[Claim] | None:
        """Ends the slot with this claim's handler: the claims that were not begun. None if it has
        gone on to another claim.
        """
        with self._lock:
            if self.claim is not claim:
                return None
            self._is_over = True
        self.end()
        return self.take_back()

    def end(self) -> None:
        """Ends an idle slot at once, a busy one after its handler: a thread cannot be killed."""
        self._is_over = True
        self._inbox.put(False)

    def _serve(self) -> None:
        while self._inbox.get():
            claim, notified_at = None if self._is_over else self.claim, time.monotonic()
            while claim is not None:
                outcome = self._outcome_of(claim)
                ended_at = claim.end()
                self._endings.tell(self, claim, outcome)
                if ended_at > notified_at + COLLECT_WITHIN:
                    notified_at = ended_at
                    self._endings.notify()
                goes_on = ended_at < claim.started_at + SHORT and "ends" not in outcome
                claim = self._next_claim() if goes_on else None
            self._endings.tell(self, None, {})
            self._endings.notify()

    def _next_claim(self) -> Claim | None:
        with self._lock:
            if self._is_over or not self._waiting or not self._may_begin(self._waiting[0]):
                return None
            self.claim = self._waiting.popleft()
            return self.claim

    def _outcome_of(self, claim: Claim) -> dict[str, Any]:
        try:
            return self._perform(claim)
        except BaseException as error:  # or the task would never end
            log.exception("task %d: the worker met an error of its own", claim.id)
            return failure(f"the worker met an error of its own: {_text_of(error)}")

    def _perform(self, claim: Claim) -> dict[str, Any]:
        claim.begin()
        job = Job(claim.task, claim.worker_id, claim)
        return run_handler(self._options.all_handlers[claim.type], job)


class ProcessSlot(Slot):
    """A thread with a process that runs the handlers, and that can be killed."""

    def __init__(self, options: Options, endings: Endings) -> None:
        import multiprocessing

        # Spawned: in a forked process, locks of other threads would stay locked.
        self._context = multiprocessing.get_context("spawn")
        self._flag = self._context.Value("i", 0, lock=False)
        self._process: HandlerProcess | None = None
        super().__init__(options, endings)

    def end(self) -> None:
        super().end()
        if self._process is not None:
            self._process.kill()

    def _perform(self, claim: Claim) -> dict[str, Any]:
        claim.use_flag(self._flag)
        try:
            process = self._ready_process()
            process.send(claim)
            outcome, memory = process.follow(claim)
        except (EOFError, OSError) as error:
            died = self._process.reap() if self._process else ""
            self._process = None
            died = died or f"it could not be started: {_text_of(error)}"
            if not claim.is_begun:
                return {"release": True, "delay": NO_PROCESS_DELAY, "never_begun": died}
            return failure(f"the handler's process died ({died})")
        finally:
            claim.use_flag(Flag())  # the process's flag is the next task's
        self._replace_if_larger(memory)
        return outcome

    def _ready_process(self) -> HandlerProcess:
        if self._process is None or not self._process.is_alive():
            self._process = None
            self._process = HandlerProcess(self._options, self._context, self._flag)
            if self._is_over:
                self._process.kill()
            self._process.receive()  # its handlers are loaded
        return self._process

    def _replace_if_larger(self, memory: int) -> None:
        limit = self._options.max_memory
        if self._process and limit and memory > limit:
            log.info("a handlers' process with %d MiB is replaced", memory >> 20)
            self._process.kill()
            self._process.reap()
            self._process = None


class HandlerProcess:
    """A process that runs handlers, seen from the worker."""

    def __init__(self, options: Options, context: Any, flag: Any) -> None:
        # What a decorator registered is imported again there; functions given are sent.
        handlers = options.all_handlers if options.source is None else None
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve_process,
            args=(options.source, handlers, options.client.arguments, theirs, flag),
            daemon=True,
        )
        self._process.start()
        theirs.close()

    def is_alive(self) -> bool:
        return bool(self._process.is_alive())

    def send(self, claim: Claim) -> None:
        """Hands over a claim's task."""
        self._pipe.send((claim.task, claim.worker_id))

    def follow(self, claim: Claim) -> tuple[dict[str, Any], int]:
        """Acts on the process's messages until it sends the outcome; that, and the bytes of memory
        that the process uses.
        """
        while True:
            kind, task_id, value = self.receive()
            if task_id != claim.id:
                continue  # said by a thread that an earlier handler left behind
            if kind == "begun":
                claim.begin()
            elif kind == "update":
                claim.update(*value)
            elif kind == "log":
                claim.log(*value)
            else:
                outcome, memory = value
                return outcome, memory

    def receive(self) -> Any:
        """The next message. Raises EOFError when the process has ended."""
        # What a handler has forked holds the pipe open, so its end alone does not tell.
        while not self._pipe.poll(1.0):
            if not self._process.is_alive() and not self._pipe.poll():
                raise EOFError
        return self._pipe.recv()

    def kill(self) -> None:
        """Kills it and what it has started, which are one group of processes."""
        if hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # it may not have had the time to make itself a group

    def reap(self) -> str:
        """Waits for its end, at most a second before killing it. Returns how it ended."""
        self._process.join(1.0)
        self.kill()
        self._process.join()
        code = self._process.exitcode
        return f"signal {-code}" if code < 0 else f"exit code {code}"


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

    def update(self, updates: Mapping[str, Any]) -> None:
        self.send("update", dict(updates))

    def log(self, level: int, text: str, extra: dict[str, Any]) -> None:
        self.send("log", level, text, extra)


def serve_process(
    source: str | None,
    handlers: Mapping[str, Handler] | None,
    client: tuple[str, str, float, int],
    pipe: Any,
    flag: Any,
) -> None:
    """What a process of handlers runs: a task at a time, until its worker has ended."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # so that what handlers start can be ended with it
    for number in (signal.SIGINT, signal.SIGTERM):
        # When the whole group gets them, the worker decides. Not SIG_IGN: programs that a
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
        link.send("begun")
        outcome = run_handler(handlers[task["type"]], Job(task, worker_id, link))
        link.send("outcome", outcome, memory_in_use())


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)  # itself, and what its handlers have started
        os._exit(1)


def _check_sendable(handlers: Mapping[str, Handler]) -> None:
    try:
        pickle.dumps(dict(handlers))
    except Exception as error:
        message = "with processes, handlers must be functions at the top of a module"
        raise ValueError(f"{message}: {error}") from error


def memory_in_use() -> int:
    """How many bytes of memory this process holds; 0 where that cannot be known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


# --- Inside the command line: handlers and the log -----------------------------------------------


def load_handlers(source: str | None) -> ModuleType:
    """Imports a handlers file or module; raises click.UsageError when that fails."""
    name = source or "handlers.py"
    path = Path(name).resolve() if name.endswith(".py") or os.sep in name else None
    if path and not path.is_file():
        raise click.UsageError(f"there is no file {name}" + ("" if source else _where_to_begin()))
    sys.path.insert(0, str(path.parent) if path else os.getcwd())
    try:
        return _import_file(path) if path else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}{_place_and_remedy(error, name)}"
        raise click.UsageError(f"the handlers in {name} cannot be loaded: {reason}") from error


def _place_and_remedy(error: BaseException, handlers: str) -> str:
    """Where the handlers' own code went wrong, and what helps if a module is missing."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and missing.split(".")[0] == handlers.split(".", maxsplit=1)[0]:
        return f". For a file write its whole name: --handlers {handlers}.py"
    frames = traceback.extract_tb(error.__traceback__)
    where = next((each for each in reversed(frames) if "<frozen" not in each.filename), frames[-1])
    place = f" ({where.filename}, line {where.lineno})"
    if missing:
        place += f". Install what it belongs to for this Python, {sys.executable}"
    return place


def _reason_of(error: Exception) -> str:
    """Why a file cannot be used, with what helps, where the system says why."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file or folder. Make it, or name another one"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def _where_to_begin() -> str:
    text = " in the current folder. Write one, as the first lines of worker.py show"
    examples = Path("examples", "handlers.py")
    if examples.is_file():
        text += f" (or begin with {examples}, whose task types --register makes known)"
    return f"{text}, and name it where it is called otherwise: --handlers PATH"


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
        text = "--register needs a list TASK_TYPES in the handlers module: write one, as "
        text += (
            "docs/workers.md shows, or leave --register out where the types are registered already"
        )
        raise click.UsageError(text)
    if not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in types):
        raise click.UsageError('each of TASK_TYPES must be like {"name": …, "param_schema": …}')
    listed = _data(client.call("GET", "/task-types")).get("task_types")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise _unexpected("task_types", listed)
    known = {task_type.get("name"): task_type for task_type in listed}
    changed = [each for each in types if not each.items() <= known.get(each["name"], {}).items()]
    for task_type in changed:
        client.call("POST", "/task-types/register", task_type)
    if changed:
        log.info("registered %s", counted(len(changed), "task type"))


def set_up_log(level: str, file: str | None, as_json: bool) -> None:
    """Raises click.UsageError for a file that cannot be written."""
    target: logging.Handler = logging.StreamHandler()
    if file:
        from logging.handlers import RotatingFileHandler

        try:
            more: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace"}
            target = RotatingFileHandler(file, maxBytes=5 << 20, backupCount=3, **more)
        except OSError as error:
            reason = _reason_of(error)
            raise click.UsageError(f"the log file {file} cannot be written: {reason}") from error
    target.setFormatter(JsonLines() if as_json else PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[target])
    logging.getLogger("urllib3").setLevel(logging.WARNING)


class PlainLines(logging.Formatter):
    """Log records as lines. What follows the first line of one is marked, so that nothing in a
    message or a traceback can pass for a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname} {one_line(record.getMessage())}"
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return line + "".join(f"\n  | {one_line(each)}" for each in trace.splitlines())


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
        # In ASCII: a terminal may know no more, and then what is shown would not be JSON.
        return json.dumps(line, default=str)


CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """A text without anything that begins a line or that a terminal obeys."""
    return CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


# --- Inside the command line: telling a monitor --------------------------------------------------


class Monitor:
    """The pings of --ping-url, in the form of Healthchecks: ADDRESS/start, ADDRESS when all is
    well, ADDRESS/fail otherwise, each with a line of text. Without an address it does nothing, and
    a monitor that does not answer is logged and changes nothing.
    """

    def __init__(self, address: str, ends_at: float) -> None:
        """`ends_at` by time.monotonic(); 0 means never."""
        self._address = address
        self._ends_at = ends_at
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def time_for_worker(self, max_time: float) -> float:
        """What is left of --max-time when the last ping gets its share."""
        return max_time - min(PING_TIME, max_time / 4) if self._address else max_time

    @contextmanager
    def told_of_trouble(self) -> Iterator[None]:
        """Reports what ends the program inside this block, before the worker has begun."""
        try:
            yield
        except SystemExit as error:
            if error.code:
                self._ping("/fail", f"ended with exit code {error.code}")
            raise
        except BaseException as error:
            self._ping("/fail", error.message if isinstance(error, click.UsageError) else error)
            raise

    def begin(self, worker: Worker) -> None:
        """Reports that a run begins, and once a minute that it goes on, in a thread of its own."""
        if self._address:
            follow = functools.partial(self._follow, worker)
            self._thread = threading.Thread(target=follow, name="monitor", daemon=True)
            self._thread.start()

    def end(self, worker: Worker, code: int) -> None:
        """Reports how the run ended."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(PING_TIME)  # the start comes before the end
        counters = ", ".join(f"{name} {count}" for name, count in asdict(worker.counters).items())
        text = str(worker.error or counters)
        self._ping("/fail" if code else "", f"exit code {code}: {text}" if code else text)

    def _follow(self, worker: Worker) -> None:
        self._ping("/start", worker.worker_id)
        while not self._ended.wait(PING_INTERVAL):
            if worker.is_running:
                self._ping("", "running")

    def _ping(self, kind: str, text: object) -> None:
        if not self._address:
            return
        parts = urlsplit(self._address)
        address = parts._replace(path=parts.path.rstrip("/") + kind).geturl()
        left = self._ends_at - time.monotonic() - TICK if self._ends_at else PING_TIME
        timeout = min(PING_TIME, max(left, TICK))
        body = str(text)[:MESSAGE_LIMIT].encode("utf-8", "replace")
        try:
            status = requests.post(address, data=body, timeout=timeout).status_code
            trouble = f"it answered HTTP {status}" if status >= 400 else ""
        except requests.RequestException as error:
            trouble = _reason(error)
        if trouble:
            log.warning("the monitor of --ping-url was not told: %s", trouble)


# --- Inside the command line: the lock of --lock -------------------------------------------------

LOCK_GRACE = 300.0  # seconds past --max-time before the holder of a lock is taken to hang
LOCK_WRITE_TIME = 2.0  # seconds that a process which has just got the lock takes to say so


def lock_for(given: str, *which: Any) -> LockFile:
    """The file given, or one for each kind of worker of this user. Raises click.UsageError."""
    if given != "auto":
        return LockFile(Path(given), False)
    # Homes may be shared by several machines, which do not lock each other out.
    named = repr((socket.gethostname(), os.getcwd(), *which))
    digest = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return LockFile(_own_folder() / f"worker-{digest}.lock", True)


def take_or_exit(lock: LockFile, max_time: float, max_age: float, is_watched: bool) -> None:
    """Takes the lock, or ends the program with 0 or 5. Raises click.UsageError."""
    holder = lock.take(max_time)
    if holder:
        max_age = max_age or (holder.max_time and holder.max_time + LOCK_GRACE)
        sys.exit(log_holder(lock, holder, max_age, is_watched))


def log_holder(lock: LockFile, holder: Holder, max_age: float, is_watched: bool) -> int:
    """Says who has the lock; the exit code. `is_watched`: cron does not mail what is logged."""
    ago = counted(round(holder.age), "second")
    who = f"process {holder.pid} on {holder.host}, since {_iso(holder.since)}, {ago} ago"
    who = who if holder.pid else "it does not say who"
    text = f"another worker has locked {lock.path} ({who})"
    if holder.has_ended():
        log.error("%s, but has ended: something it started keeps the lock, and must be ended", text)
        return 5
    if holder.pid and max_age and holder.age > max_age:
        log.error("%s, longer than %s: if it hangs, end it", text, counted(max_age, "second"))
        return 5
    # Silently where cron mails each line.
    log.log(logging.INFO if is_watched else logging.DEBUG, "%s: nothing to do", text)
    return 0


class LockFile:
    """A file that one process at a time has locked, until it ends. It names its holder."""

    def __init__(self, path: Path, is_own: bool) -> None:
        """Opens it; `is_own` says that nobody else may have made it. Raises click.UsageError."""
        self.path = path
        more = [getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NOINHERIT")]
        try:
            self._file = os.open(
                path, os.O_RDWR | os.O_CREAT | sum(more), 0o600 if is_own else 0o666
            )
        except OSError as error:
            hint = " (it is a symbolic link: name the file itself)" if path.is_symlink() else ""
            raise click.UsageError(
                f"the lock file {path} cannot be written: {_reason_of(error)}{hint}"
            ) from error
        status = os.fstat(self._file)
        if not stat.S_ISREG(status.st_mode):
            raise click.UsageError(f"the lock file {path} is no plain file: name another one")
        if is_own and status.st_uid != _user_id():
            raise click.UsageError(f"the lock file {path} is another user's: remove it")

    def take(self, max_time: float) -> Holder | None:
        """Locks it for this process; else who has it. Raises click.UsageError."""
        until = time.monotonic() + LOCK_WRITE_TIME
        while not self._lock():
            holder = self._read()
            # Of a holder that has ended the next one may not have written its name yet.
            if not holder.has_ended() or time.monotonic() > until:
                return holder
            time.sleep(TICK)
        self._write(Holder.here(max_time))
        return None

    def leave(self) -> None:
        """Leaves the lock to the parent, in a process that was forked from it."""
        with suppress(OSError):
            os.close(self._file)

    def _lock(self) -> bool:
        try:
            if os.name == "nt":
                import msvcrt

                os.lseek(self._file, 1 << 30, os.SEEK_SET)  # so that others can read the holder
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            else:
                import fcntl

                # Not lockf(): that lock goes as soon as a handler opens and closes this file.
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                return False
            message = f"the file {self.path} cannot be locked: {error}. Name one on another disk"
            raise click.UsageError(message) from error
        return True

    def _read(self) -> Holder:
        os.lseek(self._file, 0, os.SEEK_SET)
        return Holder.of(os.read(self._file, 4096).decode("utf-8", "replace"))

    def _write(self, holder: Holder) -> None:
        # A file with something else in it, named by mistake, stays as it is.
        if os.fstat(self._file).st_size and not self._read().pid:
            return
        try:
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, str(holder).encode())
        except OSError as error:
            log.debug("the lock file %s does not name its holder: %s", self.path, error)


@dataclass
class Holder:
    """Who has a lock: what its file says."""

    pid: int = 0
    host: str = ""
    since: float = 0.0  # time.time()
    process_started: str = ""  # as its system counts it
    max_time: float = 0.0  # seconds

    @staticmethod
    def here(max_time: float) -> Holder:
        """This process."""
        pid = os.getpid()
        return Holder(pid, socket.gethostname(), time.time(), _start_of_process(pid), max_time)

    @staticmethod
    def of(text: str) -> Holder:
        """What is in a lock's file; nobody where that cannot be read."""
        try:
            told = json.loads(text)
            return Holder(
                int(told["pid"]),
                str(told["host"]),
                datetime.fromisoformat(told["since"].replace("Z", "+00:00")).timestamp(),
                str(told["process_started"]),
                finite(told["max_time"]) or 0.0,
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return Holder()

    def __str__(self) -> str:
        return json.dumps({**asdict(self), "since": _iso(self.since)}) + "\n"

    @property
    def age(self) -> float:
        """Seconds that it has had the lock."""
        return max(0.0, time.time() - self.since)

    def has_ended(self) -> bool:
        """Whether its process is known to be gone."""
        if not self.pid or self.host != socket.gethostname() or os.name == "nt":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return _start_of_process(self.pid) not in ("", self.process_started)


def _own_folder() -> Path:
    """A folder that nobody else can write to: the same for a shell and for cron."""
    folders = [Path(tempfile.gettempdir(), f"taskmanager-{_user_id()}")]
    with suppress(RuntimeError):  # no home
        if Path.home().is_dir():
            folders.insert(0, Path.home() / ".cache" / "taskmanager")
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_own_folder(folder):
                return folder
    tried = " and ".join(str(folder) for folder in folders)
    message = f"no folder for the lock that only you can write to: tried {tried}"
    raise click.UsageError(f"{message}. Name a lock file of your own: --lock PATH")


def _is_own_folder(folder: Path) -> bool:
    status = folder.lstat()
    is_own = os.name == "nt" or (status.st_uid == _user_id() and not status.st_mode & 0o022)
    return stat.S_ISDIR(status.st_mode) and is_own and os.access(folder, os.W_OK | os.X_OK)


def _user_id() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


# --- Inside the command line: how the process ends -----------------------------------------------


def started_at() -> float:
    """When this program began, by time.monotonic(): before Python had loaded anything."""
    here = time.monotonic() - STARTED_AT
    try:
        ticks = int(_start_of_process(os.getpid())) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks
    except (ValueError, OSError, AttributeError):
        return STARTED_AT
    # A shell that waits, and then becomes this program, may be much older.
    return time.monotonic() - age if here <= age <= here + 10.0 else STARTED_AT


def end_at(moment: float) -> None:
    """Makes the process end at this time.monotonic(), whatever hangs: an import, a name server, a
    handler that lets no other thread run.
    """

    def end() -> None:
        log.error("--max-time is over, and this worker did not end: its tasks are not reported")
        end_children()
        os._exit(1)

    left = max(moment - time.monotonic(), TICK)
    timer = threading.Timer(max(left - 0.2, 0.0), end)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(left, exit=True, file=2)


def exit_at_once(code: int) -> None:
    """Ends the process and what it has started. A handler that was given up may still run in its
    thread; nothing waits for it.
    """
    end_children()
    logging.shutdown()
    with suppress(OSError, ValueError, AttributeError):  # standard output may be closed, or full
        sys.stdout.flush()
    os._exit(code)


def end_children() -> None:
    """Kills what this process has started, and what that has; not what made itself a session of
    its own. Where there is no /proc, only what the module multiprocessing knows of.
    """
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else ():
        with suppress(OSError, ValueError, AttributeError):
            child.kill()
    if not hasattr(os, "getsid"):
        return
    for pid in _descendants():
        with suppress(OSError):
            if os.getsid(pid) == os.getsid(0):
                os.kill(pid, signal.SIGKILL)


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(ValueError, IndexError):
            parent = int(_process_fields(int(path.name))[1])
            children.setdefault(parent, []).append(int(path.name))
    found = list(children.get(os.getpid(), ()))
    for pid in found:  # grows meanwhile
        found += children.get(pid, ())
    return [pid for pid in found if not _is_tracker(pid)]


def _is_tracker(pid: int) -> bool:
    """Whether this is multiprocessing's resource tracker: it removes what killed processes leave in
    shared memory, and ends by itself.
    """
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _start_of_process(pid: int) -> str:
    """When a process began, as Linux counts it; empty where that cannot be known."""
    return "".join(_process_fields(pid)[19:20])


def _process_fields(pid: int) -> list[str]:
    """What Linux tells of a process after its name: state, parent, …; nothing elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def set_up_forks(lock: LockFile | None) -> None:
    """Makes processes that handlers fork, as process pools do, leave the lock alone, be stopped by
    signals as any other, and end with the process that they were forked from.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(_begin_as_fork, lock, os.getsid(0)))


def _begin_as_fork(lock: LockFile | None, session: int) -> None:
    if lock is not None:
        lock.leave()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    watch = functools.partial(_end_after, os.getppid(), session)
    with suppress(RuntimeError):  # no more threads to be had
        threading.Thread(target=watch, name="end with the parent", daemon=True).start()


def _end_after(parent: int, session: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    if os.getsid(0) == session:  # one that has made a session of its own wants to live on
        os._exit(1)


def open_standard_files() -> None:
    """What is closed (`>&-`) becomes /dev/null: else the next file or connection that is opened
    would get what is meant for the terminal.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
