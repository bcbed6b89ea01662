"""The first steps: checks, virtual environment, packages. Then program.py takes over in it.

Standard library only, since nothing is installed yet.
"""

from __future__ import annotations

import argparse
import os
import sys

from app.local.checks import check_port, check_project, check_python
from app.local.console import Console
from app.local.environment import install_dependencies, make_environment
from app.local.options import arguments, workload_of
from app.local.paths import PROJECT, PYTHON
from app.local.processes import Children, child_environment
from app.local.signals import Signals
from app.local.steps import Step, exit_code_of, take_steps


def main(options: argparse.Namespace) -> int:
    """What `deploy.py --local` does, with its options; the exit code."""
    return exit_code_of(lambda console: _bootstrap(options, console))


def _bootstrap(options: argparse.Namespace, console: Console) -> int:
    # As for the children: see child_environment.
    sys.dont_write_bytecode = True
    signals = Signals()
    signals.install()
    with Children(signals) as children:
        steps: list[Step] = [
            ("Checks", lambda: _check(options)),
            ("Python environment (.venv)", lambda: make_environment(children)),
            ("Dependencies", lambda: install_dependencies(children, console)),
        ]
        take_steps(steps, console, first=1)
        # From here on signals wait for the program.
        Signals.block()
    _become_program(options)
    raise AssertionError("unreachable")


def _check(options: argparse.Namespace) -> str:
    check_project()
    workload_of(options).check()
    check_port(options.port)
    check_python()
    return f"Python {sys.version.split()[0]}, port {options.port} is free"


def _become_program(options: argparse.Namespace) -> None:
    """Replace this process by program.py, run by the new environment's Python."""
    command = [PYTHON, str(PROJECT / "app" / "local"), *arguments(options)]
    os.execve(PYTHON, command, child_environment())
