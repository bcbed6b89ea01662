"""From a fresh copy of the project to finished tasks."""

from __future__ import annotations

import re
import signal
import stat
from pathlib import Path
from xml.etree import ElementTree

from tests.deploy.support import Run, deploy, programs_in, start_deploy
from tests.install import databases
from tests.support import later
from tests.support.server import PROJECT


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

    def test_only_its_owner_can_read_the_key(self, checkout: Path, first_run: Run) -> None:
        assert stat.S_IMODE((checkout / "local").stat().st_mode) == 0o700
        assert stat.S_IMODE((checkout / "local" / "config.py").stat().st_mode) == 0o600

    def test_ends_its_processes(self, checkout: Path, first_run: Run) -> None:
        assert not programs_in(checkout)

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

    def test_a_signal_between_bootstrap_and_program_reaches_the_program(
        self, installed: Path
    ) -> None:
        process = start_deploy(installed, "--local")
        assert process.stdout
        while not process.stdout.readline().startswith(b"[3/"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        run = Run.of(process)
        assert run.code == 128 + signal.SIGTERM
        assert "interrupted; run it again" in run.err
        assert not programs_in(installed)

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


class TestPicture:
    """README's picture shows what is really printed."""

    def test_its_lines_are_printed(self, first_run: Run, installed: Path) -> None:
        process = start_deploy(installed, "--local")
        assert process.stdout
        printed = first_run.out.splitlines()
        while "--until-empty" not in printed[-1]:
            printed.append(process.stdout.readline().decode().rstrip("\n"))
        process.send_signal(signal.SIGINT)
        assert Run.of(process).code == 0

        command, *shown = picture_lines()
        assert command == "$ python3 deploy.py --local"
        known = [without_numbers(line) for line in printed]
        for line in map(without_numbers, shown):
            if line.endswith("…"):
                assert any(each.startswith(line[:-1]) for each in known), line
            else:
                assert line in known


def picture_lines() -> list[str]:
    picture = ElementTree.parse(PROJECT / "docs" / "images" / "quick-start.svg")
    return [str(each.text) for each in picture.iter("{http://www.w3.org/2000/svg}text")]


def without_numbers(line: str) -> str:
    return re.sub(r"\d+", "N", line)


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
