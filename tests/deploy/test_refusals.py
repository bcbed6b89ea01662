"""What deploy.py says when it cannot do its work, and with which exit code."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from tests.deploy.support import deploy
from tests.support.checkout import copy_project
from tests.support.pythons import too_old
from tests.support.server import PROJECT

DEPLOY = PROJECT / "deploy.py"


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


class TestOldPython:
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
