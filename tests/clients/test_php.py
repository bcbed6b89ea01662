"""The example worker in PHP, on the curl extension."""

from __future__ import annotations

from typing import ClassVar

from tests.clients.conformance import QUICK, Conformance
from tests.clients.support import EXAMPLES, Programs
from tests.worker.support import Queue


class TestPhp(Conformance):
    command = ("php", str(EXAMPLES / "php" / "worker.php"))
    own_handlers: ClassVar = {
        "        'example.echo' =>": """
        't.quiet' => function (array $params, Job $job): void {
            for ($i = 0; $i < 60; $i++) {
                $job->heartbeat();
                pauseFor(0.1);
            }
        },

        't.odd' => function (array $params, Job $job): string {
            return "\\xff";
        },

        't.false' => fn (array $params, Job $job): array => $params + ['message' => 'no'],

        'example.echo' =>"""
    }

    def test_a_warning_of_php_is_an_error(self, queue: Queue, worker: Programs) -> None:
        queue.register("example.echo")
        task_id = queue.create("example.echo", {"massage": "m"})
        assert worker.run("--max-runs", "1", *QUICK)[0] == 0
        task = queue.task(task_id)
        assert task["status"] == "pending"
        assert "message" in task["error_message"]
