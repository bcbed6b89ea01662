"""The example worker in POSIX shell, on curl and jq."""

from __future__ import annotations

import subprocess
from typing import ClassVar

import pytest

from tests.clients.conformance import QUICK, Conformance
from tests.clients.support import EXAMPLES, Programs
from tests.worker.support import Queue


class TestShell(Conformance):
    command = ("dash", str(EXAMPLES / "shell" / "worker.sh"))
    own_handlers: ClassVar = {
        "handled_types='": "handled_types='t.quiet,t.odd,t.false,t.half,",
        "        example.echo)": """
        t.quiet) sleep 6 ;;
        t.odd) echo nonsense ;;
        t.false) cat ;;
        t.half) false; echo '"done"' ;;
        example.echo)""",
    }

    def test_a_command_that_fails_in_the_middle_fails_the_attempt(
        self, queue: Queue, own_worker: Programs
    ) -> None:
        queue.register("t.half")
        task_id = queue.create("t.half")
        assert own_worker.run("--max-runs", "1", *QUICK)[0] == 0
        task = queue.task(task_id)
        assert (task["status"], task["attempts"]) == ("pending", 1)
        assert task["error_traceback"] == "handle t.half ended with 1"


@pytest.mark.parametrize("name", ["shell/worker.sh", "deploy/worker-pool.sh"])
def test_shellcheck_finds_nothing(name: str) -> None:
    checked = subprocess.run(
        ["shellcheck", str(EXAMPLES / name)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")
