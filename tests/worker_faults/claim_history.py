"""A task's history as a list of claims: who held it, and how each claim ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support.server import Server

ENDS = {"lease expired": "expired", "released": "released"}


@dataclass
class PastClaim:
    """From a claim to its end; `ended` is "expired", "released", "completed", "failed"."""

    task_id: int
    attempt: int
    worker: str
    claimed_at: datetime
    ended: str = ""
    ended_at: datetime | None = None

    @property
    def lease_ref(self) -> tuple[int, int, str]:
        """Task, attempt and worker, as in the journal."""
        return self.task_id, self.attempt, self.worker

    @property
    def seconds(self) -> float:
        assert self.ended_at, self
        return (self.ended_at - self.claimed_at).total_seconds()


def claims_of(server: Server, task_id: int) -> list[PastClaim]:
    """All claims of a task, oldest first; each but the last has ended, or this fails."""
    status, response = server.call("GET", f"/tasks/{task_id}/history")
    assert status == 200, response
    found: list[PastClaim] = []
    for change in response["data"]["history"]:
        if change["status"] == "claimed":
            assert not found or found[-1].ended, response
            found.append(PastClaim(task_id, change["attempt"], change["worker_id"], _time(change)))
        elif found:
            assert not found[-1].ended, response
            status = change["status"]
            found[-1].ended = ENDS.get(change["message"], _END_OF.get(status, status))
            found[-1].ended_at = _time(change)
    return found


_END_OF = {"pending": "failed"}  # an attempt that failed and is to be tried again


def _time(change: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(change["created_at"].replace("Z", "+00:00"))
