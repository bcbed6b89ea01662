"""What holds of the tables at every moment, whatever was called before.

Each check takes the rows and says what is wrong; ``broken`` runs all of them. Nothing here knows
the model: the same checks look at a queue that eight clients used at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from app.queue.upkeep.reclaim import LEASE_EXPIRED
from app.queue.waiting_again import WAITS_AGAIN
from tests.model.rows import Row, Rows, each_row, shown, tags_of

HELD_BACK = ("blocked", "throttled")
READY = ("pending", *HELD_BACK)
WAITING = (*READY, "scheduled")
HELD = ("claimed",)
ENDED = ("completed", "failed", "cancelled")
STATUSES = (*WAITING, *HELD, *ENDED)

RELEASED, RETRY, PROMOTED = "released", "retry", "promoted"


def broken(rows: Rows) -> list[str]:
    """What is wrong; an empty list when everything holds."""
    return [what for check in CHECKS for what in check(rows)]


def columns_agree_with_status(rows: Rows) -> list[str]:
    """Each task is in exactly one state, and its columns say the same."""
    return each_row(rows, lambda row, _: [what for what, holds in _columns(row) if not holds])


def _columns(row: Row) -> list[tuple[str, bool]]:
    status = row["status"]
    held = [row[name] is not None for name in ("claimed_by", "claimed_at", "lease", "claim_id")]
    limit = row["max_attempts"] - (status in WAITING)
    return [
        ("a status", status in STATUSES),
        ("due_at of what waits or is held", (row["due_at"] is not None) == _has_due(status)),
        ("completed_at of what has ended", (row["completed_at"] is not None) == (status in ENDED)),
        ("a cancel asked of what is held", not row["cancel_requested"] or status in HELD),
        ("a holder", status not in HELD or all(held)),
        ("an attempt", status not in HELD or row["attempts"] > 0),
        ("no outcome yet", status not in HELD or row["last_outcome"] is None),
        ("attempts left, or none too many", 0 <= row["attempts"] <= limit),
        ("releases among the attempts", 0 <= row["releases"] <= row["attempts"]),
        ("a completion", status != "completed" or _is_completion(row)),
        ("a result of what is completed", row["result_json"] is None or status == "completed"),
        ("an error of what failed", status != "failed" or row["error_message"] is not None),
        ("one key, or a former one", not (row["dedupe_key"] and row["former_dedupe_key"])),
        ("a slot of its key", row["key_slot"] == _slot(row)),
        ("progress in percent", row["progress"] is None or 0 <= row["progress"] <= 100),
    ]


def _slot(row: Row) -> int | None:
    if row["concurrency_key"] is None or row["status"] not in (*READY, *HELD):
        return None
    return 0 if row["status"] == "blocked" else 1


def _has_due(status: str) -> bool:
    return status in ("scheduled", "claimed")


def _is_completion(row: Row) -> bool:
    return (row["last_outcome"], row["progress"], row["error_message"]) == ("completed", 100, None)


def history_tells_the_task(rows: Rows) -> list[str]:
    """The history is that of one life: made once, each attempt claimed once and ended at most
    once, and its last line is what the task is now.
    """
    return each_row(rows, _history)


def _history(row: Row, history: list[Row]) -> list[str]:
    if not history:
        return ["has no history"]
    claims = [line["attempt"] for line in history if line["status"] == "claimed"]
    endings = Counter(line["attempt"] for line in history if _is_ending(line))
    releases = sum(line["message"] == RELEASED and line["seconds"] is None for line in history)
    attempts = [line["attempt"] for line in history]
    facts = [
        ("ends as the task", _state(history[-1]) == (_told(row), row["attempts"])),
        ("begins with the create", _state(history[0]) in (("pending", 0), ("scheduled", 0))),
        ("has each claim once", claims == list(range(1, row["attempts"] + 1))),
        ("ends no attempt twice", all(count == 1 for count in endings.values())),
        ("ends every attempt but the one that is on", _are_ended(row, endings)),
        ("counts the releases", releases == row["releases"]),
        ("goes forward", attempts == sorted(attempts)),
        ("has only changes that there are", _are_changes(history)),
    ]
    return [f"history no longer {what}" for what, holds in facts if not holds]


def _told(row: Row) -> str:
    """People know what a limit holds back as pending."""
    return "pending" if row["status"] in HELD_BACK else str(row["status"])


def _state(line: Row) -> tuple[str, int]:
    return line["status"], line["attempt"]


def _is_ending(line: Row) -> bool:
    by_itself = line["message"] in (LEASE_EXPIRED, RELEASED) and line["worker_id"] is not None
    return line["seconds"] is not None or by_itself


def _are_ended(row: Row, endings: Counter[int]) -> bool:
    on = row["attempts"] if row["status"] == "claimed" else row["attempts"] + 1
    return sorted(endings) == list(range(1, on))


def _are_changes(history: list[Row]) -> bool:
    """Each line follows from the one before: nothing is claimed twice, or goes on after its end
    without a retry.
    """
    return all(_may_follow(before, after) for before, after in zip(history, history[1:]))


def _may_follow(before: Row, after: Row) -> bool:
    if before["status"] == "claimed":
        return after["attempt"] == before["attempt"] and _is_ending(after)
    if after["message"] == RETRY and after["worker_id"] is None:
        return before["status"] in ("scheduled", "failed", "cancelled")
    if before["status"] == "scheduled" and after["status"] == "pending":
        return after["message"] == PROMOTED
    return (before["status"], after["status"]) in (
        ("pending", "claimed"),
        ("pending", "cancelled"),
        ("scheduled", "cancelled"),
    )


def failed_tasks_are_in_groups(rows: Rows) -> list[str]:
    """Each failed task is in the group that the line of its failure names; each that has failed and
    waits for its next attempt is noted as that; and no other task is.
    """
    expected = {
        row["id"]: [rows.history[row["id"]][-1]["error_group"]]
        for row in rows.with_status("failed")
        if rows.history[row["id"]]
    }
    for row in rows.with_status("scheduled"):
        if row["attempts"] > row["releases"]:
            expected[row["id"]] = [WAITS_AGAIN]
    ids = sorted({*expected, *rows.error_groups})
    return [
        f"task {each} is in groups {rows.error_groups.get(each)}, not in {expected.get(each)}"
        for each in ids
        if rows.error_groups.get(each) != expected.get(each)
    ]


def statistics_count_the_tasks(rows: Rows) -> list[str]:
    """What is rolled up, and the rest of the history, come to what counting all tasks finds."""
    expected = Counter(
        (row["type_id"], _told(row), _error_group(rows, row)) for row in rows.tasks.values()
    )
    differing = {key: rows.counts.get(key) for key in {*expected, *rows.counts}}
    return [
        f"{total} tasks of {key} are counted, and there are {expected[key]}"
        for key, total in differing.items()
        if total != expected[key]
    ]


def _error_group(rows: Rows, row: Row) -> int:
    history = rows.history[row["id"]]
    return history[-1]["error_group"] if row["status"] == "failed" and history else 0


def nothing_outlives_its_task(rows: Rows) -> list[str]:
    """Deleting a task takes its history and its tags along; every task has a type."""
    found = [
        f"history of no task {task_id}: {shown(history)}"
        for task_id, history in rows.history.items()
        if history and task_id not in rows.tasks
    ]
    types = [row["id"] for row in rows.tasks.values() if row["type_id"] not in rows.types]
    return found + [f"task {each} has no type" for each in types]


def tags_are_rows(rows: Rows) -> list[str]:
    expected = {
        (row["id"], tag, row["type_id"]) for row in rows.tasks.values() for tag in tags_of(row)
    }
    differing = expected.symmetric_difference(rows.tags)
    return [f"rows and column of tags differ: {sorted(differing)}"] if differing else []


def keys_are_unique(rows: Rows) -> list[str]:
    """No two tasks of a type have one dedupe key, those that were pruned included."""
    tasks: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row in rows.tasks.values():
        if row["dedupe_key"] is not None:
            tasks[row["type_id"], row["dedupe_key"]].append(row["id"])
    for key, row in rows.used_keys.items():
        tasks[key].append(row["task_id"])
    return [f"key {key} of {ids}" for key, ids in tasks.items() if len(ids) > 1]


def holders_are_known(rows: Rows) -> list[str]:
    """Whoever holds a task is among the workers, and a claim is one worker's."""
    unknown = {row["claimed_by"] for row in rows.with_status("claimed")} - set(rows.workers)
    claims: dict[int, set[str]] = defaultdict(set)
    for row in rows.with_status("claimed"):
        claims[row["claim_id"]].add(row["claimed_by"])
    shared = [f"claim {claim} of {each}" for claim, each in claims.items() if len(each) > 1]
    return [f"worker {each!r} holds a task and is unknown" for each in sorted(unknown)] + shared


def workers_were_seen(rows: Rows) -> list[str]:
    return [
        f"worker was last seen before it was first seen: {row}"
        for row in rows.workers.values()
        if row["last_seen_at"] < row["first_seen_at"]
    ]


def limits_are_kept(rows: Rows) -> list[str]:
    """Of a key no more tasks have a slot than may, but for those that were claimed before its limit
    was lowered.
    """
    slots: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for row in rows.tasks.values():
        if row["key_slot"] == 1:
            slots[row["type_id"], row["concurrency_key"]][row["status"]] += 1
    wrong = []
    for (type_id, key), counts in slots.items():
        most = rows.types[type_id]["max_per_key"]
        waiting = counts["pending"] + counts["throttled"]
        if most is not None and waiting > max(0, most - counts["claimed"]):
            wrong.append(f"key {key!r} of type {type_id} may have {most} slots: {counts}")
    return wrong


def nothing_is_held_back_for_ever(rows: Rows) -> list[str]:
    """What is held back has a lane, which is due, or not before something changes."""
    slots = Counter(
        (row["type_id"], row["concurrency_key"])
        for row in rows.tasks.values()
        if row["key_slot"] == 1
    )
    wrong = []
    for row in rows.with_status(*HELD_BACK):
        type_id, key = row["type_id"], row["concurrency_key"]
        is_blocked = row["status"] == "blocked"
        lane = rows.lanes.get((type_id, key if is_blocked else ""))
        most = rows.types[type_id]["max_per_key"]
        if lane is None:
            wrong.append(f"no lane lets task {row['id']} through: {row}")
        elif is_blocked and lane["due_at"] is None and (most is None or slots[type_id, key] < most):
            wrong.append(f"the lane of task {row['id']} is not due though it may go on: {row}")
    return wrong


CHECKS: tuple[Callable[[Rows], list[str]], ...] = (
    columns_agree_with_status,
    history_tells_the_task,
    failed_tasks_are_in_groups,
    statistics_count_the_tasks,
    nothing_outlives_its_task,
    tags_are_rows,
    keys_are_unique,
    holders_are_known,
    workers_were_seen,
    limits_are_kept,
    nothing_is_held_back_for_ever,
)
