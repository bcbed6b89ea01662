"""Whether all is well, and if not, what is wrong: the most urgent first.

``verdict_facts`` reads what the rules below judge; ``app.verdict_text`` says it in sentences.
"""

from __future__ import annotations

from app.queue.queue_health import unattended_seconds
from app.queue.statistics.activity import FEWEST_ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from app.config import Settings
    from app.queue.verdict_facts import Facts

SEVERITIES = ("critical", "warning", "notice")
"""``critical``: tasks are not done. ``warning``: some are not, or soon will not be. ``notice``:
worth knowing, and perhaps on purpose.
"""

FEWEST_FAILED = 3
FAILING_SHARE = 0.05
"""From this share of a type's tasks on, of those that ended within the hour, it is told of."""

OVERDUE_SECONDS = 600.0
"""How long after its time a schedule may wait for the claim that sees to it."""

KEPT_TOO_LONG = 20
"""So many of the hundred oldest tasks of a status must be over before pruning counts as behind:
single ones are left to its slow sweeps on purpose."""


class Trouble:
    """One thing that is wrong. ``code`` says which; ``about`` is the ``type``, ``worker``,
    ``schedule`` or ``status`` that it concerns, as a pair with its name, None for the whole queue;
    ``values`` are the numbers and names of its sentence.
    """

    def __init__(
        self, code: str, severity: str, about: tuple[str, str] | None = None, **values: Any
    ) -> None:
        self.code = code
        self.severity = severity
        self.about = about
        self.values = values


class Verdict:
    """``troubles`` come in the order of their urgency; all ``is_well`` without any but notices.
    ``as_of`` is the stored time at which it was judged.
    """

    def __init__(self, as_of: str, troubles: Sequence[Trouble]) -> None:
        self.as_of = as_of
        self.troubles = sorted(troubles, key=lambda each: SEVERITIES.index(each.severity))

    @property
    def is_well(self) -> bool:
        return all(each.severity == "notice" for each in self.troubles)


def judge(facts: Facts, settings: Settings) -> Verdict:
    """Among troubles of one severity, the order of these rules is that of their urgency."""
    troubles = [
        *_paused(facts),
        *_no_worker(facts, settings),
        *_late(facts, settings),
        *_unattended(facts, settings),
        *_silent_workers(facts),
        *_failing_types(facts, settings),
        *_schedules(facts),
        *_held_types(facts),
        *_behind(facts),
    ]
    return Verdict(facts.as_of, troubles)


def old_tables(as_of: str, found: int, needed: int) -> Verdict:
    """Nothing else can be judged with tables of an earlier version."""
    return Verdict(as_of, [Trouble("old_tables", "critical", found=found, needed=needed)])


def _paused(facts: Facts) -> Iterator[Trouble]:
    """Then nothing is overdue: all tasks wait on purpose."""
    if facts.paused_seconds is not None:
        yield Trouble(
            "queue_paused", "warning", seconds=facts.paused_seconds, waiting=facts.waiting
        )


def _no_worker(facts: Facts, settings: Settings) -> Iterator[Trouble]:
    if facts.oldest_due_age is None:
        return  # nothing waits for one
    if facts.silent_seconds is None:
        if facts.oldest_due_age > settings.health_max_silence:
            yield Trouble("never_a_worker", "critical", waiting=facts.waiting)
    elif facts.silent_seconds > settings.health_max_silence:
        yield Trouble("no_worker", "critical", seconds=facts.silent_seconds, waiting=facts.waiting)


def _late(facts: Facts, settings: Settings) -> Iterator[Trouble]:
    """What waited while the queue was paused has time from the resume on."""
    age, limit = facts.oldest_due_age, settings.health_max_age
    waited = age if facts.resumed_seconds is None else min(age or 0.0, facts.resumed_seconds)
    if age is not None and waited is not None and waited > limit:
        yield Trouble("oldest_due", "critical", seconds=age, limit=limit)


def _unattended(facts: Facts, settings: Settings) -> Iterator[Trouble]:
    """Where no worker is seen, that is said already."""
    limit = settings.health_max_silence
    seconds = unattended_seconds(facts.cron_age, facts.web_run_age, limit)
    if seconds is not None and (facts.silent_seconds or 0.0) <= limit:
        yield Trouble("unattended", "warning", seconds=seconds)


def _silent_workers(facts: Facts) -> Iterator[Trouble]:
    for row in facts.silent_holders:
        yield Trouble(
            "silent_worker",
            "warning",
            ("worker", row["worker_id"]),
            seconds=float(row["silent_seconds"]),
            held=int(row["held"]),
        )


def _failing_types(facts: Facts, settings: Settings) -> Iterator[Trouble]:
    """The one with the most failures first."""
    for each in sorted(facts.ended, key=lambda each: -each.failed):
        total = each.completed + each.failed
        if total < FEWEST_ENDED or each.failed < FEWEST_FAILED:
            continue
        share = each.failed / total
        if share >= FAILING_SHARE:
            most_fail = share > settings.health_max_failure_share
            yield Trouble(
                "type_failing",
                "critical" if most_fail else "warning",
                ("type", each.name),
                failed=each.failed,
                ended=total,
                share=share,
                error=each.error,
                error_group=each.error_group,
            )


def _schedules(facts: Facts) -> Iterator[Trouble]:
    for row in facts.schedules:
        about = ("schedule", row["name"])
        overdue = row["overdue_seconds"]
        if overdue is not None and float(overdue) > OVERDUE_SECONDS:
            yield Trouble("schedule_overdue", "warning", about, seconds=float(overdue))
        elif row["last_due_at"] is not None and row["last_task_id"] is None:
            yield Trouble(
                "schedule_made_nothing",
                "warning",
                about,
                at=row["last_due_at"],
                message=row["last_message"],
            )
        elif row["last_status"] == "failed":
            yield Trouble(
                "schedule_task_failed",
                "warning",
                about,
                at=row["last_due_at"],
                task_id=row["last_task_id"],
            )
        elif str(row["last_message"] or "").startswith("missed"):
            yield Trouble(
                "schedule_missed",
                "notice",
                about,
                at=row["last_due_at"],
                message=row["last_message"],
            )


def _held_types(facts: Facts) -> Iterator[Trouble]:
    for each in facts.held_types:
        about = ("type", each.name)
        if each.is_paused and each.waiting:
            yield Trouble("type_paused", "notice", about, waiting=each.waiting)
        elif each.is_full and each.pending:
            yield Trouble(
                "type_full", "notice", about, waiting=each.pending, max_running=each.max_running
            )
        elif not each.is_active and each.waiting:
            yield Trouble("type_inactive", "notice", about, waiting=each.waiting)


def _behind(facts: Facts) -> Iterator[Trouble]:
    for status, count in facts.kept_too_long.items():
        if count >= KEPT_TOO_LONG:
            yield Trouble("retention_behind", "warning", ("status", status))
    if facts.statistics_are_behind:
        yield Trouble("statistics_behind", "warning")
