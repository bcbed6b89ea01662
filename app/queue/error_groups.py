"""Errors in groups: those that differ only in their numbers, ids, paths and quoted values are one.

A failure is put into its group when it ends a task, in the same transaction.
"""

from __future__ import annotations

import re

from app.db.connection import id_list
from app.hashes import sha256
from app.queue.bound_values import BoundValues
from app.queue.waiting_again import WAITS_AGAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Dialect, Statement

LOOKED_AT = 1000
"""Characters of an error by which it is grouped: what differs in a long one stands at its end."""

LARGEST = 2**53 - 1
"""The numbers of groups are read by JavaScript, too, which has no larger whole numbers."""

# What differs between two occurrences of one error. The order matters: what holds others is first.
_URL = r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+"
# An apostrophe within a word opens no quotation.
_QUOTED = r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|`[^`\n]*`|«[^»\n]*»|“[^”\n]*”"
_UUID = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
_MAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_PATH = r"(?<![\w/])(?:~|\.{1,2})?(?:/[\w.@%+-]+)+/?|\b[a-z]:\\[^\s:]+"
_WITH_A_DIGIT = r"\b(?:0x)?[0-9a-f]{8,}\b|[\w-]*\d[\w-]*"

_VARIABLE = re.compile("|".join([_URL, _QUOTED, _UUID, _MAIL, _PATH, _WITH_A_DIGIT]), re.IGNORECASE)
_PLACEHOLDERS = re.compile(r"\*(?:[\s.,:;*/()\[\]+-]*\*)+")
_SPACE = re.compile(r"\s+")


def normalized(error: str) -> str:
    """The error with an asterisk for each part that differs between its occurrences."""
    text = _VARIABLE.sub("*", error[:LOOKED_AT])
    return _SPACE.sub(" ", _PLACEHOLDERS.sub("*", text)).strip().lower()


def group_of(error: str) -> int:
    """The group's number, from 1: the same for errors that are the same but for such parts."""
    digest = sha256(normalized(error).encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") & LARGEST) or 1


def record(sql: Dialect, condition: str, group: str, values: dict[str, Any]) -> Statement:
    """Puts the tasks that ``condition`` finds into a group, which is an SQL expression."""
    there = sql.unless_there("task_errors.error_group", "task_errors.task_id")
    return (
        "INSERT INTO task_errors (error_group, task_id, type_id) "
        f"SELECT {group}, id, type_id FROM tasks {sql.by_primary_key} WHERE {condition} {there}",
        values,
    )


def record_each(
    sql: Dialect, task_ids: Sequence[int], change_id: int, groups: Sequence[int]
) -> Statement:
    """Puts those of these tasks that the change made failed into their groups, and notes those that
    wait for their next attempt.
    """
    tasks = BoundValues(task_ids)
    tasks.values["change_id"] = change_id
    group = tasks.own("error_group", groups)
    condition = (
        f"{tasks.is_one_of_them} AND change_id = :change_id AND status IN ('failed', 'scheduled')"
    )
    kind = f"CASE status WHEN 'failed' THEN {group} ELSE {WAITS_AGAIN} END"
    return record(sql, condition, kind, tasks.values)


def forget(sql: Dialect, task_ids: Sequence[int]) -> Statement:
    """Takes those of these tasks that are not failed any more out of their groups: to be sent after
    the statements that delete or retry tasks.
    """
    return (
        f"DELETE FROM task_errors WHERE task_id IN ({id_list(task_ids)}) AND NOT EXISTS "
        f"(SELECT 1 FROM tasks {sql.by_primary_key} "
        "WHERE tasks.id = task_errors.task_id AND tasks.status = 'failed')",
        {},
    )
