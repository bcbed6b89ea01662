"""The entry files, run as programs, without a web server around them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.install.entry import deny_all, index_cgi, shebang

SECONDS = 30


@pytest.mark.parametrize("sent", [b"", b"{", b"x" * 1_000_000], ids=["nothing", "a little", "much"])
def test_a_body_that_never_ends_does_not_hold_the_program(tmp_path: Path, sent: bytes) -> None:
    """No version can be served, and the caller goes on sending: the response comes all the same."""
    program = tmp_path / "index.py"
    program.write_text(index_cgi(tmp_path / "home", sys.executable), "utf-8")
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CONTENT_LENGTH": "2000000"},
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(sent)
    process.stdin.flush()
    # The pipe stays open: only the program itself can end this.
    assert process.wait(SECONDS) == 0
    assert process.stdout.read().startswith(b"Status: 503 Service Unavailable\r\n")
    assert b"no version can be served: FileNotFoundError" in process.stderr.read()
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()


def test_deploy_py_closes_a_folder_as_the_entry_does() -> None:
    """It has to before there is an archive to take the text from."""
    import deploy

    assert deny_all() == deploy.DENY_ALL


@pytest.mark.parametrize("name", ["python", "a python", "p" * 130], ids=["plain", "space", "long"])
def test_a_call_does_not_pay_for_site(tmp_path: Path, name: str) -> None:
    """Packages come with the version, so the folders that ``site`` looks through are not needed."""
    interpreter = tmp_path / name
    interpreter.symlink_to(sys.executable)
    program = tmp_path / "index.cgi"
    first_lines = shebang(str(interpreter))
    program.write_text(f"{first_lines}\nimport sys\nprint('site' in sys.modules)\n", "utf-8")
    program.chmod(0o755)
    done = subprocess.run([program], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
