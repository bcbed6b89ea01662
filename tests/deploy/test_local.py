"""deploy.py --local: from a fresh copy of the project to finished tasks."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import stat
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.deploy.support import Run, deploy, programs_in, start_deploy, without_root_powers
from tests.install import databases
from tests.support import later
from tests.support.net import free_port, is_listening, wait_until

COLUMNS = 60  # of a terminal under test: less than the table of results is wide


class TestDemonstration:
    def test_an_interrupted_first_run_leaves_no_process(
        self, interrupted_run: Run, checkout: Path
    ) -> None:
        assert interrupted_run.code == 130
        assert "interrupted" in interrupted_run.err
        assert not programs_in(checkout)

    def test_the_next_run_completes_every_task(self, first_run: Run) -> None:
        assert first_run.code == 0, first_run
        assert re.search(r"(\d\d) of \1 tasks completed", first_run.out)
        assert re.search(r"example\.math\.add +.*40.* +completed +.*42", first_run.out)
        assert re.search(r"example\.uppercase +.*quiet.* +completed +.*QUIET", first_run.out)

    def test_numbers_its_steps(self, first_run: Run) -> None:
        numbers = re.findall(r"^\[(\d+)/(\d+)\] \w+", first_run.out, re.MULTILINE)
        last = len(numbers)
        assert last > 5
        assert numbers == [(str(number), str(last)) for number in range(1, last + 1)]

    def test_writes_plain_lines_where_there_is_no_terminal(self, first_run: Run) -> None:
        assert [c for c in first_run.out if not c.isprintable() and c != "\n"] == []
        assert first_run.err == ""

    def test_only_its_owner_can_read_the_key(self, installed: Path) -> None:
        assert stat.S_IMODE((installed / "local").stat().st_mode) == 0o700
        assert stat.S_IMODE((installed / "local" / "config.py").stat().st_mode) == 0o600

    def test_ends_its_processes(self, installed: Path) -> None:
        assert not programs_in(installed)

    def test_waits_for_a_task_that_is_to_be_tried_again(self, sibling: Path) -> None:
        write_handlers(sibling, "if job.attempt == 1: raise RuntimeError('not yet')")
        run = deploy(sibling, "--local", "--once")
        assert run.code == 0, run
        assert "waiting to be tried again" in run.out
        assert re.search(r"(\d\d) of \1 tasks completed", run.out)

    def test_a_task_that_fails_for_good_makes_the_end_a_failure(self, sibling: Path) -> None:
        write_handlers(
            sibling, "if params == {'a': 1, 'b': 2}: raise PermanentError('no sum today')"
        )
        run = deploy(sibling, "--local", "--once")
        assert run.code == 1, run
        assert len(re.findall(r" failed +no sum today", run.out)) == 1
        assert " completed " in run.out

    def test_a_second_run_keeps_what_is_there_and_does_new_tasks(self, installed: Path) -> None:
        kept = [installed / "local" / "config.py", installed / ".venv" / ".installed"]
        before = [path.stat().st_mtime_ns for path in kept]
        run = deploy(installed, "--local", "--once")
        assert run.code == 0, run
        assert re.search(r"(\d\d) of \1 tasks completed", run.out)
        assert [path.stat().st_mtime_ns for path in kept] == before

    def test_a_newer_release_brings_the_tables_up_to_date(self, sibling: Path) -> None:
        assert deploy(sibling, "--local", "--once").code == 0
        path = sibling / "local" / "queue.sqlite3"
        before = databases.rows(f"sqlite:///{path}")["tasks"]
        for name, text in later.edited(sibling).items():
            (sibling / name).write_text(text, "utf-8")
        run = deploy(sibling, "--local", "--once")
        assert run.code == 0, run
        assert f"from version {later.VERSION_OF_TABLES - 1} to {later.VERSION_OF_TABLES}" in run.out
        after = databases.rows(f"sqlite:///{path}")["tasks"]
        assert len(after) == 2 * len(before)
        # A finished task gives up its key to the next one that is equal.
        gone = [{"dedupe_key": None, "former_dedupe_key": row["dedupe_key"]} for row in before]
        kept = [{**row, later.COLUMN: 1, **keys} for row, keys in zip(before, gone)]
        assert after[: len(before)] == kept


class TestServing:
    def test_the_printed_lines_work_and_control_c_ends_it(self, installed: Path) -> None:
        port = free_port()
        process, terminal = start_in_terminal(installed, "--local", "--port", str(port))
        output = read_terminal(terminal, until="--until-empty")

        health = json.loads(shell(printed_line(output, f"curl http://127.0.0.1:{port}/api/health")))
        assert health["status"] == "healthy"
        add = printed_line(output, f"curl http://127.0.0.1:{port}/api/tasks ")
        added = json.loads(shell(add))["data"]
        assert added["status"] == "pending"
        shell(printed_line(output, "cd "))
        read = re.sub(r"/tasks (.*) -d .*", rf"/tasks/{added['id']} \1", add)
        assert json.loads(shell(read))["data"]["status"] == "completed"

        os.write(terminal, b"\x03")
        assert "Stopping" in read_terminal(terminal, until="Stopping")
        assert ended_with(process) == 0
        assert not is_listening(port)
        assert not programs_in(installed)

    def test_says_so_when_its_server_is_gone(self, installed: Path) -> None:
        process = start_deploy(installed, "--local")
        assert process.stdout
        while b"until Ctrl-C" not in process.stdout.readline():
            assert process.poll() is None
        for server in programs_in(installed):
            os.kill(server, signal.SIGKILL)
        run = Run.of(process)
        assert run.code == 4
        assert "The server ended with exit code -9" in run.err

    def test_redraws_its_progress_on_a_terminal_and_keeps_to_its_width(
        self, installed: Path
    ) -> None:
        process, terminal = start_in_terminal(installed, "--local", "--once")
        output = read_terminal(terminal, until="tasks completed")
        assert ended_with(process) == 0
        assert re.search(r"\r +\[#{30}\] (\d\d)/\1 done", output)
        assert "\x1b" not in output
        rows = [line for line in output.splitlines() if line.startswith("example.math.add")]
        assert len(rows) == 5
        assert {len(row) for row in rows} == {COLUMNS}


class TestRealFiles:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        """Files with names and contents that ask for care, and what must not be counted."""
        tree = tmp_path / "real files"
        (tree / "a folder").mkdir(parents=True)
        (tree / "plain.txt").write_text("one\ntwo\nno newline at the end")
        (tree / "empty").touch()
        (tree / "a folder" / 'it\'s $HOME; rm -rf `x` "quoted"').write_bytes(b"\n" * 1000)
        (tree / "new\nline").write_text("x\n")
        (tree / "back\\slash\rreturn").write_text("y\n")
        (tree / "\x1b[31mred").write_text("z\n")
        (tree / "grüße.txt").write_text("\u00fc\n")
        (tree / "large").write_bytes(bytes(range(256)) * 20_000)
        with open(os.path.join(os.fsencode(tree), b"latin-\xe9"), "wb") as file:
            file.write(b"\xff\xfe\n")
        (tree / "link").symlink_to("plain.txt")
        (tree / "loop").symlink_to(".")
        (tree / "broken").symlink_to("nowhere")
        os.mkfifo(tree / "pipe")
        return tree

    def test_every_file_is_done_and_agrees_with_find_and_sha256sum(
        self, installed: Path, tree: Path
    ) -> None:
        run = deploy(installed, "--local", "--once", "--real", str(tree))
        assert run.code == 0, run
        totals = dict(re.findall(r"^ +(files|bytes|lines|failed) +(\d+)$", run.out, re.MULTILINE))
        assert totals["failed"] == "0"
        assert totals["files"] == "9"
        assert totals["files"] == shell("find . -type f -printf . | wc -c", tree).strip()
        lines, size = shell("find . -type f -print0 | xargs -0 cat | wc -lc", tree).split()
        assert (totals["lines"], totals["bytes"]) == (lines, size)

        sums = (installed / "local" / "SHA256SUMS").read_bytes().splitlines()
        reference = subprocess.run(
            ["bash", "-c", 'find "$0" -type f -print0 | xargs -0 sha256sum', str(tree)],
            check=True,
            capture_output=True,
        )
        assert sorted(sums) == sorted(reference.stdout.splitlines())
        assert [c for c in run.out if not c.isprintable() and c != "\n"] == []

    def test_the_printed_checks_run_as_they_are(self, installed: Path, tree: Path) -> None:
        odd = os.path.join(os.fsencode(tree), b"odd \xe9 'name'\n")
        os.mkdir(odd)
        with open(odd + b"/file", "wb") as file:
            file.write(b"1\n2\n")
        run = deploy(installed, "--local", "--once", "--real", odd)
        assert run.code == 0, run
        commands = run.out.split("check that:\n")[1].splitlines()[:3]
        assert [shell(command).split() for command in commands] == [["1"], ["2", "4"], []]
        with open(odd + b"/file", "ab") as file:
            file.write(b"changed")
        with pytest.raises(subprocess.CalledProcessError):
            shell(commands[2])

    def test_more_files_than_fit_one_call(self, installed: Path, tmp_path: Path) -> None:
        folder = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 200)
        folder.mkdir(parents=True)
        for number in range(1100):
            (folder / f"{'n' * 200}{number}").write_text(str(number))
        run = deploy(installed, "--local", "--once", "--real", str(tmp_path))
        assert run.code == 0, run
        assert "1100 of 1100 tasks completed" in run.out

    def test_a_file_that_cannot_be_read_makes_the_end_a_failure(
        self, installed: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "readable").touch()
        (tmp_path / "secret").touch(mode=0)
        run = deploy(
            installed,
            *("--local", "--once", "--real", str(tmp_path)),
            prefix=without_root_powers(),
        )
        assert run.code == 1, run
        assert "1 of 2 tasks completed" in run.out
        assert re.search(r"failed: .*/secret: .*Permission denied", run.out)
        assert len((installed / "local" / "SHA256SUMS").read_text().splitlines()) == 1

    def test_a_signal_ends_even_a_worker_that_is_deep_in_a_task(
        self, sibling: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "huge"
        folder.mkdir()
        with (folder / "sparse").open("wb") as file:
            file.truncate(1 << 40)
        process = start_deploy(sibling, "--local", "--real", str(folder))
        wait_until(lambda: is_claiming(sibling), 60, "a task claimed by the worker")
        process.send_signal(signal.SIGTERM)
        assert Run.of(process).code == 128 + signal.SIGTERM
        assert not programs_in(sibling)


def write_handlers(project: Path, statement: str) -> None:
    """Replace the example handlers: each runs a statement, then returns its params."""
    names = ["example.echo", "example.uppercase", "example.math.add", "example.sleep"]
    types = [{"name": name, "version": "1", "param_schema": {}} for name in names]
    decorators = "\n".join(f"@task({name!r})" for name in names)
    (project / "examples" / "handlers.py").write_text(
        "from worker import PermanentError, task\n"
        f"TASK_TYPES = {types}\n"
        f"{decorators}\n"
        "def handle(params, job):\n"
        f"    {statement}\n"
        "    return params\n"
    )


def is_claiming(project: Path) -> bool:
    try:
        status = json.loads((project / "local" / "worker-status.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(status["claimed"])


def start_in_terminal(project: Path, *arguments: str) -> tuple[int, int]:
    """Run the project's deploy.py in a terminal of its own: its process id, the terminal."""
    if "--port" not in arguments:
        arguments = (*arguments, "--port", str(free_port()))
    process, terminal = pty.fork()
    if process == 0:
        size = struct.pack("HHHH", 24, COLUMNS, 0, 0)
        fcntl.ioctl(pty.STDOUT_FILENO, termios.TIOCSWINSZ, size)
        os.environ.pop("COLUMNS", None)  # else it would count instead
        os.execv(sys.executable, [sys.executable, str(project / "deploy.py"), *arguments])
    return process, terminal


def read_terminal(terminal: int, until: str) -> str:
    """What the terminal shows up to the end of the line that holds a text."""
    output = b""
    while not re.search(re.escape(until.encode()) + rb".*\n", output):
        try:
            output += os.read(terminal, 4096)
        except OSError:
            raise AssertionError(f"the program ended after {output.decode()}") from None
    return output.decode()


def ended_with(process: int) -> int:
    """Wait for the end of a process: its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def printed_line(output: str, beginning: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    return next(line for line in lines if line.startswith(beginning))


def shell(command: str, folder: Path = Path("/")) -> str:
    """Run a line as somebody does who pastes it: what it printed. Raises CalledProcessError."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )
    return done.stdout
