"""--lock: of workers that would overlap, the second one does nothing."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import stat
import time
from pathlib import Path

import click
import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish, is_running
from worker import Holder, LockFile, lock_for

HOLD = """
@task('t.hold')
def f(params):
    open(f"began-{params['number']}", 'w').close()
    while not os.path.exists('open'):
        time.sleep(0.02)
"""
ECHO = """
@task("t.echo")
def f(params):
    return params
"""
OTHER = """
from worker import task


@task("t.other")
def other(params):
    return 1
"""

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@sqlite
@pytest.mark.parametrize("lock", [("--lock",), ("--lock", "my.lock")], ids=["auto", "path"])
def test_a_second_worker_ends_at_once_and_in_silence(
    queue: Queue, workers: Workers, lock: tuple[str, ...]
) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold", timeout=2)
    running, waiting = queue.create_many("t.hold", 2)
    first = workers.start("--batch", "1", "--until-empty", *lock)
    workers.wait_for_file("began-0")
    assert workers.run("--until-empty", *lock) == (0, "")
    assert queue.task(waiting)["status"] == "pending"
    # A killed process cannot keep its lock; the task comes back when its lease has ended.
    first.kill()
    first.wait(SECONDS)
    workers.make_file("open")
    third = workers.start("--max-runs", "2", "--poll-interval", "0.1", *lock)
    code, output = finish(third)
    assert code == 0
    assert "completed 2" in output
    assert queue.statuses([running, waiting]) == ["completed"] * 2


@sqlite
def test_the_log_file_tells_who_has_the_lock(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold")
    queue.create("t.hold", {"number": 0})
    first = workers.start("--until-empty", "--lock")
    workers.wait_for_file("began-0")
    assert workers.run("--lock", "--log-file", "second.log") == (0, "")
    line = (workers.folder / "second.log").read_text("utf-8")
    assert re.search(rf" INFO another worker has locked .* \(process {first.pid} on .*\): ", line)
    workers.make_file("open")
    assert finish(first)[0] == 0
    (path,) = workers.folder.glob(".cache/taskmanager/worker-*.lock")
    assert json.loads(path.read_text())["pid"] == first.pid
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@sqlite
def test_another_kind_of_worker_is_not_locked_out(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    (workers.folder / "other.py").write_text(OTHER)
    queue.register("t.hold")
    queue.register("t.other")
    queue.create("t.hold", {"number": 0})
    task_id = queue.create("t.other")
    first = workers.start("--until-empty", LOCK="auto")
    workers.wait_for_file("began-0")
    assert workers.run("--until-empty", "--handlers", "other.py", LOCK="auto")[0] == 0
    assert queue.task(task_id)["status"] == "completed"
    workers.make_file("open")
    assert finish(first)[0] == 0


@sqlite
def test_no_lock_is_no_lock(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(ECHO)
    queue.register("t.echo")
    assert workers.run("--until-empty", LOCK="false") == (0, "")
    assert not (workers.folder / "false").exists()
    assert not (workers.folder / ".cache").exists()


@sqlite
@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_what_a_handler_forks_does_not_keep_the_lock(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    """Not even one that lives on because it has made itself a session of its own."""
    workers.write_handlers(
        """
        @task("t.fork")
        def f(params):
            if os.path.exists("forked"):
                return
            if not os.fork():
                os.setsid()
                os.close(1)
                os.close(2)
                with open("forked", "w") as file:
                    file.write(f"{os.getpid()}\\n")
                time.sleep(3600)
            time.sleep(3600)
        """
    )
    queue.register("t.fork", timeout=1)
    task_id = queue.create("t.fork")
    first = workers.start("--lock", *options)
    forked = int(workers.wait_for_line("forked"))
    first.kill()
    first.wait(SECONDS)
    try:
        options = ("--lock", "--max-runs", "1", "--poll-interval", "0.1", *options)
        code, output = workers.run("--max-poll-interval", "0.1", *options)
        assert (code, queue.statuses([task_id])) == (0, ["completed"]), output
        assert is_running(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


@sqlite
def test_a_lock_that_was_left_locked_ends_with_5(queue: Queue, workers: Workers) -> None:
    """By a program that was given the descriptor, whose worker has ended."""
    workers.write_handlers(
        """
        import subprocess


        @task("t.leak")
        def f(params):
            for name in os.listdir("/proc/self/fd"):
                path = f"/proc/self/fd/{name}"
                if os.path.exists(path) and os.readlink(path).endswith("my.lock"):
                    program = subprocess.Popen(
                        ["sleep", "3600"],
                        pass_fds=[int(name)],
                        start_new_session=True,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
            return program.pid
        """
    )
    queue.register("t.leak")
    task_id = queue.create("t.leak")
    assert workers.run("--until-empty", "--lock", "my.lock")[0] == 0
    pid = queue.task(task_id)["result"]
    try:
        code, output = workers.run("--until-empty", "--lock", "my.lock")
        assert code == 5
        assert "something it started keeps the lock" in output
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid), SECONDS, "the program to end")
    assert workers.run("--until-empty", "--lock", "my.lock") == (0, "")


@pytest.mark.parametrize(
    ("age", "max_time", "options", "code"),
    [
        (100, 55, (), 0),
        (200, 55, (), 0),
        (360, 55, (), 5),
        (10**6, 0, (), 0),  # one that is to run for ever
        (10**6, 0, ("--lock-max-age", "86400"), 5),
        (360, 55, ("--lock-max-age", "86400"), 0),
    ],
)
@sqlite
def test_a_holder_past_its_time_ends_with_5(
    workers: Workers, age: float, max_time: float, options: tuple[str, ...], code: int
) -> None:
    workers.write_handlers(ECHO)
    with (workers.folder / "my.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        holder = Holder.here(max_time)
        holder.since = time.time() - age
        file.write(str(holder))
        file.flush()
        found, output = workers.run("--lock", "my.lock", "--max-time", "55", *options)
    assert found == code
    if code:
        assert f"process {os.getpid()} on " in output
        assert "longer than" in output
    else:
        assert output == ""


@sqlite
def test_a_lock_that_cannot_be_made_ends_with_2(workers: Workers) -> None:
    workers.write_handlers(HOLD)
    code, output = workers.run("--lock", "/nowhere/worker.lock")
    assert code == 2
    assert "the lock file /nowhere/worker.lock cannot be written" in output
    assert "Traceback" not in output


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("content")
    (tmp_path / "my.lock").symlink_to(target)
    with pytest.raises(click.UsageError, match="symbolic link"):
        LockFile(tmp_path / "my.lock", False)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(click.UsageError, match="no plain file"):
        LockFile(tmp_path / "pipe", False)
    assert target.read_text() == "content"


def test_a_file_with_something_in_it_is_locked_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    mine, theirs = LockFile(path, False), LockFile(path, False)
    assert mine.take(0) is None
    assert theirs.take(0) == Holder()
    assert path.read_text() == "mine"
    # It is left when the process that has it closes it, and not before.
    theirs.leave()
    third = LockFile(path, False)
    assert third.take(0) is not None
    mine.leave()
    assert third.take(0) is None


def test_a_holder_that_has_ended_is_known(tmp_path: Path) -> None:
    here = Holder.here(55)
    again = Holder.of(str(here))
    assert (again.pid, again.process_started, again.max_time) == (
        os.getpid(),
        here.process_started,
        55,
    )
    assert abs(again.since - here.since) < 0.01
    assert not again.has_ended()
    again.process_started = "1"  # an older process had this number
    assert again.has_ended()
    again.host = "elsewhere"
    assert not again.has_ended()
    for text in ("", "{}", "[]", "nonsense", '{"pid": "x"}', '{"pid": 1, "since": 5}'):
        assert Holder.of(text) == Holder()


def test_the_folder_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    own = home / ".cache" / "taskmanager"
    assert lock_for("auto", "a").path.parent == own
    assert lock_for("auto", "a").path == lock_for("auto", "a").path != lock_for("auto", "b").path
    assert stat.S_IMODE(own.stat().st_mode) == 0o700

    own.chmod(0o770)
    second = temporary / f"taskmanager-{os.geteuid()}"
    assert lock_for("auto", "a").path.parent == second
    second.rename(temporary / "planted")
    second.symlink_to(temporary / "planted")
    with pytest.raises(click.UsageError, match=r"only you can write to.*--lock PATH"):
        lock_for("auto", "a")
    monkeypatch.setenv("HOME", str(tmp_path / "nothing"))
    second.unlink()
    assert lock_for("auto", "a").path.parent == second
    assert not (tmp_path / "nothing").exists()
