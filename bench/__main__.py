"""Measures TaskManager's speed, beside floors and other queues: all in about ten minutes.

    python -m bench                     everything
    python -m bench cycles lists        only these
    python -m bench --full              larger, and more often: three quarters of an hour
    python -m bench --quick             that every scenario works, with small numbers
    python -m bench --against ../old    another checkout beside this one, measured in turn

Prints conditions, medians and ratios, and writes them as results.md with plots (SVG).
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from bench import conditions
from bench.queues import Version
from bench.report import Report
from bench.run import Run, Scale
from bench.scenarios import QUICK_SCENARIOS, SCENARIOS, load
from tests.support.mariadb import MariaDB


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    usual = QUICK_SCENARIOS if options.quick else SCENARIOS
    wanted = options.scenarios or usual
    report = Report(options.output, has_goals=not options.quick)
    before = Version("before", options.against.resolve()) if options.against else None
    mariadb = MariaDB()
    try:
        mariadb.start()
        run = Run(report, mariadb, before, _scale(options))
        report.heading("Conditions", conditions.lines(mariadb, run.versions, arguments))
        failed = [name for name in wanted if not _measure(name, run)]
    finally:
        mariadb.remove()
    print(f"\nWritten: {report.finish()}")
    if failed:
        sys.exit(f"These scenarios failed, see above: {', '.join(failed)}")


def _scale(options: argparse.Namespace) -> Scale:
    if options.quick:
        return Scale.QUICK
    return Scale.FULL if options.full else Scale.USUAL


def _measure(name: str, run: Run) -> bool:
    """Whether the scenario came to its end: the others are measured in any case."""
    begun = time.monotonic()
    try:
        load(name)(run)
    except Exception:
        traceback.print_exc()
        return False
    spent = time.monotonic() - begun
    run.report.say(f"\n({name}: {spent:.0f} s; load {conditions.load()})")
    return True


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="scenarios: " + ", ".join(SCENARIOS),
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all if none is named")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--full", action="store_true", help="larger tables, more rounds")
    scale.add_argument("--quick", action="store_true", help="small numbers, without peers")
    parser.add_argument("--against", type=Path, metavar="PATH", help="a checkout to compare with")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.scenarios) - set(SCENARIOS))
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return options


if __name__ == "__main__":
    main(sys.argv[1:])
