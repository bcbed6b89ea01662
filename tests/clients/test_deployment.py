"""The files that run worker.py elsewhere: each is taken at its word, and run where that is possible
without a whole machine for it."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import worker
from tests.clients.support import EXAMPLES, Programs, inherited
from tests.support.net import wait_until
from tests.support.server import PROJECT
from tests.worker.support import Queue

DEPLOY = EXAMPLES / "deploy"
INSTALLED = "/opt/taskmanager"
SECONDS = 60
ECHO = """
import pathlib, time
from worker import task

@task("t.echo")
def echo(params, job):
    return params

@task("t.wait")
def wait(params, job):
    while not pathlib.Path("go").exists():
        time.sleep(0.1)
"""

UNITS = ["taskmanager-worker.service", "taskmanager-worker@.service"]


def unit(name: str) -> configparser.ConfigParser:
    """A unit's settings; of one that is there twice, the last."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / name, "utf-8")
    return parser


def supervised() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(DEPLOY / "supervisor.conf", "utf-8")
    return parser["program:taskmanager-worker"]


def cron_lines() -> list[str]:
    """The commands of the crontab, those that are commented out too."""
    lines = (DEPLOY / "crontab").read_text("utf-8").splitlines()
    return [match[1] for line in lines if (match := re.match(r"#?\*\S* \* \* \* \* (.*)", line))]


def docker_commands() -> dict[str, list[str]]:
    """ENTRYPOINT and CMD of the Dockerfile."""
    found = re.findall(r"^(ENTRYPOINT|CMD) (\[.*\])$", read("Dockerfile"), re.MULTILINE)
    return {name: json.loads(command) for name, command in found}


def compose_service() -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load(read("compose.yaml"))["services"]["worker"]
    return service


def pod() -> dict[str, Any]:
    deployment = yaml.safe_load(read("kubernetes.yaml"))
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def read(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


def commands() -> dict[str, list[list[str]]]:
    """What each file calls worker.py with."""
    entry = docker_commands()["ENTRYPOINT"]
    usage = re.findall(r"^# +sh worker-pool.sh \d+ (.*)$", read("worker-pool.sh"), re.MULTILINE)
    return {
        **{name: [after_program(unit(name)["Service"]["ExecStart"])] for name in UNITS},
        "supervisor.conf": [after_program(supervised()["command"])],
        "crontab": [after_program(line.partition(">>")[0]) for line in cron_lines()],
        "Dockerfile": [after_program(shlex.join(entry + docker_commands()["CMD"]))],
        "compose.yaml": [after_program(shlex.join(entry + compose_service()["command"]))],
        "kubernetes.yaml": [after_program(shlex.join(entry + pod()["containers"][0]["args"]))],
        "worker-pool.sh": [shlex.split(line) for line in usage],
    }


def after_program(command: str) -> list[str]:
    words = shlex.split(command)
    return words[words.index("worker.py") + 1 :]


@pytest.mark.parametrize("name", sorted(commands()))
def test_worker_py_takes_these_options(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no worker.conf here
    found = commands()[name]
    assert found
    for options in found:
        assert options
        context = worker.main.make_context("worker.py", options)
        assert isinstance(context, click.Context)


def test_every_file_is_looked_at() -> None:
    assert {path.name for path in DEPLOY.iterdir()} == {*commands(), "worker.conf"}


def test_the_settings_are_what_worker_py_reads() -> None:
    assert set(worker.read_config(DEPLOY / "worker.conf")) == {
        "TASKMANAGER_API_URL",
        "TASKMANAGER_API_KEY",
    }


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(lambda: int(unit(UNITS[0])["Service"]["TimeoutStopSec"]), id="systemd"),
        pytest.param(lambda: int(unit(UNITS[1])["Service"]["TimeoutStopSec"]), id="systemd-many"),
        pytest.param(lambda: int(supervised()["stopwaitsecs"]), id="supervisor"),
        pytest.param(lambda: int(compose_service()["stop_grace_period"].rstrip("s")), id="compose"),
        pytest.param(lambda: pod()["terminationGracePeriodSeconds"], id="kubernetes"),
    ],
)
def test_a_worker_has_the_time_to_stop(seconds: Any) -> None:
    """Ten seconds more than the worker gives its tasks, to report how they ended."""
    context = worker.main.make_context("worker.py", ["--handlers", "handlers.py"])
    default = context.params["shutdown_timeout"]
    assert seconds() >= default + 10
    for found in commands().values():
        for options in found:
            params = worker.main.make_context("worker.py", list(options)).params
            assert params["shutdown_timeout"] == default


# --- systemd


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    program = unit(name)["Service"]["ExecStart"].split()[0]
    # Of a template, systemd looks at one that is made of it.
    copy = tmp_path / name.replace("@.", "@1.")
    copy.write_text(read(name).replace(program, sys.executable), "utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_units_differ_in_nothing_but_the_worker() -> None:
    one, many = unit(UNITS[0]), unit(UNITS[1])
    command = many["Service"]["ExecStart"]
    assert "--worker-id %H-%i" in command
    many["Service"]["ExecStart"] = command.replace("--worker-id %H-%i ", "")
    assert many["Unit"]["Description"].endswith("%i")
    many["Unit"]["Description"] = one["Unit"]["Description"]
    assert [dict(one[section]) for section in one] == [dict(many[section]) for section in many]


# --- What can be run here


@pytest.fixture
def folder(queue: Queue, tmp_path: Path) -> Path:
    """A folder with the worker, its handlers and its settings, as on a user's machine."""
    for name in ("t.echo", "t.wait"):
        queue.register(name)
    folder = tmp_path / "queue"
    folder.mkdir()
    shutil.copy(PROJECT / "worker.py", folder)
    (folder / "handlers.py").write_text(ECHO, "utf-8")
    settings = f"TASKMANAGER_API_URL={queue.url}\nTASKMANAGER_API_KEY={queue.key}\nBATCH=1\n"
    (folder / "worker.conf").write_text(settings, "utf-8")
    return folder


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Surroundings whose python3 is the one of the tests."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python", "python3"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', "utf-8")
        program.chmod(0o755)
    return {**inherited(), "HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}


sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@sqlite
def test_the_first_line_of_the_crontab_runs(
    queue: Queue, folder: Path, env: dict[str, str]
) -> None:
    ids = queue.create_many("t.echo", 3)
    # As cron does: by sh, in the home folder.
    done = subprocess.run(
        ["sh", "-c", cron_lines()[0]], cwd=env["HOME"], env=env, timeout=SECONDS, check=False
    )
    log = (folder / "worker.log").read_text("utf-8")
    assert done.returncode == 0, log
    assert queue.statuses(ids) == ["completed"] * 3


@sqlite
def test_what_the_dockerfile_runs_works(queue: Queue, folder: Path, env: dict[str, str]) -> None:
    """Its folder made as its COPY lines say, and its command run there."""
    copies = re.findall(r"^COPY (\S+) \./(\S*)$", read("Dockerfile"), re.MULTILINE)
    assert copies == [("worker.py", ""), ("${HANDLERS}", "handlers.py")]
    assert (PROJECT / compose_service()["build"]["args"]["HANDLERS"]).is_file()
    assert (DEPLOY / compose_service()["build"]["context"] / "worker.py").is_file()
    ids = queue.create_many("t.echo", 3)
    command = [*docker_commands()["ENTRYPOINT"], *docker_commands()["CMD"], "--until-empty"]
    subprocess.run(command, cwd=folder, env=env, timeout=SECONDS, check=True)
    assert queue.statuses(ids) == ["completed"] * 3


class Supervisor:
    """supervisord with the project's file, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        own = read("supervisor.conf").replace(INSTALLED + "/.venv/bin/python", sys.executable)
        # Whoever runs the tests is not that user, and may not become it.
        own = own.replace("user=taskmanager\n", "").replace(INSTALLED, str(folder))
        own = f"[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\n{own}"
        own = own.replace("nodaemon=true", f"nodaemon=true\npidfile={folder}/supervisord.pid")
        (folder / "supervisord.conf").write_text(own, "utf-8")
        self._process = subprocess.Popen(
            ["supervisord", "-c", str(folder / "supervisord.conf")],
            cwd=folder,
            env=inherited(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def logs(self) -> str:
        return "".join(path.read_text("utf-8") for path in sorted(self._folder.glob("*.log")))

    def terminate(self) -> None:
        self._process.terminate()

    def code(self) -> int:
        """Waits for its end, and so for that of its workers."""
        return self._process.wait(SECONDS)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def supervisor(folder: Path) -> Iterator[Supervisor]:
    started = Supervisor(folder)
    yield started
    started.kill()


@sqlite
def test_supervisor_runs_three_workers_and_stops_them_gently(
    queue: Queue, folder: Path, supervisor: Supervisor
) -> None:
    """Each is at work when the signal comes, and reports afterwards."""
    ids = queue.create_many("t.wait", 3)
    wait_until(
        lambda: queue.statuses(ids) == ["claimed"] * 3, SECONDS, "three workers at work at once"
    )
    supervisor.terminate()
    (folder / "go").touch()
    assert supervisor.code() == 0, supervisor.logs()
    tasks = [queue.task(task_id) for task_id in ids]
    assert [task["status"] for task in tasks] == ["completed"] * 3, supervisor.logs()
    assert {task["claimed_by"].rpartition("-")[2] for task in tasks} == {"1", "2", "3"}


@pytest.fixture
def pool(queue: Queue, folder: Path) -> Iterator[Programs]:
    shell = f'cd {shlex.quote(str(folder))} && exec dash {DEPLOY / "worker-pool.sh"} "$@"'
    programs = Programs(("sh", "-c", shell, "sh"), queue.url, queue.key)
    yield programs
    programs.end()


@sqlite
def test_a_pool_works_side_by_side_and_stops_gently(
    queue: Queue, folder: Path, pool: Programs
) -> None:
    ids = queue.create_many("t.wait", 2)
    running = pool.start("2", "--handlers", "handlers.py", PYTHON=sys.executable)
    for task_id in ids:
        queue.wait_for(task_id, "claimed")
    running.terminate()
    (folder / "go").touch()
    assert running.code() == 0, running.output
    assert queue.statuses(ids) == ["completed"] * 2
    assert queue.task(ids[0])["claimed_by"] != queue.task(ids[1])["claimed_by"]


@sqlite
def test_a_pool_ends_with_the_highest_exit_code(pool: Programs) -> None:
    python = {"PYTHON": sys.executable}
    assert pool.run("2", "--handlers", "handlers.py", "--until-empty", **python)[0] == 0
    wrong = ("--handlers", "handlers.py", "--until-empty", "--api-key", "wrong")
    assert pool.run("2", *wrong, **python)[0] == 3
    assert pool.run("many")[0] == 2


def test_requirements_are_those_of_worker_py() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(PROJECT / "setup.cfg", "utf-8")
    listed = (EXAMPLES / "python" / "requirements.txt").read_text("utf-8").split()
    assert sorted(line.partition(">=")[0] for line in listed) == ["click", "requests"]
    assert set(listed) <= set(setup["options"]["install_requires"].split())
