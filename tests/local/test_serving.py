"""The server that goes on once the tasks are done, in a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from tests.deploy.support import Run, programs_in, start_deploy
from tests.local.terminal import COLUMNS, ended_with, read_terminal, shell, start_in_terminal
from tests.support.net import free_port, is_listening


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


def printed_line(output: str, beginning: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    return next(line for line in lines if line.startswith(beginning))
