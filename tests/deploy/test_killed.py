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

from tests.deploy.archives import bundle, change
from tests.deploy.hosting_account import STEPS, HostingAccount, assert_closed
from tests.deploy.visitor import Visitor, press_until
from tests.support.net import wait_until


@pytest.fixture
def account() -> Iterator[HostingAccount]:
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        yield account


class TestKilled:
    """SIGKILL to every process of the installation, as soon as a step has begun."""

    def test_at_every_step_on_the_command_line(self, account: HostingAccount) -> None:
        hits = 0
        for step in STEPS[1:]:
            process = account.start_install()
            wait_until_begun(account, step, process)
            hits += kill_all(account, process)
            process.communicate()
        assert hits
        done = account.install()
        assert done.returncode == 0, done
        assert_whole(account)

    def test_at_every_step_in_the_browser(self, account: HostingAccount) -> None:
        """On a host that gives a request so little time that most steps take several."""
        change(account.web_folder / "deploy.py", "STEP_SECONDS = 12.0", "STEP_SECONDS = 0.5")
        visitor = Visitor(account.page).get()
        account.create(visitor.proof())
        visitor.post("proof")
        visitor.post("begin")
        hits = 0
        for step in STEPS[1:]:
            if step == "tables":
                assert 'id="host"' in visitor.text
                visitor.post("database", engine="sqlite")
            process = work_until_begun(account, step, visitor)
            hits += kill_all(account, process)
            process.wait()
            if 'id="key"' in visitor.get().text:
                break  # it was quicker than the last kill, and shows the key but once
        assert hits
        press_until(visitor, 'id="key"')
        assert account.api_key() in visitor.text
        assert_whole(account)

    def test_in_the_middle_of_steps(self, account: HostingAccount) -> None:
        interrupted = []
        for step, is_in_the_middle in MIDDLES.items():
            process = account.start_install()
            wait_for_process(account, process, is_in_the_middle)
            kill_all(account, process)
            process.communicate()
            if step not in account.journal()["steps"]:
                interrupted.append(step)
        assert interrupted, "each step was quicker than its kill"
        done = account.install()
        assert done.returncode == 0, done
        assert_whole(account)
        assert_as_listed(account)
        assert_closed(account)


def wait_for_process(
    account: HostingAccount,
    process: subprocess.Popen[Any],
    condition: Callable[[HostingAccount], object],
) -> None:
    """Until the condition holds for the account, or the process has ended."""
    wait_until(lambda: condition(account) or process.poll() is not None, 300, "an installation")


def count(folders: Iterable[Path], ending: str) -> int:
    """How many files with this ending are there, while others come and go."""
    walks = (files for folder in folders for _, _, files in os.walk(folder))
    return sum(name.endswith(ending) for files in walks for name in files)


def is_self_test_at_work(account: HostingAccount) -> bool:
    if "entry" not in account.journal().get("steps", {}):
        return False
    return account.call("GET", "/task-types/taskmanager.selftest")[0] == 200


# When a step has done a part of its work.
MIDDLES: dict[str, Callable[[HostingAccount], object]] = {
    "files": lambda account: count(account.home.glob("releases/.unpacking-*"), ".py") > 100,
    "compile": lambda account: count(account.home.glob("releases/[0-9]*"), ".pyc") > 100,
    "entry": lambda account: (account.web_folder / "index.cgi").exists(),
    "selftest": is_self_test_at_work,
}


def assert_as_listed(account: HostingAccount) -> None:
    """Every file of the build is as its list of checksums has it."""
    (build,) = (account.home / "releases").iterdir()
    listed = json.loads((build / "MANIFEST.json").read_bytes())["files"]
    found = {name: hashlib.sha256((build / name).read_bytes()).hexdigest() for name in listed}
    assert found == listed


def wait_until_begun(account: HostingAccount, step: str, process: subprocess.Popen[Any]) -> None:
    """Until the step before this one is done, or the process."""
    wait_for_process(account, process, lambda account: has_begun(account, step))


def has_begun(account: HostingAccount, step: str) -> bool:
    return STEPS[STEPS.index(step) - 1] in account.journal().get("steps", {})


def work_until_begun(
    account: HostingAccount, step: str, visitor: Visitor
) -> subprocess.Popen[bytes]:
    """Go on, as somebody does who does not wait for the last answer: who still waits for it."""
    data = f"csrf={visitor.csrf()}&action=work"
    command = ["curl", "--silent", "--output", "/dev/null", "--data", data]
    while True:
        process = subprocess.Popen([*command, "--cookie", visitor.cookie, visitor.url])
        wait_until_begun(account, step, process)
        if has_begun(account, step):
            return process
        process.wait()


def kill_all(account: HostingAccount, process: subprocess.Popen[Any]) -> int:
    """SIGKILL to the installation as soon as there is something to kill: how many it hit."""
    hits = [0]

    def is_hit() -> bool:
        hits[0] = account.kill_processes()
        return bool(hits[0]) or process.poll() is not None

    wait_until(is_hit, 300, "a process of the installation")
    return hits[0]


def assert_whole(account: HostingAccount) -> None:
    assert account.call("GET", "/health")[0] == 200
    assert [path.name for path in (account.home / "releases").iterdir()] == [
        (account.home / "current").read_text().strip()
    ]
    assert not list(account.home.glob(".ht-draft-*"))
    assert not list(account.web_folder.glob(".ht-draft-*"))
