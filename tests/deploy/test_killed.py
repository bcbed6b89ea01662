"""SIGKILL to an installation, wherever it is: run again, it goes on and ends right."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.webspace import (
    STEPS,
    Visitor,
    WebSpace,
    archives,
    assert_closed,
    change,
    press_until,
)
from tests.support.net import wait_until


@pytest.fixture
def space() -> Iterator[WebSpace]:
    with WebSpace("cgi", "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        yield space


class TestKilled:
    """SIGKILL to every process of the installation, as soon as a step has begun."""

    def test_at_every_step_on_the_command_line(self, space: WebSpace) -> None:
        hits = 0
        for step in STEPS[1:]:
            process = space.start_install()
            wait_until_begun(space, step, process)
            hits += kill_all(space, process)
            process.communicate()
        assert hits
        done = space.install()
        assert done.returncode == 0, done
        assert_whole(space)

    def test_at_every_step_in_the_browser(self, space: WebSpace) -> None:
        """On a host that gives a request so little time that most steps take several."""
        change(space.web_folder / "deploy.py", "STEP_SECONDS = 12.0", "STEP_SECONDS = 0.5")
        visitor = Visitor(space.page).get()
        space.create(visitor.proof())
        visitor.post("proof")
        visitor.post("begin")
        hits = 0
        for step in STEPS[1:]:
            if step == "tables":
                assert 'id="host"' in visitor.text
                visitor.post("database", engine="sqlite")
            process = work_until_begun(space, step, visitor)
            hits += kill_all(space, process)
            process.wait()
            if 'id="key"' in visitor.get().text:
                break  # it was quicker than the last kill, and shows the key but once
        assert hits
        press_until(visitor, 'id="key"')
        assert space.api_key() in visitor.text
        assert_whole(space)

    def test_in_the_middle_of_steps(self, space: WebSpace) -> None:
        interrupted = []
        for step, is_in_the_middle in MIDDLES.items():
            process = space.start_install()
            wait_for_process(space, process, is_in_the_middle)
            kill_all(space, process)
            process.communicate()
            if step not in space.journal()["steps"]:
                interrupted.append(step)
        assert interrupted, "each step was quicker than its kill"
        done = space.install()
        assert done.returncode == 0, done
        assert_whole(space)
        assert_as_listed(space)
        assert_closed(space)


def wait_for_process(
    space: WebSpace, process: subprocess.Popen[Any], condition: Callable[[WebSpace], object]
) -> None:
    """Until the condition holds for the space, or the process has ended."""
    wait_until(lambda: condition(space) or process.poll() is not None, 300, "an installation")


def count(folders: Iterable[Path], ending: str) -> int:
    """How many files with this ending are there, while others come and go."""
    walks = (files for folder in folders for _, _, files in os.walk(folder))
    return sum(name.endswith(ending) for files in walks for name in files)


def is_self_test_at_work(space: WebSpace) -> bool:
    if "entry" not in space.journal().get("steps", {}):
        return False
    return space.call("GET", "/task-types/taskmanager.selftest")[0] == 200


# When a step has done a part of its work.
MIDDLES: dict[str, Callable[[WebSpace], object]] = {
    "files": lambda space: count(space.home.glob("releases/.unpacking-*"), ".py") > 100,
    "compile": lambda space: count(space.home.glob("releases/[0-9]*"), ".pyc") > 100,
    "entry": lambda space: (space.web_folder / "index.cgi").exists(),
    "selftest": is_self_test_at_work,
}


def assert_as_listed(space: WebSpace) -> None:
    """Every file of the release is as its list of checksums has it."""
    (release,) = (space.home / "releases").iterdir()
    listed = json.loads((release / "MANIFEST.json").read_bytes())["files"]
    found = {name: hashlib.sha256((release / name).read_bytes()).hexdigest() for name in listed}
    assert found == listed


def wait_until_begun(space: WebSpace, step: str, process: subprocess.Popen[Any]) -> None:
    """Until the step before this one is done, or the process."""
    wait_for_process(space, process, lambda space: has_begun(space, step))


def has_begun(space: WebSpace, step: str) -> bool:
    return STEPS[STEPS.index(step) - 1] in space.journal().get("steps", {})


def work_until_begun(space: WebSpace, step: str, visitor: Visitor) -> subprocess.Popen[bytes]:
    """Go on, as somebody does who does not wait for the last answer: who still waits for it."""
    data = f"csrf={visitor.csrf()}&action=work"
    command = ["curl", "--silent", "--output", "/dev/null", "--data", data]
    while True:
        process = subprocess.Popen([*command, "--cookie", visitor.cookie, visitor.url])
        wait_until_begun(space, step, process)
        if has_begun(space, step):
            return process
        process.wait()


def kill_all(space: WebSpace, process: subprocess.Popen[Any]) -> int:
    """SIGKILL to the installation as soon as there is something to kill: how many it hit."""
    hits = [0]

    def is_hit() -> bool:
        hits[0] = space.kill_processes()
        return bool(hits[0]) or process.poll() is not None

    wait_until(is_hit, 300, "a process of the installation")
    return hits[0]


def assert_whole(space: WebSpace) -> None:
    assert space.call("GET", "/health")[0] == 200
    assert [path.name for path in (space.home / "releases").iterdir()] == [
        (space.home / "current").read_text().strip()
    ]
    assert not list(space.home.glob(".ht-draft-*"))
    assert not list(space.web_folder.glob(".ht-draft-*"))
