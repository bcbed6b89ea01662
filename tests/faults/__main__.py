"""A chaos run: `python -m tests.faults --engine galera --minutes 10`; `--help` lists the engines.

Prints its table, and ends with 1 when something was lost, doubled, wrongly refused, over a limit
or outside the contract.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys

from tests.faults.book_error import KINDS
from tests.faults.chaos import Options, run
from tests.faults.deployment import DEPLOYMENTS
from tests.faults.report import summary, table

SHOWN = 20
"""Errors of a kind that are printed; their number is in the table."""


def main() -> int:
    # So that servers and clients are ended, whichever way this program is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    options = read_options(sys.argv[1:])
    print(f"seed {options.seed}", flush=True)
    outcome = run(options)
    for kind in KINDS:
        for error in [each for each in outcome.errors if each.kind == kind][:SHOWN]:
            print(f"{error.kind}: {error.text}")
    for event in outcome.outside[:SHOWN]:
        print(f"outside the contract: {event['kind']}: {event['what']}")
    for line, times in outcome.logged.most_common(SHOWN):
        print(f"in the servers' logs, {times} times: {line}")
    print(table(outcome))
    print(summary(outcome))
    return 0 if outcome.is_balanced else 1


def read_options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--engine", choices=DEPLOYMENTS, required=True)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args(arguments)
    return Options(given.engine, given.minutes * 60, given.seed)


if __name__ == "__main__":
    sys.exit(main())
