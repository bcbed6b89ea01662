"""Creates with an Idempotency-Key: what the first one did is kept with its key, written in the same
transaction as its tasks, and the same call gets it again.
"""

from __future__ import annotations

from app import json_text
from app.errors import IdempotencyConflict
from app.queue.new_task import Created

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Row, Statement
    from app.queue.access import Access

KEPT_OF_ONE = ("id", "status", "urgency", "dedupe_key", "created_at")
KEPT_OF_EACH = ("id", "status")
"""What is kept of one task, and of each of many: what the response shows. They may be deleted by
the time that they are asked for. Their types are those of the call.
"""


class IdempotencyKey:
    """The ``key`` of a call. Each API key of the site has its own; ``body_hash`` is the same when
    the call is.
    """

    def __init__(self, key: str, body_hash: str, access: Access | None) -> None:
        self._body_hash = body_hash
        self._values = {
            "api_key_id": 0 if access is None else access.key_id,
            "idempotency_key": key,
        }

    def look(self) -> Statement:
        """Finds what an earlier call with this key did."""
        return (
            "SELECT body_hash, created_json FROM idempotency_keys "
            "WHERE api_key_id = :api_key_id AND idempotency_key = :idempotency_key",
            self._values,
        )

    def first_result(self, row: Row, types: Sequence[str]) -> list[Created]:
        """What the first call did, by the row that ``look`` found; ``types`` are of its tasks.
        Raises IdempotencyConflict.
        """
        if row["body_hash"] != self._body_hash:
            raise IdempotencyConflict(
                "This Idempotency-Key came with another body before: send the same body again, or "
                "use another key for another call"
            )
        columns = _kept_columns(types)
        return [
            Created(type, dict(zip(columns, kept)), deduplicated)
            for type, (deduplicated, *kept) in zip(types, json_text.loads(row["created_json"]))
        ]

    def keep(self, sql: Dialect, created: Sequence[Created]) -> Statement:
        """Keeps what this call did. Another call with the key makes it fail with Duplicate."""
        columns = _kept_columns(created)
        kept = [[each.deduplicated, *map(each.row.get, columns)] for each in created]
        return (
            "INSERT INTO idempotency_keys "
            "(api_key_id, idempotency_key, body_hash, created_json, created_at) VALUES "
            f"(:api_key_id, :idempotency_key, :body_hash, :created_json, {sql.now})",
            {**self._values, "body_hash": self._body_hash, "created_json": json_text.dumps(kept)},
        )

    def forget(self) -> Statement:
        """For a call whose tasks were undone."""
        return (
            "DELETE FROM idempotency_keys "
            "WHERE api_key_id = :api_key_id AND idempotency_key = :idempotency_key",
            self._values,
        )


def _kept_columns(tasks: Sequence[object]) -> tuple[str, ...]:
    return KEPT_OF_ONE if len(tasks) == 1 else KEPT_OF_EACH
