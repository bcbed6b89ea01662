#!/usr/bin/env python3
"""A worker for TaskManager on `requests` alone, short enough to read before you change it.

Put your own handlers below, under "Handlers", and run

    TASKMANAGER_API_URL=https://example.com/api TASKMANAGER_API_KEY=… python3 simple_worker.py

Options have environment variables too; `--help` lists both. From cron, every minute, until there
is nothing left to do (with the address and the key above the line, as crontab allows):

    * * * * * python3 $HOME/queue/simple_worker.py --until-empty 2>>$HOME/queue/worker.log

Without a key, the password in the address is the key: https://x:KEY@example.com/api.

Exit codes: 0 done or stopped by SIGTERM or SIGINT (which let the task at hand finish), 1 gave up
after five network or server errors in a row, 2 wrong usage, 3 refused by the server (wrong key).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests

log = logging.getLogger("worker")
Json = dict[str, Any]

FAILURES_IN_A_ROW = 5  # then the worker gives up
LONGEST_PAUSE = 60.0  # seconds
LONGEST_HEARTBEAT_INTERVAL = 60.0  # seconds between two heartbeats, however long the lease
CALL_TIMEOUT = 30.0  # seconds


# --- Handlers: add yours here --------------------------------------------------------------------
#
# A handler takes the task's params and the job, and returns the result. After any exception
# the task is tried again later; a PermanentError fails it for good.


class PermanentError(Exception):
    """This task can never succeed: do not try it again."""


def echo(params: Json, job: Job) -> Json:
    result = {"echoed": params["message"]}
    if "timestamp" in params:
        result["timestamp"] = params["timestamp"]
    return result


def uppercase(params: Json, job: Job) -> Json:
    result = params["text"].upper()
    return {"result": result, "length": len(result)}


def add(params: Json, job: Job) -> Json:
    return {"sum": params["a"] + params["b"]}


def sleep(params: Json, job: Job) -> Json:
    seconds = params["seconds"]
    began = time.monotonic()
    while (slept := time.monotonic() - began) < seconds:
        if job.cancelled:
            raise RuntimeError(f"cancelled after {slept:.1f} of {seconds:g} s")
        job.progress(100 * slept / seconds, f"slept {slept:.1f} of {seconds:g} s")
        time.sleep(min(0.1, seconds - slept))
    return {"slept": seconds}


def error(params: Json, job: Job) -> None:
    message = params.get("message", "this task always fails")
    if params.get("permanent", False):
        raise PermanentError(message)
    raise RuntimeError(message)


HANDLERS: dict[str, Callable[[Json, Job], Any]] = {
    "example.echo": echo,
    "example.uppercase": uppercase,
    "example.math.add": add,
    "example.sleep": sleep,
    "example.error": error,
}


# --- The API -------------------------------------------------------------------------------------


class Trouble(Exception):
    """There was no answer from TaskManager: the same call may succeed later."""


class Refused(Exception):
    """TaskManager understood the call and said no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Api:
    """The calls of one thread: a requests session must not be shared."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["X-API-Key"] = key  # some hosts drop the header Authorization

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """The answer's `data`. Raises Trouble, Refused, and ValueError for what is not JSON."""
        data = None if body is None else to_json(body)
        try:
            response = self._session.request(
                method, self._url + path, data=data, timeout=CALL_TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as reason:
            raise Trouble(f"no answer from {self._url}: {reason}") from reason
        parsed = parse(response)
        if parsed is None:
            raise Trouble(f"{self._url} answered HTTP {response.status_code}, not as TaskManager")
        if parsed["success"]:
            return parsed.get("data") or {}
        if response.status_code >= 500 or response.status_code == 429:
            raise Trouble(f"HTTP {response.status_code}: {parsed['error']}")
        raise Refused(response.status_code, parsed["code"], parsed["error"])


def to_json(body: Json) -> bytes:
    # NaN and Infinity are not JSON: better an error here than a refusal there.
    return json.dumps(body, allow_nan=False).encode()


def parse(response: requests.Response) -> Json | None:
    """TaskManager's answer, or None for anything else, such as a proxy's page in HTML."""
    try:
        found = response.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) and "success" in found else None


# --- A claimed task ------------------------------------------------------------------------------


class Job:
    """A claimed task. While its handler runs, a thread extends the lease and sends progress."""

    def __init__(self, task: Json, worker_id: str, api: Api) -> None:
        self.id: int = task["id"]
        self.type: str = task["type"]
        self.params: Json = task["params"]
        self.attempt: int = task["attempts"]
        self.cancelled = False  # stop soon: somebody cancelled the task, or the lease is lost
        self.lost = False
        self.identity: Json = {"worker_id": worker_id, "attempt": self.attempt}
        self._api = api
        self._heartbeat_interval = min(float(task["lease"]) / 3, LONGEST_HEARTBEAT_INTERVAL)
        self._update: Json | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Job:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def progress(self, percent: float, message: str = "") -> None:
        """Notes how far the task is, 0 to 100; the thread sends the latest within a second."""
        self._update = {"progress": percent, "message": message}

    def _keep(self) -> None:
        sent_at = time.monotonic()
        while not self.lost and not self._done.wait(min(1.0, self._heartbeat_interval)):
            if self._update or time.monotonic() - sent_at >= self._heartbeat_interval:
                sent_at = time.monotonic()
                self._send_heartbeat()

    def _send_heartbeat(self) -> None:
        update, self._update = self._update, None
        path = f"/tasks/{self.id}/{'progress' if update else 'heartbeat'}"
        try:
            data = self._api.call("POST", path, {**self.identity, **(update or {})})
            self.cancelled = self.cancelled or data["cancel_requested"]
        except Refused as refusal:
            log.warning("task %d: lease lost: %s", self.id, refusal)
            self.lost = self.cancelled = True
        except Trouble as trouble:
            log.warning("task %d: lease not extended: %s", self.id, trouble)


# --- The worker ----------------------------------------------------------------------------------


class Worker:
    """Claims, runs and settles one task at a time; the settling call claims the next."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.api = Api(options.api_url, options.api_key)
        self.heartbeat_api = Api(options.api_url, options.api_key)
        self.claim_options: Json = {"task_types": options.task_types}
        if options.type_pattern:
            self.claim_options["type_pattern"] = options.type_pattern
        self.failures = 0
        self.claimed = self.completed = self.failed = self.lost = 0
        self.stopping = False

    def run(self) -> None:
        """Works until it is to end. Raises Trouble after five failures, Refused."""
        self.insist("GET", "/health")
        log.info("worker %s waits for %s", self.options.worker_id, self.claim_options)
        task = self.claim()
        while self.goes_on() and (task or not self.options.until_empty):
            if task:
                task = self.work(task)
            else:
                self.pause(self.options.poll_interval)
                task = self.claim()
        if task:
            self.release(task)

    def goes_on(self) -> bool:
        most = self.options.max_runs
        return not self.stopping and (most == 0 or self.claimed < most)

    def claim(self) -> Json | None:
        """The next task, or None when there is none or the worker is to end."""
        while self.goes_on():
            try:
                body = {"worker_id": self.options.worker_id, **self.claim_options}
                return self.attempt("POST", "/tasks/claim", body)
            except Trouble as trouble:
                self.ride_out(trouble)
            except Refused as refusal:
                if refusal.code == "no_tasks":
                    return None
                raise
        return None

    def work(self, task: Json) -> Json | None:
        """Runs the task's handler and settles it. Returns the next task if one came with that."""
        self.claimed += 1
        log.debug("task %d: %s, attempt %d", task["id"], task["type"], task["attempts"])
        with Job(task, self.options.worker_id, self.heartbeat_api) as job:
            ending, report = outcome(job)
        if job.lost:
            self.lost += 1
            return self.claim()
        return self.settle(job, ending, report)

    def settle(self, job: Job, ending: str, report: Json) -> Json | None:
        body = {**job.identity, **report}
        if self.goes_on():
            body["claim"] = self.claim_options
        try:
            # Sent again after trouble: settling the same attempt twice changes nothing more.
            data = self.insist("POST", f"/tasks/{job.id}/{ending}", body)
        except Refused as refusal:
            return self.not_settled(job, ending, refusal)
        self.count(job, ending, report)
        tasks = data.get("tasks", [])
        return tasks[0] if tasks else None

    def not_settled(self, job: Job, ending: str, refusal: Refused) -> Json | None:
        if refusal.status == 401:
            raise refusal
        if refusal.status in (403, 404, 409) or ending == "fail":
            log.warning("task %d: not settled: %s", job.id, refusal)
            self.lost += 1
            return self.claim()
        # For example a result that is too large: another attempt would end the same way.
        return self.settle(job, "fail", {"error": f"result refused: {refusal}", "retry": False})

    def count(self, job: Job, ending: str, report: Json) -> None:
        if ending == "complete":
            self.completed += 1
            log.info("task %d: Completed successfully", job.id)
            result = report["result"]
            if isinstance(result, dict) and result.get("success") is False:
                text = "task %d: the handler returned success: false; to fail, raise an exception"
                log.warning(text, job.id)
        else:
            self.failed += 1
            log.error("task %d: Failed: %s", job.id, report["error"])

    def release(self, task: Json) -> None:
        """Gives back what was claimed while the signal to stop came in."""
        body = {"worker_id": self.options.worker_id, "attempt": task["attempts"]}
        try:
            self.api.call("POST", f"/tasks/{task['id']}/release", body)
        except (Trouble, Refused) as reason:
            log.warning("task %d: not released, its lease will expire: %s", task["id"], reason)

    def insist(self, method: str, path: str, body: Json | None = None) -> Json:
        """Makes a call until it is answered. Raises Trouble after five failures in a row."""
        while True:
            try:
                return self.attempt(method, path, body)
            except Trouble as trouble:
                self.ride_out(trouble)

    def attempt(self, method: str, path: str, body: Json | None = None) -> Json:
        data = self.api.call(method, path, body)
        self.failures = 0
        return data

    def ride_out(self, trouble: Trouble) -> None:
        self.failures += 1
        if self.failures >= FAILURES_IN_A_ROW:
            raise trouble
        seconds = min(self.options.poll_interval * 2 ** (self.failures - 1), LONGEST_PAUSE)
        unit = "second" if seconds == 1 else "seconds"
        log.warning("%s; trying again in %g %s", trouble, seconds, unit)
        self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Waits. A signal to stop ends the wait, and makes later ones short."""
        was_stopping = self.stopping
        end = time.monotonic() + (min(seconds, 1.0) if was_stopping else seconds)
        while self.stopping == was_stopping and time.monotonic() < end:
            time.sleep(max(0.0, min(0.2, end - time.monotonic())))

    def stop(self, *_: object) -> None:
        self.stopping = True

    def summary(self) -> str:
        return (
            f"claimed {self.claimed}, completed {self.completed}, "
            f"failed {self.failed}, lost {self.lost}"
        )


def outcome(job: Job) -> tuple[str, Json]:
    """Runs the handler: how the attempt ended, and what to report of it."""
    try:
        result = HANDLERS[job.type](job.params, job)
    except PermanentError as reason:
        return "fail", {"error": str(reason), "traceback": traceback.format_exc(), "retry": False}
    except Exception as reason:
        message = f"{type(reason).__name__}: {reason}"
        return "fail", {"error": message, "traceback": traceback.format_exc()}
    try:
        to_json({"result": result})
    except (TypeError, ValueError) as reason:
        return "fail", {"error": f"the result is not JSON: {reason}", "retry": False}
    return "complete", {"result": result}


# --- The command line ----------------------------------------------------------------------------


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def add(name: str, variable: str, default: str, text: str, kind: Any = str) -> None:
        value = os.environ.get(variable) or default
        text = f"{text} [{variable}; default: {default or 'none'}]"
        parser.add_argument(f"--{name}", default=value, type=kind, help=text)

    add("api-url", "TASKMANAGER_API_URL", "http://127.0.0.1:8000/api", "address of the API")
    add("api-key", "TASKMANAGER_API_KEY", "", "key of the API; better in the environment")
    add("worker-id", "WORKER_ID", "", "unique name; made up when empty")
    add("type-pattern", "TASK_TYPE_PATTERN", "", "only types LIKE this, as in 'example.%%'")
    add("task-types", "TASK_TYPES", "", "only these, with commas; all with a handler when empty")
    add("poll-interval", "POLL_INTERVAL", "10", "seconds to wait when idle", positive)
    add("max-runs", "MAX_RUNS", "0", "end after so many tasks; 0: never", count)
    debug = os.environ.get("DEBUG", "").lower() in ("1", "true", "yes", "on")
    parser.add_argument("--debug", action="store_true", default=debug, help="log each task [DEBUG]")
    parser.add_argument("--until-empty", action="store_true", help="end when nothing is left")
    options = parser.parse_args()

    options.worker_id = options.worker_id or new_worker_id()
    names = [name.strip() for name in options.task_types.split(",") if name.strip()]
    options.task_types = names or list(HANDLERS)
    missing = [name for name in names if name not in HANDLERS]
    if missing:
        parser.error(f"there is no handler for {', '.join(missing)}: add it to HANDLERS")
    if not options.api_url.startswith(("http://", "https://")):
        parser.error(f"--api-url must begin with http:// or https://, and is {options.api_url!r}")
    options.api_url, password = without_password(options.api_url)
    options.api_key = options.api_key or password
    return options


def without_password(url: str) -> tuple[str, str]:
    """The address as it may be logged, and the password in it: without a key, that is the key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host)), unquote(parts.password or "")


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most a day, and is {text}")
    return value


def count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, and is {text}")
    return value


def new_worker_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def main() -> int:
    options = parse_options()
    level = logging.DEBUG if options.debug else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    worker = Worker(options)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    try:
        worker.run()
    except (Trouble, Refused) as reason:
        log.error("%s", reason)
        return 1 if isinstance(reason, Trouble) else 3
    finally:
        log.info("%s", worker.summary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
