"""A worker of the kind that templates show: it reads ``task`` of a claim's response, and settles
without saying who it is.
"""

from __future__ import annotations

import os
import time
import traceback
from typing import Any

import requests

url = os.environ["API_URL"]
session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = f"Bearer {os.environ['API_KEY']}"


def claim() -> Any:
    response = session.post(f"{url}/tasks/claim", json={"worker_id": os.environ["WORKER_ID"]})
    if response.status_code == 404:
        return None
    response.raise_for_status()
    return response.json().get("task")


def handle(task: Any) -> dict[str, Any]:
    if task["type"] == "task.type.1":
        return {"got": task["params"]["n"], "as_parameters": task["parameters"]["n"]}
    raise ValueError("not today")


while True:
    claimed = claim()
    if not claimed:
        time.sleep(0.05)
        continue
    try:
        result = handle(claimed)
        session.post(f"{url}/tasks/{claimed['id']}/complete", json={"result": result})
    except Exception as error:
        report = {"error": str(error), "traceback": traceback.format_exc()}
        session.post(f"{url}/tasks/{claimed['id']}/fail", json=report)
