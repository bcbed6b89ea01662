"""Which version of an installed site serves."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from app.install import versions
from app.install.errors import InstallError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for number, name in enumerate(("1.0-aaa", "1.1-bbb", "1.2-ccc", "1.3-ddd")):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        os.utime(folder, (10**9 + number, 10**9 + number))
    return tmp_path


def _names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "releases").iterdir())


def test_a_switch_names_the_build_that_serves_and_the_one_before(home: Path) -> None:
    assert (versions.read_current(home), versions.previous(home)) == (None, None)
    versions.switch(home, "1.0-aaa")
    assert (versions.read_current(home), versions.previous(home)) == ("1.0-aaa", None)
    for _ in range(2):  # to the one that serves already: no change
        versions.switch(home, "1.1-bbb")
        assert (versions.read_current(home), versions.previous(home)) == ("1.1-bbb", "1.0-aaa")
    versions.switch(home, "1.0-aaa")
    assert (versions.read_current(home), versions.previous(home)) == ("1.0-aaa", "1.1-bbb")
    assert (home / "current").read_text("utf-8") == "1.0-aaa\n"
    assert {path.name for path in home.iterdir()} == {"current", "previous", "releases"}


@pytest.mark.parametrize(
    "name", ["2.0-zzz", "", "..", "../releases/1.1-bbb", ".removing-1", "a\nb"]
)
def test_a_switch_to_what_is_not_a_build_is_refused(home: Path, name: str) -> None:
    versions.switch(home, "1.0-aaa")
    (home / "releases" / ".removing-1").mkdir()
    with pytest.raises(InstallError, match="there is no version"):
        versions.switch(home, name)
    assert versions.read_current(home) == "1.0-aaa"


def test_whoever_reads_during_a_switch_gets_one_name_or_the_other(home: Path) -> None:
    versions.switch(home, "1.0-aaa")
    over = threading.Event()
    seen = set()

    def read() -> None:
        while not over.is_set():
            seen.add((home / "current").read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        versions.switch(home, "1.1-bbb")
        versions.switch(home, "1.0-aaa")
    over.set()
    reader.join()
    assert seen == {b"1.0-aaa\n", b"1.1-bbb\n"}


def test_pruning_keeps_the_current_build_and_the_one_before(home: Path) -> None:
    versions.switch(home, "1.0-aaa")
    versions.switch(home, "1.1-bbb")
    (home / "releases" / ".removing-0.9").mkdir()  # left by a pruning that was killed
    (home / "releases" / ".unpacking-1.4").mkdir()  # an installer's, under way
    assert versions.prune(home) == ["1.2-ccc", "1.3-ddd"]
    assert _names(home) == [".unpacking-1.4", "1.0-aaa", "1.1-bbb"]
    assert versions.prune(home, keep=1) == []


def test_pruning_deletes_the_oldest_first(home: Path) -> None:
    versions.switch(home, "1.0-aaa")
    assert versions.prune(home, keep=3) == ["1.1-bbb"]
    assert _names(home) == ["1.0-aaa", "1.2-ccc", "1.3-ddd"]
