"""The options, as bootstrap.py passes them on to program.py."""

from __future__ import annotations

import argparse

from app.local.demonstration import Demonstration
from app.local.file_digests import FileDigests
from app.local.workload import Workload


def arguments(options: argparse.Namespace) -> list[str]:
    """The options of `deploy.py --local` as a command line that `parse` reads."""
    command = ["--port", str(options.port)]
    if options.once:
        command.append("--once")
    if options.real is not None:
        command.append(f"--real={options.real}")
    return command


def parse() -> argparse.Namespace:
    """The options that this process was given."""
    parser = argparse.ArgumentParser(prog="app/local")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--once", action="store_true", help="end when the tasks are done")
    parser.add_argument("--real", metavar="PATH", help="tasks: a checksum of every file there")
    return parser.parse_args()


def workload_of(options: argparse.Namespace) -> Workload:
    """What `--real` asks for; without it, the demonstration."""
    return Demonstration() if options.real is None else FileDigests(options.real)
