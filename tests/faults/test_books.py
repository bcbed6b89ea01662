"""The books of a chaos run notice each way in which they cannot balance, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.faults.book_error import DOUBLED, LOST, REFUSED
from tests.faults.books import Books
from tests.faults.chaos_operator import EVERY_TIME
from tests.faults.chaos_works import LIMITS
from tests.faults.contract import complaint
from tests.faults.limit_books import Span, exceeded, most_at_once
from tests.faults.operator_books import OperatorBooks

PARAMS = {"from": "client-0", "number": 1}
CREATED = {"id": 1, "at": 10.0, "params": PARAMS, "max_attempts": 2}
HELD_UNTIL = "2026-01-01T00:00:05.000Z"
AT_SECOND = 1767225600.0  # 2026-01-01T00:00:00Z


def claimed(attempt: int, by: str, **changes: Any) -> dict[str, Any]:
    event = {"id": 1, "at": 11.0, "attempt": attempt, "by": by, "worker_id": by}
    return {**event, "until": HELD_UNTIL, **changes}


def outcome(kind: str, attempt: int, accepted: bool = True, **changes: Any) -> dict[str, Any]:
    said = {"complete": {"result": "done"}, "fail": {"error": "oh"}}.get(kind, {})
    event = {"id": 1, "at": 12.0, "kind": kind, "attempt": attempt, "by": "a", "code": ""}
    more = {"said": said, "tries": 1, "until": HELD_UNTIL, "wall": AT_SECOND + 2}
    return {**event, **more, "accepted": accepted, **changes}


def line(status: str, attempt: int, second: int, message: str = "", **changes: Any) -> Any:
    words = {"task_id": 1, "status": status, "attempt": attempt, "message": message or None}
    return {**words, "worker_id": "a", "created_at": f"2026-01-01 00:00:0{second}.000", **changes}


class Story:
    """One task that was created, claimed by `a` and completed; tests change parts of it."""

    def __init__(self) -> None:
        self.tasks = [self.task("completed")]
        self.history = [line("pending", 0, 0), line("claimed", 1, 1), line("completed", 1, 2)]
        self.noted = {
            "created": [CREATED],
            "claimed": [claimed(1, "a")],
            "outcome": [outcome("complete", 1)],
        }

    def task(self, status: str, **changes: Any) -> dict[str, Any]:
        row = {"id": 1, "status": status, "params_json": json.dumps(PARAMS)}
        return {**row, "result_json": '"done"', **changes}

    def errors(self) -> list[str]:
        books = Books(self.tasks, self.history, lambda name: self.noted.get(name, []))
        return [error.kind for error in books.errors()]


def test_a_plain_story_balances() -> None:
    assert Story().errors() == []


def test_an_expired_lease_a_release_and_a_late_result_balance() -> None:
    story = Story()
    story.history[2:] = [
        line("pending", 1, 5, "lease expired"),
        line("claimed", 2, 6),
        line("pending", 2, 7, "released"),
        line("claimed", 3, 7, worker_id="b"),
        line("completed", 3, 8, worker_id="b"),
    ]
    late = outcome("complete", 1, accepted=False, wall=AT_SECOND + 7)
    story.noted["claimed"] += [
        claimed(2, "a", until="2026-01-01T00:00:09.000Z"),
        claimed(3, "b", until="2026-01-01T00:00:09.000Z"),
    ]
    story.noted["outcome"] = [late, outcome("release", 2), outcome("complete", 3, by="b")]
    assert story.errors() == []


def created_is_gone(story: Story) -> None:
    story.tasks, story.history = [], []
    story.noted["claimed"], story.noted["outcome"] = [], []


def made_twice(story: Story) -> None:
    story.tasks.append(story.task("completed", id=2))
    story.history += [line("pending", 0, 0, task_id=2), line("completed", 1, 1, task_id=2)]


def never_ends(story: Story) -> None:
    story.tasks = [story.task("claimed")]
    del story.history[2]
    story.noted["outcome"] = []


def completed_twice(story: Story) -> None:
    story.history.append(line("completed", 1, 3))


def failed_too_early(story: Story) -> None:
    story.tasks = [story.task("failed")]
    story.history[2:] = [
        line("pending", 1, 2, "released"),
        line("claimed", 2, 3),
        line("failed", 2, 4, "oh"),
    ]
    story.noted["outcome"] = [outcome("release", 1), outcome("fail", 2)]


def claimed_while_claimed(story: Story) -> None:
    story.history.insert(2, line("claimed", 2, 2, worker_id="b"))


def claim_is_gone(story: Story) -> None:
    story.noted["claimed"].append(claimed(2, "b"))


def attempt_of_two(story: Story) -> None:
    story.noted["claimed"].append(claimed(1, "b", worker_id="a"))


def result_is_another(story: Story) -> None:
    story.tasks = [story.task("completed", result_json='"other"')]


def completion_is_gone(story: Story) -> None:
    story.history[2:] = [
        line("pending", 1, 5, "lease expired"),
        line("claimed", 2, 6),
        line("completed", 2, 7),
    ]


def refused_and_done(story: Story) -> None:
    story.noted["outcome"] = [outcome("complete", 1, accepted=False)]


def refused_while_held(story: Story) -> None:
    story.noted["outcome"].insert(0, outcome("fail", 1, accepted=False))


def lease_cut_short(story: Story) -> None:
    story.history[2:] = [
        line("pending", 1, 4, "lease expired"),
        line("claimed", 2, 5),
        line("completed", 2, 6),
    ]
    story.noted["outcome"] = []


@pytest.mark.parametrize(
    ("spoil", "kinds"),
    [
        (created_is_gone, [LOST]),
        (made_twice, [DOUBLED]),
        (never_ends, [LOST]),
        (completed_twice, [DOUBLED]),
        (failed_too_early, [LOST]),
        (claimed_while_claimed, [DOUBLED]),
        (claim_is_gone, [LOST]),
        (attempt_of_two, [DOUBLED]),
        (result_is_another, [LOST]),
        (completion_is_gone, [LOST]),
        (refused_and_done, [REFUSED]),
        (refused_while_held, [REFUSED]),
        (lease_cut_short, [DOUBLED]),
    ],
)
def test_what_does_not_balance_is_noticed(spoil: Callable[[Story], None], kinds: list[str]) -> None:
    story = Story()
    spoil(story)
    assert story.errors() == kinds


def test_spans_that_touch_are_one_after_the_other() -> None:
    assert most_at_once([Span(1.0, 2.0), Span(2.0, 3.0), Span(2.5, float("inf"))]) == 2


@pytest.mark.parametrize(
    ("name", "key", "starts", "texts"),
    [
        ("running", None, (1, 2), []),
        ("running", None, (1, 2, 3), ["running: 3 and not 2"]),
        ("keyed", "a", (1, 20), []),
        ("keyed", "a", (1, 2), ["keyed, key a: 2 and not 1"]),
        ("keyed", None, (1, 2), []),
        ("rated", None, [1 + number / 15 for number in range(30)], []),
        ("rated", None, [1 + number / 17 for number in range(16)], ["rated in a period: 16"]),
        ("chaos", "a", range(9), []),
    ],
)
def test_limits(name: str, key: str | None, starts: Sequence[float], texts: list[str]) -> None:
    """Tasks that are claimed at these seconds, for ten seconds each."""
    tasks = [{"id": n, "type": name, "concurrency_key": key} for n, _ in enumerate(starts)]
    history = {
        n: [{"status": "claimed", "time": start}, {"status": "completed", "time": start + 10}]
        for n, start in enumerate(starts)
    }
    found = [
        error.text[: len(text)] for error, text in zip(exceeded(LIMITS, tasks, history), texts)
    ]
    assert found == texts
    assert len(list(exceeded(LIMITS, tasks, history))) == len(texts)


MADE = {"event": "made", "id": 1, "at": 10.0, "params": {"n": 1}}
EDITING = {"event": "editing", "id": 1, "at": 11.0, "params": {"n": 2}}
EDITED = {**EDITING, "event": "edited", "at": 12.0}
DELETING = {"event": "changing", "id": 1, "at": 11.0, "what": "delete"}


@pytest.mark.parametrize(
    ("events", "params", "kinds"),
    [
        ([MADE], {"n": 1}, []),
        ([MADE], {"n": 2}, [LOST]),
        ([MADE], None, [LOST]),
        ([MADE, EDITING], {"n": 1}, []),
        ([MADE, EDITING], {"n": 2}, []),
        ([MADE, EDITING, EDITED], {"n": 1}, [LOST]),
        ([MADE, EDITING, EDITED], {"n": 2}, []),
        ([MADE, DELETING], None, []),
        ([MADE, DELETING], {"n": 1}, []),
        ([MADE, DELETING, {"event": "deleted", "id": 1, "at": 12.0}], {"n": 1}, [LOST]),
        ([{"event": "type deleted", "name": "gone", "at": 12.0}], None, []),
        ([{"event": "type deleted", "name": "kept", "at": 12.0}], None, [LOST]),
    ],
)
def test_what_an_operator_was_told(
    events: list[dict[str, Any]], params: dict[str, Any] | None, kinds: list[str]
) -> None:
    tasks = {} if params is None else {1: {"params_json": json.dumps(params)}}
    books = OperatorBooks(tasks, ["kept"], [], _named(events))
    assert [error.kind for error in books.errors()] == kinds


def _named(events: list[dict[str, Any]]) -> Callable[[str], list[dict[str, Any]]]:
    return lambda name: [event for event in events if event["event"] == name]


@pytest.mark.parametrize(
    ("runs", "tasks", "kinds"),
    [
        ([(0, 1), (1, 2), (2, 3)], 3, []),
        ([(0, 1), (2, 2)], 2, [LOST]),
        ([(0, 1), (1, None)], 1, [LOST]),
        ([(0, 1), (1, 2)], 3, [DOUBLED]),
        ([(0, 1), (1, 1)], 2, [DOUBLED]),
        ([(0, 1), (1, 2)], 1, [LOST]),
    ],
)
def test_times_of_a_schedule(
    runs: list[tuple[int, int | None]], tasks: int, kinds: list[str]
) -> None:
    rows = {n: {"params_json": json.dumps({"schedule": EVERY_TIME})} for n in range(tasks)}
    told = [
        {"name": EVERY_TIME, "due_at": f"2026-01-01 00:00:0{second}.000", "task_id": task_id}
        for second, task_id in runs
    ]
    books = OperatorBooks(rows, [], told, _named([]))
    assert [error.kind for error in books.errors()] == kinds


JSON = {"content-type": "application/json", "cache-control": "no-store"}
BUSY = {"success": False, "error": "wait", "message": "wait", "code": "busy", "timestamp": 1}
DONE = {"success": True, "message": "done", "data": {}, "timestamp": 1}


@pytest.mark.parametrize(
    ("status", "headers", "response", "words"),
    [
        (200, JSON, DONE, ""),
        (503, {**JSON, "retry-after": "2"}, BUSY, ""),
        (503, JSON, BUSY, "503 without Retry-After"),
        (200, {**JSON, "content-type": "text/html"}, DONE, "content type text/html"),
        (200, {"content-type": "application/json"}, DONE, "no Cache-Control"),
        (500, JSON, {**BUSY, "code": "internal"}, "code 'internal' with status 500"),
        (404, JSON, {**BUSY, "code": "not_found"}, "status 404 for claim"),
        (200, JSON, {**DONE, "success": False}, "no success"),
        (409, JSON, {**BUSY, "code": "lease_lost", "error": "x"}, "no error text"),
    ],
)
def test_responses_outside_the_contract(
    status: int, headers: dict[str, str], response: dict[str, Any], words: str
) -> None:
    found = complaint("claim", status, headers, json.dumps(response).encode())
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_html_is_outside_the_contract() -> None:
    page = b"<html><title>502 Bad Gateway</title>"
    assert complaint("claim", 502, JSON, page).startswith("502 without a JSON object")
