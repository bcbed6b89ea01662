"""``python -m app.web_run SECONDS HANDLERS``: do waiting tasks, print what became of them as JSON.

What handlers print goes to ``logs/run.log``, or to the server's log where there is no such folder.
"""

from __future__ import annotations

import json
import os
import sys

LOG_BYTES = 1_000_000


def main() -> int:
    seconds, handlers = float(sys.argv[1]), sys.argv[2]
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    _send_output_to(_log_path())
    json.dump(_run(seconds, handlers), result)
    result.close()
    return 0


def _run(seconds: float, handlers: str) -> dict[str, object]:
    """Counters, or the ``error`` for which there are none."""
    import click

    import worker
    from app.site import load
    from app.web_run.client import SiteClient

    client = SiteClient(load())
    worker.set_up_log("info", None, False)
    try:
        module = worker.load_handlers(handlers)
        if hasattr(module, "TASK_TYPES"):
            worker.register_types(client, module)
        running = worker.Worker(
            client,
            worker_id=f"web-run-{os.uname().nodename[:100]}",
            until_empty=True,
            max_time=seconds,
            shutdown_timeout=seconds,
            source=handlers,
            started_at=worker.started_at(),
        )
        counters = running.run()
    except (click.UsageError, worker.ApiError, ValueError) as error:
        return {"error": getattr(error, "message", str(error))}
    names = ("completed", "failed", "released")
    return {name: getattr(counters, name) for name in names}


def _log_path() -> str | None:
    own = os.environ.get("TASKMANAGER_LOG_FILE")
    return os.path.join(os.path.dirname(own), "run.log") if own else None


def _send_output_to(path: str | None) -> None:
    if path is None:
        os.dup2(2, 1)
        return
    try:
        if os.path.getsize(path) > LOG_BYTES:
            os.replace(path, path + ".1")
    except OSError:
        pass  # there is none yet
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A handler that outlived the run may still be in its thread.
    os._exit(code)
