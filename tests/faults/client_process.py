"""A client as a program of its own.

`python -m tests.faults.client_process '{"work": …, "ports": […], "api_key": …, "journal": …, …}'`
does one work and writes what it saw to its journal, a line of JSON an event. A line is written in
one call, so that what was written before a SIGKILL counts.
"""

from __future__ import annotations

import json
import sys

from tests.faults import chaos_operator, chaos_works, random_calls, works
from tests.faults.client import Work

WORKS = {
    work.__name__: work
    for work in (
        works.claim_singly,
        works.claim_in_batches,
        works.claim_while_completing,
        works.claim_while_settling,
        works.work_in_chaos,
        works.produce_in_chaos,
        works.create_identical,
        works.create_overlapping,
        works.claim_limited,
        chaos_works.produce,
        chaos_works.consume,
        chaos_operator.operate,
        random_calls.call_at_random,
    )
}


def main() -> None:
    """Begin when the standard input ends, so that many clients begin at the same time."""
    arguments = json.loads(sys.argv[1])
    work = Work(arguments)
    work.journal.write("ready")
    sys.stdin.read()
    WORKS[arguments["work"]](work)


if __name__ == "__main__":
    main()
