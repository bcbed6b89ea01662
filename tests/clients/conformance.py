"""What every example worker does, whatever its language. A test file makes a subclass for each.

Each test runs the program itself against a live server; where the network misbehaves, a real
proxy stands between them.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from tests.clients.support import SETTINGS, Programs, Run
from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import HOST, free_port
from tests.worker.support import Queue

QUICK = ("--poll-interval", "0.1")
NEXT_TO_NEVER = ("--poll-interval", "3600")

OPTIONS = (
    "--api-url",
    "--api-key",
    "--worker-id",
    "--type-pattern",
    "--task-types",
    "--poll-interval",
    "--max-runs",
    "--debug",
    "--until-empty",
)
VARIABLES = ("TASKMANAGER_API_URL", "TASKMANAGER_API_KEY", *SETTINGS)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class Conformance:
    """The suite. `command` ends with the worker's file, and its options follow.

    `own_handlers` has texts of that file, and what to put there for three handlers more: `t.quiet`
    takes six seconds, reports no progress and returns nothing; `t.odd` returns what is no JSON;
    `t.false` returns an object with the `success` of its params.
    """

    command: ClassVar[Sequence[str]]
    own_handlers: ClassVar[Mapping[str, str]]

    @pytest.fixture
    def worker(self, queue: Queue) -> Iterator[Programs]:
        programs = Programs(self.command, queue.url, queue.key)
        yield programs
        programs.end()

    @pytest.fixture
    def own_worker(self, queue: Queue, tmp_path: Path) -> Iterator[Programs]:
        """A copy of the worker with handlers added, as its users do."""
        *interpreter, original = self.command
        copy = tmp_path / "copy" / Path(original).name
        shutil.copytree(Path(original).parent, copy.parent)
        source = copy.read_text("utf-8")
        for text, changed in self.own_handlers.items():
            assert source.count(text) == 1, text
            source = source.replace(text, changed)
        copy.write_text(source, "utf-8")
        programs = Programs((*interpreter, str(copy)), queue.url, queue.key)
        yield programs
        programs.end()

    # --- Handlers and outcomes

    def test_every_example_gives_its_result(self, queue: Queue, worker: Programs) -> None:
        message = 'žluťoučký 🐎 "quoted" back\\slash $HOME `id` %s\nsecond line'
        ids = [
            queue.create("example.echo", {"message": message}),
            queue.create("example.echo", {"message": "", "timestamp": 1762538400}),
            queue.create("example.uppercase", {"text": "hello"}),
            queue.create("example.math.add", {"a": 2, "b": 0.5}),
            queue.create("example.sleep", {"seconds": 0.2}),
        ]
        with HttpProxy(queue.url) as proxy:
            code, output = worker.run("--until-empty", "--debug", *NEXT_TO_NEVER, url=proxy.url)
            # Each settling call brings the next task: one round trip a task.
            assert (proxy.count("/claim"), proxy.count("/complete")) == (1, 5)
            assert all(body["attempt"] == 1 for body in proxy.bodies("/complete"))
        assert code == 0, output
        assert f"task {ids[0]}: example.echo" in output
        # The words that guides look for in the log, to count what was done.
        assert output.count("Completed successfully") == 5
        assert "claimed 5, completed 5, failed 0, lost 0" in output
        assert queue.statuses(ids) == ["completed"] * 5
        assert [queue.task(task_id)["result"] for task_id in ids] == [
            {"echoed": message},
            {"echoed": "", "timestamp": 1762538400},
            {"result": "HELLO", "length": 5},
            {"sum": 2.5},
            {"slept": 0.2},
        ]

    def test_errors_are_tried_again_or_not(self, queue: Queue, worker: Programs) -> None:
        again = queue.create("example.error", {"message": 'not "now"'}, max_attempts=2)
        never = queue.create("example.error", {"message": "never", "permanent": True})
        code, output = worker.run("--max-runs", "3", *QUICK)
        assert code == 0, output
        assert "claimed 3, completed 0, failed 3, lost 0" in output
        assert output.count("Failed: ") == 3
        assert output.count("ERROR ") == 3
        tasks = [queue.task(again), queue.task(never)]
        assert [(task["status"], task["attempts"]) for task in tasks] == [
            ("failed", 2),
            ("failed", 1),
        ]
        assert tasks[0]["error_message"].endswith('not "now"')
        assert tasks[1]["error_message"] == "never"
        assert tasks[0]["error_traceback"]

    def test_a_result_that_is_no_json_fails_for_good(
        self, queue: Queue, own_worker: Programs
    ) -> None:
        queue.register("t.odd")
        task_id = queue.create("t.odd")
        code, output = own_worker.run("--max-runs", "1", *QUICK)
        assert code == 0, output
        task = queue.task(task_id)
        assert (task["status"], task["attempts"]) == ("failed", 1)
        assert "JSON" in task["error_message"]

    def test_a_result_that_says_that_it_is_none_is_warned_of(
        self, queue: Queue, own_worker: Programs
    ) -> None:
        queue.register("t.false")
        ids = [queue.create("t.false", {"success": each}) for each in (False, True, None, "no", 0)]
        code, output = own_worker.run("--max-runs", "5", *QUICK)
        assert code == 0, output
        assert queue.statuses(ids) == ["completed"] * 5
        assert output.count("WARNING") == 1, output
        assert f"task {ids[0]}: the handler returned success: false; to fail, " in output

    def test_a_task_that_failed_before_is_done(self, queue: Queue, worker: Programs) -> None:
        task_id = queue.create("example.math.add", {"a": 1, "b": 2})
        other = {"worker_id": "other"}
        assert queue.server.call("POST", "/tasks/claim", other)[0] == 200
        failure = {**other, "attempt": 1, "error": "not today"}
        assert queue.server.call("POST", f"/tasks/{task_id}/fail", failure)[0] == 200
        with HttpProxy(queue.url) as proxy:
            assert worker.run("--max-runs", "1", *QUICK, url=proxy.url)[0] == 0
            assert [body["attempt"] for body in proxy.bodies("/complete")] == [2]
        task = queue.task(task_id)
        assert (task["status"], task["result"]) == ("completed", {"sum": 3})

    # --- Which tasks, and how many

    def test_max_runs_leaves_the_rest_unclaimed(self, queue: Queue, worker: Programs) -> None:
        ids = [queue.create("example.echo", {"message": str(n)}) for n in range(3)]
        code, output = worker.run("--max-runs=2", *QUICK)
        assert code == 0, output
        assert "claimed 2, completed 2" in output
        assert queue.statuses(ids) == ["completed", "completed", "pending"]
        assert queue.task(ids[2])["attempts"] == 0

    def test_until_empty_ends_at_once_when_there_is_nothing(self, worker: Programs) -> None:
        code, output = worker.run("--until-empty", *NEXT_TO_NEVER)
        assert code == 0, output
        assert "claimed 0, completed 0, failed 0, lost 0" in output

    def test_new_tasks_are_found_while_it_waits(self, queue: Queue, worker: Programs) -> None:
        running = worker.start("--max-runs", "1", *QUICK)
        task_id = queue.create("example.echo", {"message": "late"})
        assert running.code() == 0, running.output
        assert queue.task(task_id)["result"] == {"echoed": "late"}

    def test_the_command_line_wins_over_the_environment(
        self, queue: Queue, worker: Programs
    ) -> None:
        echo = queue.create("example.echo", {"message": "m"})
        upper = queue.create("example.uppercase", {"text": "t"})
        add = queue.create("example.math.add", {"a": 1, "b": 2})
        queue.register("example.unknown")
        unknown = queue.create("example.unknown", {})
        names = "example.echo, example.uppercase"

        environment = {"TASK_TYPES": "example.math.add", "WORKER_ID": "by environment"}
        options = ("--until-empty", "--task-types", names, "--worker-id", "by option")
        assert worker.run(*options, **environment)[0] == 0
        assert queue.statuses([echo, upper, add]) == ["completed", "completed", "pending"]
        assert queue.task(echo)["claimed_by"] == "by option"

        environment = {"TASK_TYPE_PATTERN": "example.m%", "WORKER_ID": "by environment"}
        assert worker.run("--until-empty", **environment)[0] == 0
        assert queue.task(add)["claimed_by"] == "by environment"

        assert worker.run("--until-empty", "--type-pattern=example.%")[0] == 0
        assert queue.task(unknown)["status"] == "pending"

    def test_the_environment_has_the_other_settings_too(
        self, queue: Queue, worker: Programs
    ) -> None:
        ids = [queue.create("example.echo", {"message": str(n)}) for n in range(2)]
        code, output = worker.run(MAX_RUNS="1", DEBUG="true", POLL_INTERVAL="0.1")
        assert code == 0, output
        assert f"task {ids[0]}: example.echo" in output
        assert queue.statuses(ids) == ["completed", "pending"]
        code, output = worker.run("--until-empty", DEBUG="false", POLL_INTERVAL="0.1")
        assert code == 0, output
        assert f"task {ids[1]}: example.echo" not in output
        assert f"task {ids[1]}: Completed successfully" in output
        assert worker.run(POLL_INTERVAL="soon")[0] == 2

    # --- Wrong settings

    @pytest.mark.parametrize(
        "options",
        [
            ("--no-such-option",),
            ("--poll-interval", "soon"),
            ("--max-runs", "-1"),
            ("--task-types", "example.nobody"),
            ("--api-url", "example.com/api"),
        ],
    )
    def test_wrong_usage_ends_with_2(self, worker: Programs, options: Sequence[str]) -> None:
        code, output = worker.run(*options)
        assert code == 2, output
        assert options[0].lstrip("-") in output or options[-1] in output

    def test_help_names_every_option_and_variable(self, worker: Programs) -> None:
        code, output = worker.run("--help")
        assert code == 0
        missing = [name for name in (*OPTIONS, *VARIABLES) if name not in output]
        assert missing == []

    def test_a_wrong_key_ends_with_3(self, worker: Programs) -> None:
        code, output = worker.run("--api-key", "wrong", *NEXT_TO_NEVER)
        assert code == 3, output
        assert "The API key is not the right one" in output

    def test_the_key_may_be_in_the_address(self, queue: Queue, worker: Programs) -> None:
        task_id = queue.create("example.echo", {"message": "m"})
        address = queue.url.replace("://", f"://anybody:{queue.key}@")
        code, output = worker.run("--until-empty", "--api-url", address, TASKMANAGER_API_KEY="")
        assert code == 0, output
        assert queue.task(task_id)["status"] == "completed"
        address = address.replace(f":{queue.key}@", ":not-the-key@")
        code, output = worker.run("--until-empty", "--api-url", address, TASKMANAGER_API_KEY="")
        assert code == 3, output
        assert "not-the-key" not in output
        free = f"http://x:{queue.key}@{HOST}:{free_port()}/api"
        code, output = worker.run(*QUICK, "--api-url", free, TASKMANAGER_API_KEY="")
        assert code == 1, output
        assert queue.key not in output

    # --- Trouble

    def test_no_server_at_the_start_ends_with_1(self, worker: Programs) -> None:
        code, output = worker.run(*QUICK, url=f"http://{HOST}:{free_port()}/api")
        assert code == 1, output
        assert [f"again in {pause}" in output for pause in ("0.1", "0.2", "0.4", "0.8")] == [
            True
        ] * 4
        assert "again in 1.6" not in output

    def test_a_pause_of_one_second_is_no_plural(self, queue: Queue, worker: Programs) -> None:
        def first_call(proxy: HttpProxy, _call: ProxiedCall) -> str:
            return "pass" if proxy.faults else "page"

        with HttpProxy(queue.url, first_call) as proxy:
            code, output = worker.run("--until-empty", "--poll-interval", "1", url=proxy.url)
        assert code == 0, output
        assert re.search(r"trying again in 1 second$", output, re.MULTILINE), output

    def test_a_web_page_in_place_of_responses_ends_with_1(
        self, queue: Queue, worker: Programs
    ) -> None:
        with HttpProxy(queue.url, lambda _proxy, _call: "page") as proxy:
            code, output = worker.run(*QUICK, url=proxy.url)
            assert len(proxy.faults) == 5
        assert code == 1, output
        assert "HTTP 502" in output

    @pytest.mark.parametrize("fault", ["page", "drop", "status:503"])
    def test_a_finished_task_is_not_lost_to_trouble(
        self, queue: Queue, worker: Programs, fault: str
    ) -> None:
        """`drop`: the server has noted the result, and its response is lost."""
        ids = [queue.create("example.echo", {"message": str(n)}, timeout=3) for n in range(2)]

        def first_reports(proxy: HttpProxy, call: ProxiedCall) -> str:
            return fault if call.path.endswith("/complete") and len(proxy.faults) < 2 else "pass"

        with HttpProxy(queue.url, first_reports) as proxy:
            code, output = worker.run("--max-runs", "2", *QUICK, url=proxy.url)
            assert proxy.faults == [fault] * 2
        assert code == 0, output
        # A claim that came with a lost response returns when its lease ends.
        assert "claimed 2, completed 2, failed 0, lost 0" in output
        assert queue.statuses(ids) == ["completed"] * 2
        assert [queue.changes(task_id, "completed") for task_id in ids] == [1, 1]

    def test_a_lost_lease_is_not_settled(self, queue: Queue, worker: Programs) -> None:
        task_id = queue.create("example.echo", {"message": "m"})

        def taken(_proxy: HttpProxy, call: ProxiedCall) -> str:
            return "status:409" if call.path.endswith("/complete") else "pass"

        with HttpProxy(queue.url, taken) as proxy:
            code, output = worker.run("--until-empty", *QUICK, url=proxy.url)
            assert proxy.faults == ["status:409"]
        assert code == 0, output
        assert "claimed 1, completed 0, failed 0, lost 1" in output
        assert queue.task(task_id)["status"] == "claimed"

    def test_a_lease_lost_while_the_handler_runs_stops_it(
        self, queue: Queue, worker: Programs
    ) -> None:
        task_id = queue.create("example.sleep", {"seconds": 600}, timeout=4)
        with HttpProxy(queue.url) as proxy:
            running = worker.start("--max-runs", "1", *QUICK, url=proxy.url)
            queue.wait_for(task_id, "claimed")
            # Somebody takes it from the worker.
            taken = queue.server.call("POST", f"/tasks/{task_id}/release", {"delay": 3600})
            assert taken[0] == 200
            assert running.code() == 0, running.output
            assert proxy.count("/complete", "/fail") == 0
        assert "claimed 1, completed 0, failed 0, lost 1" in running.output
        assert queue.task(task_id)["status"] == "pending"

    def test_heartbeats_in_trouble_leave_the_task_alone(
        self, queue: Queue, worker: Programs
    ) -> None:
        task_id = queue.create("example.sleep", {"seconds": 2}, timeout=3)

        def no_heartbeats(_proxy: HttpProxy, call: ProxiedCall) -> str:
            return "page" if call.path.endswith(("/heartbeat", "/progress")) else "pass"

        with HttpProxy(queue.url, no_heartbeats) as proxy:
            code, output = worker.run("--max-runs", "1", *QUICK, url=proxy.url)
            assert proxy.faults
        assert code == 0, output
        assert "lease not extended" in output
        assert queue.task(task_id)["result"] == {"slept": 2}

    def test_a_refused_result_fails_for_good(self, queue: Queue, worker: Programs) -> None:
        task_id = queue.create("example.echo", {"message": "m"})

        def refused(_proxy: HttpProxy, call: ProxiedCall) -> str:
            return "status:413" if call.path.endswith("/complete") else "pass"

        with HttpProxy(queue.url, refused) as proxy:
            code, output = worker.run("--until-empty", *QUICK, url=proxy.url)
        assert code == 0, output
        task = queue.task(task_id)
        assert (task["status"], task["attempts"]) == ("failed", 1)
        assert "result refused: not now" in task["error_message"]

    # --- Leases and signals

    def test_the_lease_is_kept_while_the_handler_runs(
        self, queue: Queue, own_worker: Programs
    ) -> None:
        """Longer than the lease, while somebody else asks for the task again and again."""
        queue.register("t.quiet")
        task_id = queue.create("t.quiet", timeout=4)
        running = own_worker.start("--max-runs", "1", *QUICK)
        queue.wait_for(task_id, "claimed")
        rival = {"worker_id": "rival", "task_types": ["t.quiet"]}
        statuses = set()
        while running.process.poll() is None:
            statuses.add(queue.server.call("POST", "/tasks/claim", rival)[0])
            threading.Event().wait(0.3)
        assert running.code() == 0, running.output
        assert statuses == {404}
        task = queue.task(task_id)
        assert (task["status"], task["attempts"]) == ("completed", 1)
        assert task["result"] is None

    def test_a_cancelled_task_stops(self, queue: Queue, worker: Programs) -> None:
        task_id = queue.create("example.sleep", {"seconds": 600}, timeout=4)
        running = worker.start("--max-runs", "1", *QUICK)
        queue.wait_for(task_id, "claimed")
        assert queue.server.call("POST", f"/tasks/{task_id}/cancel", {})[0] == 200
        assert running.code() == 0, running.output
        task = queue.task(task_id)
        assert task["status"] == "cancelled"
        assert "cancelled after" in task["error_message"]

    @pytest.mark.parametrize("stop", [Run.terminate, Run.press_ctrl_c])
    def test_a_signal_lets_the_task_finish(
        self, queue: Queue, worker: Programs, stop: Callable[[Run], None]
    ) -> None:
        ids = [queue.create("example.sleep", {"seconds": 2}) for _ in range(2)]
        running = worker.start(*NEXT_TO_NEVER)
        queue.wait_for_progress(ids[0])
        stop(running)
        assert running.code() == 0, running.output
        assert "claimed 1, completed 1, failed 0, lost 0" in running.output
        assert queue.statuses(ids) == ["completed", "pending"]

    def test_sigterm_ends_an_idle_worker(self, queue: Queue, worker: Programs) -> None:
        task_id = queue.create("example.echo", {"message": "m"})
        running = worker.start(*NEXT_TO_NEVER)
        queue.wait_for(task_id, "completed")
        running.terminate()
        assert running.code() == 0, running.output
        assert "claimed 1, completed 1" in running.output
