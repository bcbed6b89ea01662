"""Params against their type's JSON Schema, when a task is made.

Imported only by calls that validate.
"""

from __future__ import annotations

import json
from _thread import allocate_lock  # threading.Lock, without the rest of threading
from collections import OrderedDict

from app.queue.schema.check import Check
from app.queue.schema.document import Document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.queue.new_task import TypedDraft

MAX_KEPT = 1_000_000
"""How many characters of schemas a process keeps ready, each pattern's part counting for 20."""

MAX_KEPT_DOCUMENTS = 200


def check_all(
    drafts: Sequence[TypedDraft], positions: dict[str, list[int]]
) -> dict[int, list[dict[str, str]]]:
    """What is wrong with the params of drafts, by their positions; ``positions`` are those of each
    schema. All of them share the time and the room for messages that a call has: what is not
    reached within these is left out.
    """
    check = Check()
    found: dict[int, list[dict[str, str]]] = {}
    for schema_json, of_schema in positions.items():
        document = document_of(schema_json)
        for position in of_schema:
            task = drafts[position].task
            wrong = violations(check, document, task.params, task.where)
            if wrong or not check.over:
                found[position] = wrong
            if check.over:
                return found
    return found


def violations(
    check: Check, document: Document, params: Any, where: str = ""
) -> list[dict[str, str]]:
    """Everywhere that ``params`` does not match, as ``{"path": "params.length", "message"}``."""
    root = document.root
    return check.violations(f"{where}params", lambda: root.check(check, params, "the schema", ()))


def document_of(schema_json: str) -> Document:
    """The stored schema, made ready; kept for the next call of this process if it is small."""
    return _kept.get(schema_json)


class _Kept:
    """The documents last used, by their text. Several threads may ask at once."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._documents: OrderedDict[str, Document] = OrderedDict()

    def get(self, schema_json: str) -> Document:
        with self._lock:
            document = self._documents.get(schema_json)
        if document is None:
            document = Document(json.loads(schema_json))
        with self._lock:
            self._documents[schema_json] = document
            self._documents.move_to_end(schema_json)
            self._forget()
        return document

    def _forget(self) -> None:
        """Drops the longest unused until the rest is small enough.

        What each takes is counted again, since patterns are compiled when they are first used.
        """
        size = sum(_cost(text, each) for text, each in self._documents.items())
        while size > MAX_KEPT or len(self._documents) > MAX_KEPT_DOCUMENTS:
            size -= _cost(*self._documents.popitem(last=False))


def _cost(schema_json: str, document: Document) -> int:
    return len(schema_json) + 20 * document.patterns_size


_kept = _Kept()
