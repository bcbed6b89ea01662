"""What deploy.py says when it cannot do its work, and with which exit code."""

from __future__ import annotations

import ast
import io
import os
import re
import socket
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from tests.deploy.support import deploy, programs_in, without_root_powers
from tests.support.checkout import copy_project
from tests.support.net import HOST
from tests.support.pythons import too_old
from tests.support.server import PROJECT

DEPLOY = PROJECT / "deploy.py"
DEMONSTRATION_TYPES = [
    {"name": f"example.{name}", "version": "1", "param_schema": {}}
    for name in ("echo", "uppercase", "math.add", "sleep")
]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that nothing was installed into, for refusals that come before anything is made."""
    return copy_project(tmp_path_factory.mktemp("bare") / "TaskManager")


class TestUsage:
    def test_without_a_mode_it_shows_its_help(self, bare: Path) -> None:
        run = deploy(bare)
        assert run.code == 2
        assert "--local" in run.out

    def test_options_of_local_need_it(self, bare: Path) -> None:
        run = deploy(bare, "--once")
        assert run.code == 2
        assert "--local" in run.err

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--install"], "--install needs --config"),
            (["--build", "--json"], "go with --install"),
            (["--local", "--with-vendor"], "go with --build"),
            (["--local", "--build"], "not allowed with"),
        ],
    )
    def test_options_go_with_their_mode(
        self, bare: Path, arguments: list[str], sentence: str
    ) -> None:
        run = deploy(bare, *arguments)
        assert run.code == 2
        assert sentence in run.err

    @pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
    def test_a_port_is_a_number(self, bare: Path, port: str) -> None:
        run = deploy(bare, "--local", f"--port={port}", "--port=8000")
        assert run.code == 2
        assert "from 1 to 65535" in run.err

    def test_help_documents_the_exit_codes(self, bare: Path) -> None:
        run = deploy(bare, "--help")
        assert run.code == 0
        described = {line.split()[0] for line in run.out.split("exit codes:")[1].splitlines()[1:]}
        assert described == {"0", "1", "2", "3", "4", "128"}

    def test_the_text_begins_with_what_to_do(self) -> None:
        beginning = "\n".join(DEPLOY.read_text("utf-8").splitlines()[:16])
        assert "the mode 755" in beginning
        assert "python3 deploy.py --local" in beginning


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
        (tmp_path / "deploy.py").write_bytes(DEPLOY.read_bytes())
        run = deploy(tmp_path, "--local")
        assert run.code == 3
        assert "needs the whole project" in run.err

    def test_an_old_python_gets_a_sentence(self) -> None:
        # Real ones too, where the machine has them; the version is what they see.
        program = (
            "import sys; sys.version_info = (3, 6, 15, 'final', 0); "
            "exec(compile(open(sys.argv[1], encoding='utf-8').read(), 'deploy.py', 'exec'))"
        )
        commands = [[sys.executable, "-c", program], *([python] for python in too_old())]
        for command in commands:
            for variables in ({}, {"GATEWAY_INTERFACE": "CGI/1.1"}):
                done = subprocess.run(
                    [*command, str(DEPLOY), "--local"],
                    check=False,
                    capture_output=True,
                    text=True,
                    env={**os.environ, **variables},
                )
                assert done.returncode == 3, done
                said = done.stdout if variables else done.stderr
                assert "TaskManager needs Python 3.9 or newer, and this is Python " in said
                assert done.stdout.startswith("Status: 500 ") is bool(variables)

    def test_passenger_with_an_old_python_shows_the_sentence(self) -> None:
        program = (
            "import sys; sys.version_info = (3, 6, 15, 'final', 0); "
            f"sys.path.insert(0, {str(PROJECT)!r}); import deploy; "
            "print(deploy.application({}, lambda status, headers: print(status)))"
        )
        done = subprocess.run(
            [sys.executable, "-B", "-c", program], check=True, capture_output=True, text=True
        )
        assert done.stdout.startswith("500 ")
        assert "this is Python 3.6" in done.stdout

    def test_python_2_can_parse_it(self) -> None:
        """What stands around the program, and the program as the string that it is there."""
        text = DEPLOY.read_text("utf-8")
        assert re.match(r"#!.*\n# -\*- coding: utf-8 -\*-\n", text)
        found = {type(node).__name__ for node in ast.walk(ast.parse(text))}
        younger = {"AnnAssign", "JoinedStr", "Nonlocal", "NamedExpr", "YieldFrom", "MatMult"}
        assert not {name for name in found if name.startswith("Async")} | (found & younger)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.returns is None
                assert not node.args.kwonlyargs
                assert not any(argument.annotation for argument in node.args.args)
            assert not isinstance(node, ast.Raise) or node.cause is None
            # print() with more than one argument, or to a file, is another thing there.
            assert not isinstance(node, ast.Name) or node.id != "print"
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING:
                assert token.string[0] in "r'\""
        imported = {alias.name for node in ast.parse(text).body for alias in names_in(node)}
        assert imported == {"os", "sys"}

    def test_an_error_names_its_line(self) -> None:
        program = (
            f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import deploy; "
            "print(deploy.version_key.__code__.co_firstlineno)"
        )
        number = int(subprocess.check_output([sys.executable, "-B", "-c", program]))
        assert DEPLOY.read_text("utf-8").splitlines()[number - 1].startswith("def version_key(")


def names_in(node: ast.stmt) -> list[ast.alias]:
    return node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []


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
        (sibling / "worker.py").write_text("raise SystemExit('broken on purpose')")
        (sibling / "examples" / "handlers.py").write_text(f"TASK_TYPES = {DEMONSTRATION_TYPES}")
        run = deploy(sibling, "--local", "--once")
        assert run.code == 4
        assert "worker ended with exit code 1" in run.err
        assert "broken on purpose" in run.err
        assert not programs_in(sibling)


def make_config(project: Path, text: str) -> None:
    folder = project / "local"
    folder.mkdir(mode=0o700)
    (folder / "config.py").write_text(text)
