"""`--real`: files of all kinds, held against find and sha256sum."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.deploy.support import Run, deploy, programs_in, start_deploy, without_root_powers
from tests.local.terminal import shell
from tests.support.net import wait_until


class TestRealFiles:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        """Files with names and contents that ask for care, and what must not be counted."""
        tree = tmp_path / "real files"
        (tree / "a folder").mkdir(parents=True)
        (tree / "plain.txt").write_text("one\ntwo\nno newline at the end")
        (tree / "empty").touch()
        (tree / "a folder" / 'it\'s $HOME; rm -rf `x` "quoted"').write_bytes(b"\n" * 1000)
        (tree / "new\nline").write_text("x\n")
        (tree / "back\\slash\rreturn").write_text("y\n")
        (tree / "\x1b[31mred").write_text("z\n")
        (tree / "grüße.txt").write_text("\u00fc\n")
        (tree / "large").write_bytes(bytes(range(256)) * 20_000)
        with open(os.path.join(os.fsencode(tree), b"latin-\xe9"), "wb") as file:
            file.write(b"\xff\xfe\n")
        (tree / "link").symlink_to("plain.txt")
        (tree / "loop").symlink_to(".")
        (tree / "broken").symlink_to("nowhere")
        os.mkfifo(tree / "pipe")
        return tree

    def test_every_file_is_done_and_agrees_with_find_and_sha256sum(
        self, installed: Path, tree: Path
    ) -> None:
        run = deploy(installed, "--local", "--once", "--real", str(tree))
        assert run.code == 0, run
        totals = dict(re.findall(r"^ +(files|bytes|lines|failed) +(\d+)$", run.out, re.MULTILINE))
        assert totals["failed"] == "0"
        assert totals["files"] == "9"
        assert totals["files"] == shell("find . -type f -printf . | wc -c", tree).strip()
        lines, size = shell("find . -type f -print0 | xargs -0 cat | wc -lc", tree).split()
        assert (totals["lines"], totals["bytes"]) == (lines, size)

        sums = (installed / "local" / "SHA256SUMS").read_bytes().splitlines()
        reference = subprocess.run(
            ["bash", "-c", 'find "$0" -type f -print0 | xargs -0 sha256sum', str(tree)],
            check=True,
            capture_output=True,
        )
        assert sorted(sums) == sorted(reference.stdout.splitlines())
        assert [c for c in run.out if not c.isprintable() and c != "\n"] == []

    def test_the_printed_checks_run_as_they_are(self, installed: Path, tree: Path) -> None:
        odd = os.path.join(os.fsencode(tree), b"odd \xe9 'name'\n")
        os.mkdir(odd)
        with open(odd + b"/file", "wb") as file:
            file.write(b"1\n2\n")
        run = deploy(installed, "--local", "--once", "--real", odd)
        assert run.code == 0, run
        commands = run.out.split("check that:\n")[1].splitlines()[:3]
        assert [shell(command).split() for command in commands] == [["1"], ["2", "4"], []]
        with open(odd + b"/file", "ab") as file:
            file.write(b"changed")
        with pytest.raises(subprocess.CalledProcessError):
            shell(commands[2])

    def test_more_files_than_fit_one_call(self, installed: Path, tmp_path: Path) -> None:
        folder = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 200)
        folder.mkdir(parents=True)
        for number in range(1100):
            (folder / f"{'n' * 200}{number}").write_text(str(number))
        run = deploy(installed, "--local", "--once", "--real", str(tmp_path))
        assert run.code == 0, run
        assert "1100 of 1100 tasks completed" in run.out

    def test_a_file_that_cannot_be_read_makes_the_end_a_failure(
        self, installed: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "readable").touch()
        (tmp_path / "secret").touch(mode=0)
        run = deploy(
            installed,
            *("--local", "--once", "--real", str(tmp_path)),
            prefix=without_root_powers(),
        )
        assert run.code == 1, run
        assert "1 of 2 tasks completed" in run.out
        assert re.search(r"failed: .*/secret: .*Permission denied", run.out)
        assert len((installed / "local" / "SHA256SUMS").read_text().splitlines()) == 1

    def test_a_signal_ends_even_a_worker_that_is_deep_in_a_task(
        self, sibling: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "huge"
        folder.mkdir()
        with (folder / "sparse").open("wb") as file:
            file.truncate(1 << 40)
        process = start_deploy(sibling, "--local", "--real", str(folder))
        wait_until(lambda: is_claiming(sibling), 60, "a task claimed by the worker")
        process.send_signal(signal.SIGTERM)
        assert Run.of(process).code == 128 + signal.SIGTERM
        assert not programs_in(sibling)


def is_claiming(project: Path) -> bool:
    try:
        status = json.loads((project / "local" / "worker-status.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(status["claimed"])
