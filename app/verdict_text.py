"""A verdict in sentences: for each trouble what is wrong, and what to do about it. Plain text, for
the command line and for pages alike.
"""

from __future__ import annotations

from app.wording import counted, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.queue.verdict import Trouble

    Text = Callable[["Trouble"], tuple[str, str]]


def text_of(trouble: Trouble) -> tuple[str, str]:
    """What is wrong, and what to do: a sentence each."""
    return TEXTS[trouble.code](trouble)


def _name(trouble: Trouble) -> str:
    return trouble.about[1] if trouble.about else ""


def _time(trouble: Trouble) -> str:
    return span(trouble.values["seconds"])


def _tasks(trouble: Trouble) -> str:
    return f"{counted(trouble.values['waiting'], 'task')} {_verb(trouble.values['waiting'])}"


def _verb(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _type_failing(trouble: Trouble) -> tuple[str, str]:
    values = trouble.values
    told = (
        f"{_name(trouble)} is failing: {values['failed']:,} of the {values['ended']:,} tasks that "
        "ended within the last hour."
    )
    if values["error"]:
        told += f" Most say “{values['error'].splitlines()[0][:120]}”."
    return told, "Look at the failures, and pause the type if it should not go on."


TEXTS: dict[str, Text] = {
    "old_tables": lambda t: (
        f"The tables are of version {t.values['found']}, and this program needs version "
        f"{t.values['needed']}.",
        "Run the upgrade, with deploy.py or flask --app passenger_wsgi upgrade-db.",
    ),
    "queue_paused": lambda t: (
        f"The queue has been paused for {_time(t)}, and {_tasks(t)}.",
        "Resume it when tasks should be done again.",
    ),
    "unattended": lambda t: (
        f"Neither cron nor a web run has come for {_time(t)}.",
        "Check the cron line, or the service that calls /api/run.",
    ),
    "never_a_worker": lambda t: (
        f"{_tasks(t)}, and no worker has ever been seen.",
        "Start worker.py, or add the cron line.",
    ),
    "no_worker": lambda t: (
        f"No worker has been seen for {_time(t)}, and {_tasks(t)}.",
        "Check that cron runs, or whatever starts the workers.",
    ),
    "oldest_due": lambda t: (
        f"The oldest due task has waited for {_time(t)}.",
        "Check that there are enough workers for its type, and that one of them claims it.",
    ),
    "silent_worker": lambda t: (
        f"The worker {_name(t)} has been silent for {_time(t)} and holds "
        f"{counted(t.values['held'], 'task')}.",
        "Check that it runs: what it holds is claimed again when the leases end.",
    ),
    "type_failing": _type_failing,
    "schedule_overdue": lambda t: (
        f"The schedule {_name(t)} has been due for {_time(t)}.",
        "The next claim or web run makes its task: check that there is one.",
    ),
    "schedule_made_nothing": lambda t: (
        f"The schedule {_name(t)} made no task at its last time: {t.values['message']}.",
        "Correct the schedule or its type, then run it now if that time matters.",
    ),
    "schedule_task_failed": lambda t: (
        f"The last task of the schedule {_name(t)} failed.",
        f"Look at task {t.values['task_id']} for the reason.",
    ),
    "schedule_missed": lambda t: (
        f"The schedule {_name(t)} was seen to late: {t.values['message']}.",
        "Have cron or a web run come more often, if that matters.",
    ),
    "type_paused": lambda t: (
        f"The type {_name(t)} is paused, and {_tasks(t)}.",
        "Resume it, or cancel them.",
    ),
    "type_full": lambda t: (
        f"The type {_name(t)} runs as many tasks as it may ({t.values['max_running']}), and "
        f"{_tasks(t)}.",
        "Raise max_running if the host can do more.",
    ),
    "type_inactive": lambda t: (
        f"The type {_name(t)} takes no new tasks, and {_tasks(t)} that were made before.",
        "Cancel them if they should not run.",
    ),
    "retention_behind": lambda t: (
        f"Tasks that are {_name(t)} are kept longer than the settings say.",
        "Run flask --app passenger_wsgi prune, or look into the error log for why upkeep fails.",
    ),
    "statistics_behind": lambda t: (
        "The statistics lag behind, so that pages count all tasks and are slow.",
        "Wait for the next claims, which catch up; if it stays, look into the error log.",
    ),
}
"""By the codes of :mod:`app.queue.verdict`."""
