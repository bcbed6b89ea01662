"""The version stands in one place, and .ci/release.py makes the next one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.version import VERSION
from tests.support.checkout import copy_project
from tests.support.server import PROJECT

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
}
NEXT = "98.7.6"


class TestVersion:
    def test_packaging_reads_it(self) -> None:
        assert "\nversion = attr: app.version.VERSION\n" in (PROJECT / "setup.cfg").read_text()

    def test_the_changelog_has_a_section_for_it(self) -> None:
        assert f"\n## {VERSION} (" in (PROJECT / "CHANGELOG.md").read_text("utf-8")

    def test_no_other_code_writes_it(self) -> None:
        files = [*PROJECT.glob("*.py"), *PROJECT.glob("*.cfg"), *(PROJECT / "app").rglob("*.py")]
        found = [path.name for path in files if f'"{VERSION}"' in path.read_text("utf-8")]
        assert found == ["version.py"]


class TestRelease:
    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        """A repository with the project as its only commit, and changes to be released."""
        clone = copy_project(tmp_path / "clone")
        changelog = clone / "CHANGELOG.md"
        text = changelog.read_text("utf-8")
        unreleased = f"## {NEXT} (unreleased)\n\n- Something new.\n- And # more.\n\n"
        changelog.write_text(text.replace("## ", f"{unreleased}## ", 1), "utf-8")
        git(clone, "init", "--quiet", "--initial-branch=main")
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "--message", "The project")
        return clone

    def test_commits_builds_and_tags(self, clone: Path) -> None:
        done = release(clone, NEXT)
        assert done.returncode == 0, done.stderr
        assert f"git push origin main v{NEXT}" in done.stdout

        assert git(clone, "log", "-1", "--format=%s") == f"Version {NEXT}"
        assert git(clone, "status", "--porcelain") == ""
        changed = git(clone, "diff", "--unified=0", "HEAD~1").splitlines()
        lines = [line for line in changed if re.match(r"[+-](?!\+\+|--)", line)]
        date = r"\(\d{4}-\d\d-\d\d\)"
        expected = [
            rf"-## {NEXT} \(unreleased\)",
            rf"\+## {NEXT} {date}",
            f'-VERSION = "{VERSION}"',
            rf'\+VERSION = "{NEXT}"',
        ]
        assert len(lines) == len(expected)
        assert all(map(re.fullmatch, expected, lines)), lines

        assert git(clone, "rev-parse", f"v{NEXT}^{{commit}}") == git(clone, "rev-parse", "HEAD")
        message = git(clone, "tag", "--list", "--format=%(contents)", f"v{NEXT}")
        notes = rf"TaskManager {NEXT} {date}\n\n- Something new\.\n- And # more\."
        assert re.fullmatch(notes, message.strip()), message

        with zipfile.ZipFile(clone / "dist" / f"taskmanager-{NEXT}.zip") as archive:
            assert f'VERSION = "{NEXT}"' in archive.read("app/version.py").decode()

    def test_a_changelog_without_news(self, clone: Path) -> None:
        changelog = clone / "CHANGELOG.md"
        changelog.write_text(changelog.read_text("utf-8").replace("(unreleased)", "(2020-01-01)"))
        git(clone, "commit", "--quiet", "--all", "--message", "Nothing new")
        assert_refused(clone, release(clone, NEXT), "must begin with a section")

    def test_a_checkout_with_changes(self, clone: Path) -> None:
        (clone / "new.txt").touch()
        assert_refused(clone, release(clone, NEXT), "new.txt")

    def test_another_branch(self, clone: Path) -> None:
        git(clone, "switch", "--quiet", "--create", "idea")
        assert_refused(clone, release(clone, NEXT), "Switch to main")

    @pytest.mark.parametrize("tag", ["v98.7.6", "v98.10.0"])
    def test_a_version_that_is_not_higher(self, clone: Path, tag: str) -> None:
        git(clone, "tag", tag)
        assert release(clone, NEXT).returncode == 1
        assert f"There is {tag} already" in release(clone, NEXT).stderr

    def test_what_is_not_a_version(self, clone: Path) -> None:
        done = release(clone, "v1")
        assert done.returncode == 2
        assert "like 0.2.0" in done.stderr

    def test_a_build_that_fails_leaves_nothing(self, clone: Path) -> None:
        (clone / "deploy.py").write_text("raise SystemExit(4)")
        git(clone, "commit", "--quiet", "--all", "--message", "Broken")
        assert_refused(clone, release(clone, NEXT), "build failed")


def assert_refused(clone: Path, done: subprocess.CompletedProcess[str], reason: str) -> None:
    assert done.returncode == 1
    assert reason in done.stderr
    assert git(clone, "tag") == ""
    assert f'VERSION = "{VERSION}"' in (clone / "app" / "version.py").read_text("utf-8")
    assert not git(clone, "log", "-1", "--format=%s").startswith("Version")


def release(clone: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(clone / ".ci" / "release.py"), version]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    return done.stdout.strip()
