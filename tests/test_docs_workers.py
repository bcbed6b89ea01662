"""docs/workers.md says what worker.py does: tables and examples in it are held against the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

import worker
from tests.clients import spooled_sdk
from tests.support.net import wait_until
from tests.support.server import PROJECT, Server
from tests.worker.support import Queue, Workers

PAGE = PROJECT / "docs" / "workers.md"
TEXT = PAGE.read_text("utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
OPTIONS = {option.opts[0]: option for option in worker.main.params}
SECONDS = 60

# Files among the examples that are no workers of their own.
OWN_WORDS = ("handlers.py", "README.md")

# Params that suit every handler on the page.
PARAMS = {"name": "Ada", "file": "a.jpg", "order": 17, "trace_id": "t-1"}

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


class Block(NamedTuple):
    """An example on the page."""

    heading: str
    language: str
    text: str


def blocks() -> list[Block]:
    found: list[Block] = []
    heading = ""
    for part in re.split(r"^(#+ [^\n]*|```.*?^```)$", TEXT, flags=re.MULTILINE | re.DOTALL):
        if part.startswith("#"):
            heading = part.lstrip("# ")
        elif part.startswith("```"):
            language, _, text = part[3:-3].partition("\n")
            found.append(Block(heading, language, text))
    return found


def texts(heading: str, language: str) -> list[str]:
    return [block.text for block in blocks() if block[:2] == (heading, language)]


def section(heading: str) -> str:
    """The text under a heading, without examples, down to the next one of its level."""
    match = re.search(rf"^(#+) {re.escape(heading)}$", PROSE, re.MULTILINE)
    assert match, f"{PAGE.name} has no heading {heading!r}"
    rest = PROSE[match.end() :]
    return re.split(rf"^#{{1,{len(match[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            continue
        if re.fullmatch(r"[|-]+", line):
            found.pop()
        else:
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def named(heading: str) -> set[str]:
    """The names in the first column of a section's tables, without arguments."""
    return {re.sub(r"\(.*", "", name) for row in rows(section(heading)) for name in quoted(row[0])}


def public(thing: type) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


class TestConfiguration:
    """The table of options."""

    def table(self) -> dict[str, list[str]]:
        return {quoted(row[0])[0]: row for row in rows(section("Configuration"))}

    @pytest.fixture
    def bare(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder without files, an environment without settings."""
        monkeypatch.chdir(tmp_path)
        for option in OPTIONS.values():
            for name in variables(option):
                monkeypatch.delenv(name, raising=False)

    def test_it_has_every_option(self) -> None:
        assert list(self.table()) == list(OPTIONS)

    def test_with_its_environment(self) -> None:
        documented = {name: quoted(row[1]) for name, row in self.table().items()}
        assert documented == {name: variables(option) for name, option in OPTIONS.items()}

    def test_with_its_default(self, bare: None) -> None:
        values = worker.main.make_context("worker.py", []).params
        documented = {name: row[2].strip("`") for name, row in self.table().items()}
        assert documented == {
            name: default(option, values.get(str(option.name))) for name, option in OPTIONS.items()
        }

    def test_worker_conf_names_options(self, tmp_path: Path) -> None:
        (text,) = texts("Configuration", "ini")
        path = tmp_path / "worker.conf"
        path.write_text(text, "utf-8")
        known = {name for option in OPTIONS.values() for name in variables(option)}
        assert set(worker.read_config(path)) - known == {"SMTP_PASSWORD"}

    def test_the_json_file_sets_options(self, bare: None, tmp_path: Path) -> None:
        (text,) = texts("Configuration", "json")
        path = tmp_path / "config.json"
        path.write_text(text, "utf-8")
        settings = worker.main.make_context("worker.py", ["--config", str(path)]).params
        changed = {
            name.replace("_", "-")
            for name, value in settings.items()
            if value != worker.main.make_context("worker.py", []).params[name]
        }
        assert changed == {"worker-id", "poll-interval", "log-file", "concurrency", "max-memory"}
        assert (settings["api_timeout"], settings["log_level"]) == (30, "info")


def variables(option: click.Parameter) -> list[str]:
    names = option.envvar or []
    return [names] if isinstance(names, str) else list(names)


def default(option: click.Parameter, value: Any) -> str:
    """As the table has it: where the help has words for it, those."""
    words = re.search(r"\[default: (.*?)\]", getattr(option, "help", None) or "")
    if words:
        return words[1]
    if isinstance(value, bool):
        return "off"
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return value or "none"


class TestNames:
    """Everything that has a name in worker.py is explained."""

    def test_every_attribute_of_a_job(self) -> None:
        instance = worker.Job(
            {"id": 1, "type": "t", "params": {}, "attempts": 1, "max_attempts": 3},
            "w",
            worker.Link(worker.Client("http://127.0.0.1/api")),
        )
        names = public(worker.Job) | {name for name in vars(instance) if name[0] != "_"}
        assert named("The job") == {f"job.{name}" for name in names}

    def test_every_event(self) -> None:
        assert [quoted(row[0])[0] for row in rows(section("Events"))] == documented_events()
        assert set(documented_events()) == set(worker.EVENTS)

    def test_what_each_event_tells(self) -> None:
        documented = {quoted(row[0])[0]: set(quoted(row[2])) for row in rows(section("Events"))}
        for event, names in emitted():
            assert names <= documented[event], event

    def test_every_error(self) -> None:
        classes = {
            name
            for name, thing in vars(worker).items()
            if inspect.isclass(thing)
            and issubclass(thing, Exception)
            and thing.__module__ == "worker"
        }
        raised = {name for row in rows(section("Errors")) for name in quoted(row[0])}
        caught = quoted(section("The client as a library"))
        assert classes - {re.sub(r"\(.*", "", name) for name in (*raised, *caught)} == set()

    def test_every_exit_code(self) -> None:
        told = {
            code
            for line in worker.EXIT_CODES.splitlines()
            if (match := re.match(r"  (\d+(?:, \d+)*)  ", line))
            for code in match[1].split(", ")
        }
        documented = {code for row in rows(section("Exit codes")) for code in row[0].split(", ")}
        assert documented == told
        assert {"0", "1", "2", "3", "4"} < told

    def test_every_method_of_the_client(self) -> None:
        methods = {name for name in public(worker.Client) if callable(getattr(worker.Client, name))}
        assert named("The client as a library") == {"Client", *methods}

    def test_every_attribute_of_an_api_error(self) -> None:
        text = section("The client as a library")
        names = {*inspect.signature(worker.ApiError).parameters, "temporary"} - {"sent"}
        assert names <= set(quoted(text))

    def test_what_a_program_does_with_a_worker(self) -> None:
        text = re.sub(r"\([^)`]*\)`", "`", section("Concurrency"))
        wanted = {"run", "start", "stop", "wait", "on", "is_running", "active_jobs", "status"}
        assert wanted <= public(worker.Worker)
        assert wanted - set(quoted(text)) == set()

    def test_every_field_of_the_status(self) -> None:
        status = idle_worker().status()
        assert named("The status file") == set(status)
        (example,) = texts("The status file", "json")
        assert list(json.loads(example)) == list(status)

    def test_every_state(self) -> None:
        source = inspect.getsource(worker.State)
        comment = re.search(r'self\.name = "idle"  # (.*)', source)
        assert comment
        assert [quoted(row[0])[0] for row in rows(section("States"))] == [
            "idle",
            *comment[1].split(", "),
        ]


def emitted() -> list[tuple[str, set[str]]]:
    """The events in the code, and what each tells beside what all do."""
    calls = [
        node
        for node in ast.walk(ast.parse((PROJECT / "worker.py").read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("events.emit")
    ]
    found = [
        (str(ast.literal_eval(call.args[0])), {str(each.arg) for each in call.keywords})
        for call in calls
    ]
    assert {event for event, _ in found} == set(worker.EVENTS)
    return found


def documented_events() -> list[str]:
    return [quoted(row[0])[0] for row in rows(section("Events"))]


def idle_worker() -> worker.Worker:
    return worker.Worker(worker.Client("http://127.0.0.1/api"), {"t": lambda params: None})


class TestReferences:
    """What the page points at is there."""

    def test_tests(self) -> None:
        ids = {each for each in quoted(PROSE) if "::" in each}
        assert [each for each in sorted(ids) if not is_test(each)] == []

    def test_files(self) -> None:
        found = set(re.findall(r"\b(?:examples|tests|docs|bench)/[\w/@.-]+\.\w+", TEXT))
        found.update(re.findall(r"examples/deploy/(?:Dockerfile|crontab)", TEXT))
        assert len(found) > 10
        assert [path for path in sorted(found) if not (PROJECT / path).is_file()] == []

    def test_every_deployment_file_is_named(self) -> None:
        files = [path for path in (PROJECT / "examples").rglob("*") if path.is_file()]
        paths = [path.relative_to(PROJECT) for path in files if "__pycache__" not in path.parts]
        assert [str(p) for p in paths if str(p) not in TEXT and p.name not in OWN_WORDS] == []

    @pytest.mark.parametrize(
        "heading", ["systemd", "Supervisor", "Docker and compose", "Kubernetes"]
    )
    def test_commands_are_those_of_the_files(self, heading: str) -> None:
        files = [path for path in (PROJECT / "examples" / "deploy").iterdir() if path.is_file()]
        lines = {line.strip("#; ") for path in files for line in path.read_text().splitlines()}
        commands = "".join(texts(heading, "sh")).splitlines()
        assert len(commands) >= 3
        assert [each for each in commands if each.strip() not in lines] == []

    def test_links_within_the_page(self) -> None:
        headings = re.findall(r"^#+ (.*)$", PROSE, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        targets = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
        assert len(targets) > 10
        assert targets - anchors == set()

    def test_troubles_are_told_in_the_programs_own_words(self) -> None:
        sources = [PROJECT / "worker.py", *(PROJECT / "app").rglob("*.py")]
        code = "".join(path.read_text("utf-8") for path in sources)
        seen = "".join(row[0] for row in rows(section("Troubleshooting")))
        words = {part.strip(" :") for each in quoted(seen) for part in each.split("…")}
        assert len(words) > 15
        assert [each for each in sorted(words) if each not in code] == []

    def test_the_cron_line_is_the_one_of_the_crontab(self) -> None:
        line = texts("Cron", "")[0].strip()
        crontab = (PROJECT / "examples" / "deploy" / "crontab").read_text("utf-8")
        assert f"\n{line} >>worker.log 2>&1\n" in crontab
        assert "--until-empty --max-time 55 --lock" in line


def is_test(node_id: str) -> bool:
    """Whether pytest would find a test by this name, of its own or of a class's base."""
    path, *names = node_id.split("::")
    if not names[-1].startswith("test_") or not (PROJECT / path).is_file():
        return False
    found: Any = importlib.import_module(path[: -len(".py")].replace("/", "."))
    for name in names:
        found = getattr(found, name, None)
    return callable(found)


def test_the_look_at_the_status_file(tmp_path: Path) -> None:
    (script,) = texts("The status file", "sh")
    worker.StatusFile(str(tmp_path / "status.json"), dict).write()
    assert run_shell(script, None, tmp_path) == ""
    os.utime(tmp_path / "status.json", (0, 0))
    assert run_shell(script, None, tmp_path) == "the worker is gone\n"


def test_spooleds_sdk_as_printed(tmp_path: Path) -> None:
    (source,) = texts("Spooled's SDK", "python")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'queue.sqlite3'}", "API_KEY": "k" * 20}
    with Server(settings) as server:
        source = source.replace("the API key", server.api_key)
        source = source.replace("https://example.com/queue", server.url[: -len("/api")])
        (tmp_path / "program.py").write_text(source, "utf-8")
        env = {**os.environ, "PYTHONPATH": str(spooled_sdk.installed("1.6.0"))}
        program = subprocess.Popen([spooled_sdk.python(), "program.py"], cwd=tmp_path, env=env)
        try:
            queue = Queue(server)
            wait_until(lambda: queue.of_type("mails"), SECONDS, "the job")
            done = queue.wait_for(queue.of_type("mails")[0]["id"], "completed", "failed")
        finally:
            program.kill()
            program.wait()
    assert done["result"] == {"sent": "ada@example.org"}


@sqlite
class TestExamples:
    """What is printed on the page works as it is printed."""

    @pytest.fixture
    def queue(self, server: Server) -> Queue:
        return Queue(server)

    @pytest.fixture
    def workers(self, queue: Queue, tmp_path: Path) -> Iterator[Workers]:
        started = Workers(tmp_path, queue.url, queue.key)
        yield started
        started.end()

    def test_the_quick_start(self, queue: Queue, tmp_path: Path) -> None:
        (handlers,) = texts("Quick start", "python")
        (tmp_path / "handlers.py").write_text(handlers, "utf-8")
        shutil.copy(PROJECT / "worker.py", tmp_path)
        (tmp_path / ".venv").symlink_to(sys.prefix)
        queue_itself, settings, *steps = texts("Quick start", "sh")
        assert queue_itself == "python3 deploy.py --local\n"
        assert settings.count("export TASKMANAGER_API_") == 2
        output = run_shell("".join(steps), queue, tmp_path)
        (promised,) = texts("Quick start", "")
        for line in promised.splitlines():
            assert same_but_numbers(line.strip("… ")) in same_but_numbers(output)
        assert '"result":{"greeting":"Hello, Ada!"}' in output

    def test_the_calls_by_hand(self, queue: Queue, tmp_path: Path) -> None:
        (script,) = texts("The calls behind them", "sh")
        output = run_shell(script, queue, tmp_path)
        responses = [json.loads(line) for line in output.splitlines()]
        # The claim's response went into a variable.
        assert [each.get("code", "fine") for each in responses] == ["fine"] * 5 + ["no_tasks"]
        (done,) = queue.of_type("shop.sum")
        assert (done["status"], done["result"], done["claimed_by"]) == (
            "completed",
            {"sum": 3},
            "by-hand",
        )

    def test_the_handlers(self, queue: Queue, workers: Workers) -> None:
        """Each file of handlers does a task of each of its types."""
        files = [b.text for b in blocks() if b.language == "python" and "@task(" in b.text]
        assert len(files) >= 5
        for source in files:
            names = re.findall(r'@task\("([^"]+)"', source)
            for name in {*names, "shop.mail"}:
                queue.register(name)
            ids = [queue.create(name, PARAMS) for name in names]
            (workers.folder / "handlers.py").write_text(source, "utf-8")
            code, output = workers.run("--until-empty")
            assert code == 0, output
            assert queue.statuses(ids) == ["completed"] * len(ids), output

    def test_more_tasks_are_added_and_done(self, queue: Queue, workers: Workers) -> None:
        (source,) = texts("More tasks", "python")
        (workers.folder / "handlers.py").write_text(source, "utf-8")
        for name in ("shop.import", "shop.mail"):
            queue.register(name)
        queue.create("shop.import")
        assert workers.run("--until-empty")[0] == 0
        mails = queue.of_type("shop.mail")
        assert sorted(mail["result"]["sent"] for mail in mails) == [0, 1, 2]
        assert {mail["priority"] for mail in mails} == {5}

    @pytest.mark.parametrize("records", [True, False])
    def test_opentelemetry(self, queue: Queue, workers: Workers, records: bool) -> None:
        """What a handler adds hangs on its span; without spans, on what the task hung on."""
        (source,) = (each for each in texts("Tracing", "python") if "opentelemetry" in each)
        if records:
            source += (
                "\n\nfrom opentelemetry.sdk.trace import TracerProvider\n"
                "trace.set_tracer_provider(TracerProvider())\n"
            )
        (workers.folder / "handlers.py").write_text(source, "utf-8")
        for name in ("shop.ship", "shop.mail"):
            queue.register(name)
        trace_id, span_id = "a" * 32, "b" * 16
        task_id = queue.create("shop.ship", PARAMS, traceparent=f"00-{trace_id}-{span_id}-01")
        code, output = workers.run("--max-runs", "1")
        assert code == 0, output
        (mail,) = queue.of_type("shop.mail")
        assert mail["parent_id"] == task_id
        version, of_trace, of_span, flags = mail["traceparent"].split("-")
        assert (version, of_trace, flags) == ("00", trace_id, "01")
        assert (of_span != span_id) == records

    def test_the_library(self, queue: Queue, workers: Workers) -> None:
        (handlers,) = texts("Quick start", "python")
        (workers.folder / "handlers.py").write_text(handlers, "utf-8")
        queue.register("shop.broken", max_attempts=1)
        broken = queue.create("shop.broken")
        assert queue.server.call("POST", "/tasks/claim", {"worker_id": "w"})[0] == 200
        failure = {"worker_id": "w", "error": "broken"}
        assert queue.server.call("POST", f"/tasks/{broken}/fail", failure)[0] == 200
        workers.start("--poll-interval", "0.1", "--max-poll-interval", "0.2")
        (source,) = texts("The client as a library", "python")
        lines = run_program(source, queue, workers.folder).splitlines()
        assert lines[0] == "{'greeting': 'Hello, Ada!'}"
        assert lines[-1].startswith("400 validation_failed params.name: ")
        assert len(lines) == 3
        assert queue.task(broken)["status"] == "pending"
        assert len(queue.of_type("shop.greet")) == 3

    def test_several_workers_in_a_program(self, queue: Queue, tmp_path: Path) -> None:
        for name in ("shop.mail", "shop.report"):
            queue.register(name)
            queue.create(name, PARAMS)
        (source,) = texts("Concurrency", "python")
        assert run_program(source, queue, tmp_path) == "stopped 1\n" * 2

    def test_the_queue_is_counted(self, queue: Queue, tmp_path: Path) -> None:
        queue.register("shop.mail")
        queue.create_many("shop.mail", 3)
        (script,) = texts("From the server", "sh")
        printed = run_shell(script.replace("curl", "curl --silent"), queue, tmp_path)
        assert json.loads(printed)["data"]["counts"]["pending"] == 3


def run_shell(script: str, queue: Queue | None, folder: Path) -> str:
    """Everything that a script prints, errors too."""
    command = ["sh", "-eu", "-c", script]
    return _run(command, queue, folder, subprocess.STDOUT)


def run_program(source: str, queue: Queue, folder: Path) -> str:
    (folder / "program.py").write_text(source, "utf-8")
    return _run([sys.executable, "program.py"], queue, folder, subprocess.PIPE)


def _run(command: list[str], queue: Queue | None, folder: Path, errors: int) -> str:
    env: dict[str, Any] = {**os.environ, "PYTHONPATH": str(PROJECT)}
    if queue:
        env.update(TASKMANAGER_API_URL=queue.url, TASKMANAGER_API_KEY=queue.key)
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def same_but_numbers(text: str) -> str:
    return re.sub(r"\d+", "N", text)
