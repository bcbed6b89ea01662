"""Schemas that a process keeps ready, and the check of a call."""

from __future__ import annotations

import json
import threading
from typing import Any

from app.queue import create as creating
from app.queue import task_types, validation
from app.queue.create import create
from app.queue.new_task import NewTask
from app.queue.schema.check import Check
from app.queue.schema.document import Document
from app.queue.validation import MAX_KEPT, check_all, document_of, violations
from app.site import Site


def schema_text(name: str, length: int) -> str:
    return json.dumps({"title": name.ljust(length, "x")})


def test_a_schema_is_kept_ready() -> None:
    text = schema_text("kept", 10)
    assert document_of(text) is document_of(text)


def test_what_is_kept_is_bounded() -> None:
    documents = [document_of(schema_text(str(number), 9_000)) for number in range(300)]
    again = [document_of(schema_text(str(number), 9_000)) for number in range(299, 189, -1)]
    kept = sum(one is other for one, other in zip(again, reversed(documents)))
    assert 50 < kept <= MAX_KEPT // 9_000


def test_patterns_count_in_what_is_kept() -> None:
    """They are compiled when a text comes along, long after the schema was kept."""
    texts = [json.dumps({"pattern": f"[a-z]{{9000}}{number}"}) for number in range(20)]
    documents = [document_of(text) for text in texts]
    for document in documents:
        assert violations(Check(), document, "a")
    assert sum(document_of(text) is one for text, one in zip(texts, documents)) < 10


def test_a_schema_too_large_to_keep_is_used_all_the_same() -> None:
    text = schema_text("large", MAX_KEPT)
    assert document_of(text) is not document_of(text)
    assert violations(Check(), document_of(text), {}) == []


def test_many_threads_at_once() -> None:
    document = Document({"items": {"anyOf": [{"pattern": "^a+$"}, {"enum": [1, [2]]}]}})
    good: list[Any] = ["aa", 1, [2.0]] * 50
    found: list[list[dict[str, str]]] = []

    def run() -> None:
        for _ in range(20):
            found.append(violations(Check(60), document, good))
            found.append(violations(Check(60), document, [*good, "b"]))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted({tuple(each["path"] for each in one) for one in found}) == [(), ("params[150]",)]
    assert len(found) == 8 * 20 * 2


def test_a_call_that_runs_again_checks_once(site: Site, monkeypatch: Any) -> None:
    """So that its time for checking is that of one call."""
    task_types.register(site, "job", "1", {"required": ["n"]}, {})
    checked: list[Any] = []

    def counting(drafts: list[Any], positions: dict[str, list[int]]) -> Any:
        checked.extend(positions)
        return check_all(drafts, positions)

    monkeypatch.setattr(validation, "check_all", counting)
    real, tries = creating._insert_once, []

    def beaten(*arguments: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise creating.Duplicate("another was first")
        return real(*arguments)

    monkeypatch.setattr(creating, "_insert_once", beaten)
    create(site, [NewTask("job", {"n": 1})])
    assert (len(tries), len(checked)) == (3, 1)
