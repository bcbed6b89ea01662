"""CI and the hook before each commit run what CONTRIBUTING.md says, with the Pythons that setup.cfg
promises.
"""

from __future__ import annotations

import configparser
import os
from typing import Any

import yaml

from tests.support.server import PROJECT


def read_yaml(name: str) -> Any:
    return yaml.safe_load((PROJECT / name).read_text("utf-8"))


def test_ci_runs_with_the_oldest_python_that_is_promised() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    oldest = setup["options"]["python_requires"].lstrip(">=")
    job = read_yaml(".github/workflows/ci.yml")["jobs"]["tests"]
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons == [oldest, "3.11", "3.13"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    told = f"`.ci/run` with Python {oldest}, 3.11 and 3.13"
    assert told in (PROJECT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_hook_runs_the_same_checks() -> None:
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["entry"]) == ("local", "tests/check")
    assert not hook["pass_filenames"]
    assert "\ntests/check" in (PROJECT / ".ci" / "run").read_text("utf-8")
    for name in (".ci/run", ".ci/release.py", "tests/check", "tests/run"):
        assert os.access(PROJECT / name, os.X_OK), name


def test_a_bug_report_says_where_it_happened() -> None:
    fields = read_yaml(".github/ISSUE_TEMPLATE/bug.yml")["body"]
    required = {each["id"] for each in fields if each.get("validations", {}).get("required")}
    assert required >= {"version", "host", "place", "database", "done", "came"}
