"""Runs the waiting tasks and exits within 55 seconds. Started by cron, written by the installer.

Your handlers are in handlers.py beside this file. Arguments are passed on to worker.py. What the
worker and the handlers print goes to logs/cron.log. Cron mails what this program prints, and it
prints only what needs a person: once, and once a day while it stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

HOME = os.path.dirname(os.path.abspath(__file__))
LOG = os.path.join(HOME, "logs", "cron.log")
TROUBLE = os.path.join(HOME, "logs", "cron-trouble.json")

LOG_BYTES = 1_000_000
MAY_PASS_SECONDS = 15 * 60  # before a trouble that may pass by itself is reported
REMIND_SECONDS = 24 * 3600  # before it is reported again
TAIL_LINES = 15

# Exit codes of worker.py; a negative one is the signal that ended it.
MAY_PASS = {1, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM}
SENTENCES = {
    1: "The worker cannot reach its server, or gets errors from it. Check that the site answers.",
    2: "The worker cannot start. Check handlers.py and the arguments of the cron line.",
    3: "The server refuses the worker. Check that config.py still has the site's API_KEY.",
    4: "The worker stopped: a handler raised FatalError, or no process for it could be started.",
    5: "An earlier run holds the lock and does not end. The log names its process: end that one.",
}


def main() -> int:
    started = log_size()
    try:
        code = run_worker(sys.argv[1:])
        sentence = SENTENCES.get(code, f"The worker ended with exit code {code}.")
    except Exception as error:
        code, sentence = 2, f"The worker cannot be started: {type(error).__name__}: {error}"
    if code == 0:
        forget_trouble()
    elif is_to_be_reported(code, time.time()):
        print(f"TaskManager in {HOME}: {sentence}\n\n{LOG} ends:\n{log_since(started)}")
    return code if code >= 0 else 128 - code


def run_worker(arguments: list[str]) -> int:
    """One run of the worker of the version that serves; its exit code."""
    with open(os.path.join(HOME, "current"), encoding="utf-8") as file:
        folder = os.path.join(HOME, "releases", file.read().strip())
    command = [sys.executable, os.path.join(folder, "worker.py")]
    command += ["--handlers", os.path.join(HOME, "handlers.py"), "--until-empty"]
    command += ["--max-time", "55", "--lock", os.path.join(HOME, ".htlock-cron")]
    command += ["--register", *arguments] if has_task_types() else arguments
    rotate_log()
    with open(os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(
            command,
            env=environment(folder, arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        # The worker finishes the task at hand when it is asked to stop.
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
        return process.wait()


def has_task_types() -> bool:
    """Whether handlers.py may have a list TASK_TYPES: types can be registered elsewhere too."""
    try:
        with open(os.path.join(HOME, "handlers.py"), "rb") as file:
            text = file.read()
    except OSError:
        return False  # the worker says what is wrong with the file
    return b"TASK_TYPES" in text or b"import *" in text


def environment(folder: str, arguments: list[str]) -> dict[str, str]:
    """The site's address and key, unless the cron line sets others."""
    config: dict[str, object] = {"__file__": os.path.join(HOME, "config.py")}
    with open(os.path.join(HOME, "config.py"), encoding="utf-8") as file:
        exec(compile(file.read(), "config.py", "exec"), config)
    with open(os.path.join(HOME, "site.json"), encoding="utf-8") as file:
        url = json.load(file)["url"]
    return {
        "TASKMANAGER_API_URL": f"{url}/api",
        "TASKMANAGER_API_KEY": str(config["API_KEY"]),
        "PING_URL": str(config.get("PING_URL", "")),
        "WORKER_ID": worker_id(arguments),
        **os.environ,
        "PYTHONPATH": os.pathsep.join([folder, os.path.join(folder, "vendor")]),
    }


def worker_id(arguments: list[str]) -> str:
    """The same in each run of the same cron line, so that all runs are one worker."""
    which = hashlib.sha256("\0".join([HOME, *arguments]).encode("utf-8", "surrogateescape"))
    folder = re.sub(r"[^0-9A-Za-z._-]", "-", os.path.basename(HOME))
    return f"{socket.gethostname()[:100]}-{folder[:100]}-{which.hexdigest()[:6]}"


# --- What happened ------------------------------------------------------------------------------


def rotate_log() -> None:
    if log_size() > LOG_BYTES:
        os.replace(LOG, LOG + ".1")


def log_size() -> int:
    try:
        return os.path.getsize(LOG)
    except OSError:
        return 0


def log_since(size: int) -> str:
    """The last lines that this run has added to the log."""
    try:
        with open(LOG, "rb") as file:
            file.seek(size if log_size() >= size else 0)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return str(error)
    return "\n".join(lines[-TAIL_LINES:]) or "(nothing)"


def is_to_be_reported(code: int, now: float) -> bool:
    """Whether a person should hear of it now. Notes since when it lasts and when it was
    reported.
    """
    known = read_trouble()
    if known.get("code") != code:
        known = {"code": code, "since": now, "reported": 0}
    may_pass = code in MAY_PASS and now - known["since"] < MAY_PASS_SECONDS
    is_due = now - known["reported"] >= REMIND_SECONDS and not may_pass
    if is_due:
        known["reported"] = now
    # Where nothing can be written, it is reported each time.
    with contextlib.suppress(OSError), open(TROUBLE, "w", encoding="utf-8") as file:
        json.dump(known, file)
    return is_due


def read_trouble() -> dict[str, float]:
    try:
        with open(TROUBLE, encoding="utf-8") as file:
            found = json.load(file)
        return {name: float(found[name]) for name in ("code", "since", "reported")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def forget_trouble() -> None:
    with contextlib.suppress(OSError):  # there was none
        os.unlink(TROUBLE)


if __name__ == "__main__":
    sys.exit(main())
