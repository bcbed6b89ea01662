"""Files that commands were writing when they were killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.drafts import DAY, PREFIX, draft_in
from tests.cli.runner import Commands
from tests.support.server import PROJECT

WRITER = """
import sys
from app.cli.files import new_file
with new_file(sys.argv[1], False) as draft, open(draft, "wb") as file:
    file.write(b"half of it")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun to write this file, and goes on until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def drafts(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(PREFIX)]


def test_the_next_one_removes_what_a_killed_one_left(commands: Commands, tmp_path: Path) -> None:
    with writer(tmp_path / "killed"):
        pass
    assert len(drafts(tmp_path)) == 1
    commands.output("backup", str(tmp_path / "all.jsonl"))
    assert drafts(tmp_path) == []
    assert not (tmp_path / "killed").exists()


def test_what_is_being_written_stays(commands: Commands, tmp_path: Path) -> None:
    with writer(tmp_path / "slow") as process:
        commands.output("backup", str(tmp_path / "all.jsonl"))
        assert len(drafts(tmp_path)) == 1
        process.communicate("")
    assert (tmp_path / "slow").read_text() == "half of it"
    assert drafts(tmp_path) == []


def test_those_without_a_lock_go_by_their_age(tmp_path: Path) -> None:
    """Earlier versions wrote plain files."""
    old, young = tmp_path / f"{PREFIX}old", tmp_path / f"{PREFIX}young"
    for path in (old, young):
        path.write_text("half of it")
    before = old.stat().st_mtime - DAY - 60
    os.utime(old, (before, before))
    (tmp_path / "other").write_text("not ours")
    with draft_in(str(tmp_path)):
        pass
    assert sorted(os.listdir(tmp_path)) == [young.name, "other"]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with draft_in(str(tmp_path)) as draft:
        assert Path(draft).parent.stat().st_mode & 0o777 == 0o700
