"""Adds tasks of the example types, to try a worker with:

    TASKMANAGER_API_URL=https://example.com/api TASKMANAGER_API_KEY=… \\
        python test_worker.py --num-tasks=5

Needs Python 3.9 and requests. The types must be known; `worker.py --handlers examples/handlers.py
--register` makes them so, and in a queue of `deploy.py --local` they are.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import requests

CALL_TIMEOUT = 30  # seconds


def task(number: int, run: float) -> dict[str, Any]:
    """One of the examples in turn; `run` makes each different, since equal tasks would be one."""
    examples: list[tuple[str, dict[str, Any]]] = [
        ("example.echo", {"message": f"message {number}", "timestamp": run}),
        ("example.uppercase", {"text": f"text {number} of {run:.3f}"}),
        ("example.math.add", {"a": number, "b": run}),
    ]
    name, params = examples[number % len(examples)]
    return {"type": name, "params": params}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    url = os.environ.get("TASKMANAGER_API_URL", "http://127.0.0.1:8000/api")
    parser.add_argument("--api-url", default=url, help=f"address of the API [{url}]")
    parser.add_argument("--num-tasks", type=int, default=5, help="how many tasks, 1 to 1000 [5]")
    options = parser.parse_args()
    run = time.time()
    body = {"tasks": [task(number, run) for number in range(options.num_tasks)]}
    headers = {"X-API-Key": os.environ.get("TASKMANAGER_API_KEY", "")}
    try:
        address = options.api_url.rstrip("/") + "/tasks"
        response = requests.post(address, json=body, headers=headers, timeout=CALL_TIMEOUT)
        data = response.json()
    except (requests.RequestException, ValueError) as reason:
        print(f"no answer from the API: {reason}", file=sys.stderr)
        return 1
    if not data["success"]:
        print(data["error"], file=sys.stderr)
        return 1
    created = data["data"]["created"]
    print(f"added {created} task{'' if created == 1 else 's'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
