"""Where the log goes, what is in it, and when there must be none."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import wait_until
from tests.support.server import PROJECT
from tests.worker.support import SECONDS, Queue, Workers, finish, read_until

MIXED = """
@task("t.mixed")
def f(params):
    return 1 / params["number"]
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_run_that_finds_nothing_says_nothing(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    assert workers.run("--until-empty") == (0, "")
    assert workers.run("--until-empty", "--max-time", "55", "--lock", "--processes") == (0, "")


def test_a_run_that_did_something_ends_with_a_summary(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    queue.create_many("t.mixed", 2)
    code, output = workers.run("--until-empty")
    assert code == 0
    last = output.splitlines()[-1]
    assert "summary: claimed 2, completed 1, failed 1, released 0, lost 0, seconds " in last


def test_the_level_chooses(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    failing, fine = queue.create_many("t.mixed", 2)
    assert workers.run("--max-runs", "1", "--log-level", "error") == (0, "")
    output = workers.run("--max-runs", "1", LOG_LEVEL="DEBUG")[1]
    assert f"INFO task {fine} t.mixed: Completed successfully in 0.0" in output
    assert "DEBUG summary" in workers.run("--until-empty", LOG_LEVEL="DEBUG")[1]
    queue.create("t.mixed", {"number": 0})
    output = workers.run("--until-empty", LOGGING_LEVEL="warning")[1]
    assert "WARNING task" in output
    assert "summary" not in output
    assert queue.task(failing)["attempts"] == 1


def test_a_file_takes_the_log_instead_of_the_terminal(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    queue.create("t.mixed", {"number": 1})
    assert workers.run("--until-empty", "--log-file", "worker.log") == (0, "")
    queue.create("t.mixed", {"number": 0})
    assert workers.run("--until-empty", LOG_FILE="worker.log") == (0, "")
    # The second run adds to what the first one wrote.
    lines = (workers.folder / "worker.log").read_text("utf-8").splitlines()
    assert [line.count("summary: claimed 1") for line in lines] == [0, 1, 0, 1]
    assert "Failed: ZeroDivisionError" in lines[2]


def test_json_lines_have_fields_for_machines(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        MIXED,
        """
        @on("job:failed")
        def broken(told):
            raise KeyError("žluťoučký")
        """,
    )
    queue.register("t.mixed")
    failing, fine = queue.create_many("t.mixed", 2)
    options = ("--until-empty", "--log-json", "--log-file", "lines", "--debug")
    assert workers.run(*options) == (0, "")
    text = (workers.folder / "lines").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert line["time"].endswith("Z")
        assert line["level"] in ("debug", "info", "warning", "error")
    about = {line["task_id"]: line for line in lines if "attempt" in line}
    assert set(about) == {failing, fine}
    assert (about[failing]["level"], about[fine]["level"]) == ("warning", "info")
    assert (about[failing]["task_type"], about[failing]["attempt"]) == ("t.mixed", 1)
    (trace,) = [line["traceback"] for line in lines if "traceback" in line]
    assert "KeyError: 'žluťoučký'" in trace


def test_a_log_file_that_cannot_be_written_ends_with_2(workers: Workers) -> None:
    workers.write_handlers(MIXED)
    code, output = workers.run("--log-file", "/nowhere/worker.log")
    assert code == 2
    assert "the log file /nowhere/worker.log cannot be written" in output
    assert "Traceback" not in output


# What a task may say to look like another line, and to move a terminal's cursor.
FORGED = "bad\\n2026-01-01 00:00:00,000 INFO forged\\r\\x1b[2J\\x9b2K\\u2028forged\\u202e"
EVIL = f"""
@task('t.evil')
def f(params, job):
    job.log("{FORGED}")
    job.log("{FORGED}", "warning")
    raise PermanentError("{FORGED}")

@on('job:claimed')
def broken(told):
    raise RuntimeError("{FORGED}")
"""
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) ")


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_no_line_can_be_forged(queue: Queue, workers: Workers, options: tuple[str, ...]) -> None:
    workers.write_handlers(EVIL)
    queue.register("t.evil")
    queue.create("t.evil")
    warning = json.dumps({"success": True, "data": {"tasks": []}, "warnings": ["a\nforged\x1b"]})

    def fault(proxy: HttpProxy, call: ProxiedCall) -> str:
        empty = call.path.endswith("/claim") and not proxy.faults
        return f"json:{warning}" if empty else "pass"

    with HttpProxy(queue.url, fault) as proxy:
        idle = ("--max-runs", "1", "--poll-interval", "0.1")
        code, output = workers.run(*idle, "--debug", *options, url=proxy.url)
    assert code == 0
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", output) is None
    lines = output.split("\n")
    assert [line for line in lines if line and not LINE.match(line) and line[:4] != "  | "] == []
    assert not any(LINE.match(line) and "INFO forged" in line[:40] for line in lines)
    shown = "bad\\n2026-01-01 00:00:00,000 INFO forged\\r\\x1b[2J\\x9b2K\\u2028forged\\u202e"
    assert output.count(f"t.evil: {shown}") == 2
    assert f"t.evil: Failed: {shown}" in output
    assert "the server says: a\\nforged\\x1b" in output
    assert "  | RuntimeError: bad" in output


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_json_on_every_terminal(queue: Queue, workers: Workers, encoding: str) -> None:
    words = "žluťoučký é \x9b 🐎 \\udcff \u2028"
    workers.write_handlers(
        f"""
        @task("t.words")
        def f(params, job):
            job.log({words!r})
        """
    )
    queue.register("t.words")
    queue.create("t.words")
    code, output = workers.run("--until-empty", "--log-json", PYTHONIOENCODING=encoding)
    assert code == 0
    messages = [json.loads(line)["message"] for line in output.splitlines()]
    assert any(message.endswith(f"t.words: {words}") for message in messages)
    assert output.isascii()


def test_what_the_guides_look_for_is_there(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed", max_attempts=1)
    queue.create_many("t.mixed", 3)
    assert workers.run("--until-empty", LOG_FILE="worker.log") == (0, "")

    def shell(command: str) -> str:
        return subprocess.check_output(["sh", "-c", command], cwd=workers.folder, text=True)

    assert shell('grep "Completed successfully" worker.log | wc -l').strip() == "2"
    assert shell('grep "Failed:" worker.log').count("ZeroDivisionError") == 1
    hours = shell("grep 'Completed successfully' worker.log | awk '{print $1,$2}' | uniq -c")
    assert re.match(r" *\d 20\d\d-\d\d-\d\d \d\d:", hours)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_files_change_no_exit_code(queue: Queue, workers: Workers, closed: str) -> None:
    """Nor does what is meant for the terminal go into a file that was opened since."""
    workers.write_handlers(
        """
        @task("t.fatal")
        def f(params):
            os.kill(os.getppid() if params["process"] else os.getpid(), 15)
            print("for the terminal")
            raise FatalError("for the log")
        """
    )
    queue.register("t.fatal")
    queue.create("t.fatal", {"process": False})
    command = f"{sys.executable} {PROJECT / 'worker.py'} --lock my.lock --until-empty {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=workers.folder,
        env={"TASKMANAGER_API_URL": queue.url, "TASKMANAGER_API_KEY": queue.key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert ("for the log" in done.stderr) == ("2>&-" not in closed)
    assert json.loads((workers.folder / "my.lock").read_text())["pid"] > 0


def test_debug_logs_more(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MIXED)
    queue.register("t.mixed")
    with HttpProxy(queue.url) as proxy:
        worker = workers.start("--poll-interval", "3600", url=proxy.url)
        wait_until(lambda: proxy.count("/claim"), SECONDS, "a claim that brings nothing")
        worker.terminate()
        assert "asking again" not in finish(worker)[1]
        worker = workers.start("--poll-interval", "3600", url=proxy.url, DEBUG="1")
        assert "DEBUG no tasks; asking again in 3600 seconds" in read_until(worker, "asking again")
