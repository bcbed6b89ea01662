"""Imports point one way, and the project keeps its shape."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.one_file import plain
from tests.support.server import PROJECT

APP = PROJECT / "app"

# What each layer may import of app/, besides itself.
MAY_IMPORT = {
    "db": {"errors", "hashes", "version"},
    "queue": {
        "db",
        "config",
        "error_log",
        "errors",
        "hashes",
        "json_text",
        "password_hash",
        "site",
        "times",
        "version",
    },
    "api": {
        "queue",
        "db",
        "config",
        "cron_run",
        "error_log",
        "errors",
        "json_text",
        "site",
        "times",
        "version",
        "wording",
        "hashes",
    },
    "dashboard": {
        "api",
        "queue",
        "doctor",
        "config",
        "error_log",
        "errors",
        "hashes",
        "json_text",
        "site",
        "times",
        "verdict_text",
        "version",
        "wording",
    },
}
MODELS = APP / "db" / "model_base.py"
WEB = {"flask", "werkzeug", "flask_sqlalchemy"}


def _imports(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8")
    for node in ast.walk(ast.parse(plain(text) if path.name == "deploy.py" else text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "app":
                yield from (f"app.{alias.name}" for alias in node.names)


def _modules(layer: str) -> list[Path]:
    found = sorted((APP / layer).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_is_below_it(layer: str) -> None:
    for path in _modules(layer):
        for name in _imports(path):
            if name.startswith("app."):
                target = name.split(".")[1]
                assert target in MAY_IMPORT[layer] | {layer}, f"{path.name} imports {name}"


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_only_the_server_knows_flask(layer: str) -> None:
    for path in _modules(layer):
        if path != MODELS:
            assert not {name.split(".")[0] for name in _imports(path)} & WEB, path.name


@pytest.mark.parametrize("layer", ["queue", "api"])
def test_no_call_uses_the_models(layer: str) -> None:
    """They load Flask and SQLAlchemy."""
    models = {"app.db.tables", "app.db.model_base"}
    users = [path.name for path in _modules(layer) if models & set(_imports(path))]
    assert users == []


def test_http_knows_no_sql() -> None:
    for path in [*_modules("api"), *_modules("dashboard")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.upper()
                assert not text.startswith(("SELECT ", "INSERT ", "UPDATE ")), path.name


def _classes() -> list[tuple[Path, ast.ClassDef]]:
    """The classes of the application, but for those of the installers."""
    installers = {"install", "local"}
    paths = [p for p in APP.rglob("*.py") if p.relative_to(APP).parts[0] not in installers]
    trees = [(path, ast.parse(path.read_text("utf-8"))) for path in paths]
    return [
        (path, node) for path, tree in trees for node in tree.body if isinstance(node, ast.ClassDef)
    ]


def test_one_name_is_one_class() -> None:
    places: dict[str, list[str]] = {}
    for path, node in _classes():
        if not node.name.startswith("_"):
            places.setdefault(node.name, []).append(str(path.relative_to(APP)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


WITHIN_SCHEMA = {"PatternError", "GaveUp", "_Enough"}
"""How the modules of app/queue/schema talk among themselves; no call ends with one of these."""


def test_errors_form_one_tree() -> None:
    builtin = {name for name, each in vars(builtins).items() if isinstance(each, type)}
    strays = {
        node.name
        for _, node in _classes()
        if node.name != "TaskManagerError"
        for base in node.bases
        if isinstance(base, ast.Name)
        and base.id in builtin
        and issubclass(vars(builtins)[base.id], BaseException)
    }
    assert strays == WITHIN_SCHEMA


@pytest.mark.parametrize("name", ["worker.py", "deploy.py"])
def test_the_single_files_stand_alone(name: str) -> None:
    names = {imported.split(".")[0] for imported in _imports(PROJECT / name)}
    assert not {"app", "installer"} & names


def test_the_installer_needs_nothing_but_python() -> None:
    """It runs before any package is there, out of the archive."""
    for path in sorted((PROJECT / "installer").glob("*.py")):
        for name in _imports(path):
            if name.startswith("app"):
                assert name.startswith("app.install."), f"{path.name} imports {name}"
    program = "import sys; sys.path.insert(0, sys.argv[1]); import installer.actions, "
    program += "installer.unattended; print(*{name.split('.')[0] for name in sys.modules})"
    command = [sys.executable, "-I", "-S", "-c", program, str(PROJECT)]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert not set(loaded) & (WEB | {"sqlalchemy", "pymysql", "jsonschema"})


def test_every_module_says_what_it_is_for() -> None:
    for path in [
        *APP.rglob("*.py"),
        *(PROJECT / "installer").glob("*.py"),
        PROJECT / "worker.py",
        PROJECT / "passenger_wsgi.py",
    ]:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
