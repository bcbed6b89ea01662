"""What `deploy.py --local` says when it cannot do its work, and with which exit code."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.deploy.support import deploy, programs_in, without_root_powers
from tests.support.checkout import copy_project
from tests.support.net import HOST
from tests.support.server import PROJECT


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that nothing was installed into, for refusals that come before anything is made."""
    return copy_project(tmp_path_factory.mktemp("bare") / "TaskManager")


class TestPath:
    def test_that_does_not_exist(self, bare: Path, tmp_path: Path) -> None:
        run = deploy(bare, "--local", "--real", str(tmp_path / "nowhere"))
        assert run.code == 2
        assert f"{tmp_path / 'nowhere'}: there is no such path" in run.err

    def test_that_is_empty(self, bare: Path) -> None:
        run = deploy(bare, "--local", "--real", "")
        assert run.code == 2
        assert "no such path" in run.err

    def test_that_is_a_file(self, bare: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        run = deploy(bare, "--local", "--real", str(tmp_path / "file"))
        assert run.code == 2
        assert "is a file" in run.err

    def test_without_files(self, bare: Path, tmp_path: Path) -> None:
        (tmp_path / "empty folder").mkdir()
        (tmp_path / "link").symlink_to("/etc/passwd")
        run = deploy(bare, "--local", "--real", str(tmp_path))
        assert run.code == 2
        assert "no regular file" in run.err

    @pytest.mark.parametrize("path", [".", "..", "local"])
    def test_that_holds_the_queue_itself(self, bare: Path, path: str) -> None:
        (bare / "local").mkdir(exist_ok=True)
        (bare / "local" / "file").touch()
        run = deploy(bare, "--local", "--real", str(bare / path))
        assert run.code == 2
        assert "changes while" in run.err

    def test_refused_means_that_nothing_was_made(self, bare: Path, tmp_path: Path) -> None:
        deploy(bare, "--local", "--real", str(tmp_path / "nowhere"))
        assert not (bare / ".venv").exists()


class TestMachine:
    @pytest.mark.parametrize("module", ["venv", "ensurepip"])
    def test_python_without_venv_is_told_the_line_that_brings_it(
        self, bare: Path, tmp_path: Path, module: str
    ) -> None:
        # What Debian's own Python does until its package python3-venv is there.
        (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None\n")
        run = deploy(bare, "--local", "--once", env={"PYTHONPATH": str(tmp_path)})
        assert run.code == 3
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert any(
            line.strip().endswith(("apt install python3-venv", f"apt install python{version}-venv"))
            for line in run.err.splitlines()
        )
        assert not (bare / ".venv").exists()

    def test_a_port_in_use(self, bare: Path) -> None:
        with socket.socket() as other:
            other.bind((HOST, 0))
            other.listen()
            port = other.getsockname()[1]
            run = deploy(bare, "--local", "--port", str(port))
        assert run.code == 4
        assert f"Port {port} on {HOST} is in use" in run.err
        assert "--port" in run.err
        assert not (bare / ".venv").exists()

    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        copy = copy_project(tmp_path / "read-only")
        copy.chmod(0o555)
        run = deploy(copy, "--local", "--once", prefix=without_root_powers())
        copy.chmod(0o755)
        assert run.code == 4
        assert f"{copy} cannot be written to" in run.err

    def test_a_part_of_the_project_that_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "deploy.py").write_bytes((PROJECT / "deploy.py").read_bytes())
        run = deploy(tmp_path, "--local")
        assert run.code == 3
        assert "needs the whole project" in run.err


class TestSteps:
    def test_pip_that_fails(self, sibling: Path) -> None:
        setup = sibling / "setup.cfg"
        requirement = f"    nothing @ file://{sibling}/nothing.whl\n"
        setup.write_text(setup.read_text().replace("    flask>=2.2\n", requirement))
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "pip could not install nothing" in run.err
        assert "nothing.whl" in run.err.split("It said:")[1]

    def test_a_database_that_cannot_be_used(self, sibling: Path) -> None:
        make_config(sibling, 'API_KEY = "long-enough"\nDATABASE_URL = "nonsense://"\n')
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "The tables could not be made" in run.err
        assert "DATABASE_URL" in run.err

    def test_a_server_that_dies_shows_its_log(self, sibling: Path) -> None:
        dying = "import sys\nif 'run' in sys.argv: raise SystemExit('broken on purpose')\n"
        make_config(sibling, f'API_KEY = "long-enough"\n{dying}')
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "server ended" in run.err
        assert "broken on purpose" in run.err
        assert not programs_in(sibling)

    @pytest.mark.parametrize("text", ["DATABASE_URL = ''\n", "API_KEY = ''\n", "API_KEY =\n"])
    def test_a_config_without_a_key(self, sibling: Path, text: str) -> None:
        make_config(sibling, text)
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "config.py" in run.err
        assert "delete it" in run.err

    def test_handlers_that_cannot_be_loaded(self, sibling: Path) -> None:
        (sibling / "examples" / "handlers.py").write_text("raise RuntimeError('broken on purpose')")
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "broken on purpose" in run.err
        assert not programs_in(sibling)

    def test_a_worker_that_fails_shows_its_log(self, sibling: Path) -> None:
        worker = sibling / "worker.py"
        as_program = 'if __name__ == "__main__":\n'
        text = worker.read_text("utf-8")
        assert as_program in text
        broken = f"{as_program}    raise SystemExit('broken on purpose')\n"
        worker.write_text(text.replace(as_program, broken), "utf-8")
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "worker ended with exit code 1" in run.err
        assert "broken on purpose" in run.err
        assert not programs_in(sibling)


def make_config(project: Path, text: str) -> None:
    folder = project / "local"
    folder.mkdir(mode=0o700)
    (folder / "config.py").write_text(text)
