"""The worker from cron, on a host that kills processes after a minute and allows two at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.net import wait_until
from tests.support.server import PROJECT
from tests.worker.support import SECONDS, Queue
from tests.worker_faults.claim_history import claims_of
from tests.worker_faults.host import Host, command_of
from tests.worker_faults.journal import Journal

COMMAND = "python worker.py --until-empty --max-time 55 --lock"
TYPES = ("cron.work", "mail.work", "video.work")

# A minute of the host, scaled: time to start Python and to say the last words is not.
MAX_TIME = 8.0
MINUTE = 4.5
LIMIT = 16.0
ENDLESS = 1000


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.fixture
def host(queue: Queue, tmp_path: Path) -> Iterator[Host]:
    for name in TYPES:
        queue.register(name, timeout=4, retry_delay=0.2, max_attempts=3)
    host = Host(tmp_path / "home", queue.url, queue.key, "cron")
    yield host
    host.end()


def in_folder(command: str) -> str:
    return f"cd $HOME/queue && {command}"


def test_a_day_of_cron(queue: Queue, host: Host) -> None:
    """One command after the other until all is done, though no run has time for all of it."""
    journal = Journal(host.folder)
    endless = queue.create("cron.work", {"seconds": ENDLESS}, max_attempts=2)
    hopeless = [queue.create("cron.work", {"fails": 99}, max_attempts=2) for _ in range(2)]
    good = [queue.create("cron.work", {"fails": fails}) for fails in (1, 2)]
    good += [queue.create("cron.work", {"seconds": seconds}) for seconds in (3.5, 0.5, 0.5)]
    good += [queue.create("cron.work", {"seconds": 0.02}) for _ in range(15)]
    everything = [endless, *hopeless, *good]

    def done() -> bool:
        if len(host.runs) == 3 and len(everything) < 25:
            everything.append(queue.create("cron.work"))
            good.append(everything[-1])
        return set(queue.statuses(everything)) <= {"completed", "failed"}

    command = in_folder(COMMAND.replace("--max-time 55", f"--max-time {MAX_TIME}"))
    host.live(command, MINUTE, LIMIT, done, 120)

    assert queue.statuses(good) == ["completed"] * len(good)
    assert queue.statuses([endless, *hopeless]) == ["failed"] * 3
    assert [queue.attempts_left(each) for each in [endless, *hopeless]] == [0, 0, 0]
    # Beside its two attempts, one that was begun late and given back.
    assert 2 <= journal.ids("begun").count(endless) <= 4
    assert [journal.ids("ended").count(each) for each in good] == [1] * len(good)
    assert host.most_at_once == 2
    assert len(host.runs) >= 3
    for run in host.runs:
        assert run.killed or run.process.returncode == 0, run.printed()
        assert "Traceback" not in run.printed()
    check_one_at_a_time(journal)


def check_one_at_a_time(journal: Journal) -> None:
    """When another process has begun to work, those before it are not heard of again."""
    turns = [pid for pid, _ in groupby(note.pid for note in journal.notes())]
    assert len(turns) == len(set(turns)), turns


def test_a_task_that_was_running_when_the_host_killed_is_not_begun_for_ever(
    queue: Queue, host: Host
) -> None:
    """A host that kills sooner than --max-time: only leases count then."""
    queue.register("cron.work", timeout=1, max_attempts=2)
    endless, other = queue.create("cron.work", {"seconds": ENDLESS}), queue.create("cron.work")
    journal = Journal(host.folder)
    hit = []

    def done() -> bool:
        if journal.ids("begun").count(endless) > len(hit):
            hit.append([host.kill(run) for run in host.running()])
        return queue.statuses([endless, other]) == ["failed", "completed"]

    host.live(in_folder(COMMAND), 0.5, SECONDS, done, SECONDS)
    assert queue.task(endless)["error_message"] == "lease expired"
    assert [claim.ended for claim in claims_of(queue.server, endless)] == ["expired", "expired"]
    assert journal.ids("begun").count(endless) == len(hit) == 2


def test_nothing_to_do_is_said_by_nothing(host: Host) -> None:
    assert host.run(in_folder(COMMAND)) == (0, "")


def test_a_second_one_ends_at_once_and_says_nothing(queue: Queue, host: Host) -> None:
    queue.register("cron.work", timeout=60)
    held, waiting = queue.create("cron.work", {"gate": "open"}), queue.create("cron.work")
    first = host.start(in_folder(COMMAND))
    journal = Journal(host.folder)
    wait_until(lambda: journal.ids("begun") == [held], SECONDS, "the first task to begin")
    assert host.run(in_folder(COMMAND)) == (0, "")
    assert first.process.poll() is None
    assert journal.ids("begun") == [held]
    (host.folder / "open").touch()
    assert first.process.wait(SECONDS) == 0
    assert queue.statuses([held, waiting]) == ["completed"] * 2
    check_one_at_a_time(journal)


def test_the_lock_of_a_killed_one_is_free(queue: Queue, host: Host) -> None:
    queue.register("cron.work", timeout=1, max_attempts=2)
    task_id = queue.create("cron.work", {"gate": "open"})
    first = host.start(in_folder(COMMAND))
    journal = Journal(host.folder)
    wait_until(lambda: journal.ids("begun") == [task_id], SECONDS, "the task to begin")
    host.kill(first)
    (host.folder / "open").touch()
    host.live(
        in_folder(COMMAND),
        *(0.5, SECONDS),
        done=lambda: queue.task(task_id)["status"] == "completed",
        seconds=SECONDS,
    )
    assert [claim.ended for claim in claims_of(queue.server, task_id)] == ["expired", "completed"]


def printed_lines() -> dict[str, str]:
    """The crontab lines for worker.py that the documents and examples print."""
    found = {}
    for path in [
        PROJECT / "README.md",
        *sorted((PROJECT / "docs").glob("*.md")),
        *sorted((PROJECT / "examples" / "deploy").glob("*")),
    ]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if re.match(r"#?\S*\*\S* \* \* \* \* .*[ /]worker\.py", line):
                found[f"{path.relative_to(PROJECT)}:{number}"] = line
    return found


LINES = printed_lines()


def test_the_documents_print_lines() -> None:
    sources = {place.rpartition(":")[0] for place in LINES}
    assert sources >= {"README.md", "docs/workers.md", "examples/deploy/crontab"}


@pytest.mark.parametrize("place", LINES)
def test_a_printed_line_works_as_printed(queue: Queue, host: Host, place: str) -> None:
    command = command_of(LINES[place])
    pattern = re.search(r"--type-pattern '(\w+\.)%'", command)
    ids = {name: queue.create(name) for name in TYPES}
    wanted = [ids[name] for name in TYPES if name.startswith(pattern[1] if pattern else "")]
    run = host.start(command)
    for task_id in wanted:
        queue.wait_for(task_id, "completed")
    if "--until-empty" in command:
        assert run.process.wait(SECONDS) == 0, run.printed()
    else:
        host.stop(run)
    assert sorted(Journal(host.folder).ids("ended")) == sorted(wanted)


@pytest.mark.parametrize(
    "place", [place for place, line in LINES.items() if "--until-empty" in line]
)
def test_a_printed_line_is_silent_when_there_is_nothing_to_do(host: Host, place: str) -> None:
    assert host.run(command_of(LINES[place])) == (0, "")
    assert [path.read_text("utf-8") for path in host.folder.glob("*.log")] in ([], [""])
