"""A worker of the kind that integration guides show: it asks for types by name, routes by type, and
its handlers return whether they succeeded.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import requests


class Worker:
    max_consecutive_errors = 5

    def __init__(self, api_url: str, worker_id: str, task_types: list[str]) -> None:
        self.api_url = api_url
        self.worker_id = worker_id
        self.task_types = task_types
        self.should_stop = False
        self.consecutive_errors = 0
        self.session = requests.Session()
        self.session.trust_env = False

    def health_check(self) -> bool:
        health = requests.get(f"{self.api_url}/health", timeout=30).json()
        return bool(health["status"] == "healthy")

    def claim_task(self) -> Any:
        body = {"worker_id": self.worker_id, "task_types": self.task_types}
        response = self.session.post(f"{self.api_url}/tasks/claim", json=body)
        return response.json()["data"] if response.status_code == 200 else None

    def process_task(self, task: dict[str, Any]) -> dict[str, Any]:
        params = task.get("params", {})
        if task.get("type") == "guide.custom":
            return self._handle_custom_task(params)
        return {"success": False, "message": f"no handler for {task['type']}"}

    def _handle_custom_task(self, params: dict[str, Any]) -> dict[str, Any]:
        try:
            if not params.get("required_param"):
                raise ValueError("required_param is missing")
            data = {"got": params["required_param"], "at": datetime.now().isoformat()}
            return {"success": True, "data": data, "message": "done"}
        except Exception as error:
            return {"success": False, "message": str(error)}

    def complete_task(self, task_id: int, result: dict[str, Any]) -> None:
        path = f"{self.api_url}/tasks/{task_id}/complete"
        self.session.post(path, json={"result": result}).raise_for_status()

    def fail_task(self, task_id: int, error: str) -> None:
        path = f"{self.api_url}/tasks/{task_id}/fail"
        self.session.post(path, json={"error": error}).raise_for_status()

    def run(self) -> None:
        while not self.should_stop:
            if self.consecutive_errors >= self.max_consecutive_errors:
                print("too many errors")
                break
            task = self.claim_task()
            if task is None:
                break
            result = self.process_task(task)
            if result["success"]:
                self.complete_task(task["id"], result)
                self.consecutive_errors = 0
            else:
                self.fail_task(task["id"], result["message"])
                self.consecutive_errors += 1


worker = Worker(os.environ["API"], "worker-01", ["guide.custom", "guide.other"])
assert worker.health_check()
worker.run()
