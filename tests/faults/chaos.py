"""A chaos run: clients create and work off tasks over HTTP while one fault after another hits the
installation; then the faults stop, everything is finished, and the books must balance.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.book_error import LOST, BookError
from tests.faults.books import ENDED, read_books
from tests.faults.calls import register
from tests.faults.chaos_operator import OPERATED
from tests.faults.chaos_works import LIMITS, TYPE
from tests.faults.client_pool import ClientPool, Event
from tests.faults.deployment import deployed, select
from tests.faults.kinds import FAULTS, REGULAR, REGULAR_SECONDS, Fault, Scene, name_of

DRAIN_SECONDS = 180
WORKS = ["produce"] * 3 + ["consume"] * 6 + ["operate"]
UNFINISHED = f"SELECT COUNT(*) AS n FROM tasks WHERE status NOT IN {ENDED}"


class Options(NamedTuple):
    """``seconds`` is how long faults go on, or until there were ``most``; ``fault_seconds`` how
    long each takes; ``gap`` the calm after each; ``pause`` a producer's between two calls; ``few``
    the attempts of tasks that may not have many.
    """

    engine: str
    seconds: float
    seed: int
    fault_seconds: float = 3.0
    gap: float = 2.0
    lease: float = 3.0
    pause: float = 0.08
    few: int = 5
    most: int | None = None


class Hit(NamedTuple):
    """One fault, on the monotonic clock."""

    name: str
    began: float
    ended: float


class Outcome(NamedTuple):
    """All that a run showed."""

    hits: list[Hit]
    errors: list[BookError]
    created: list[Event]
    responses: list[Event]
    outside: list[Event]
    silences: list[Event]
    tasks: int
    drain_seconds: float
    logged: Counter[str]
    """Lines in which the web servers told of errors that they have no name for."""

    @property
    def is_balanced(self) -> bool:
        return not self.errors and not self.outside


def run(options: Options) -> Outcome:
    """Raises AssertionError when a client or a server gives up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tm-journals-")))
        site = stack.enter_context(deployed(options.engine))
        for name, limits in {TYPE: {}, OPERATED: {}, **LIMITS}.items():
            register(site.servers[0], name, **limits)
        pool = stack.enter_context(ClientPool(site.servers[0], folder, *site.servers[1:]))
        try:
            start_clients(pool, WORKS, options)
            hits = list(do_damage(site, pool, options))
            began = time.monotonic()
            is_finished = drain(site, pool)
            drained = time.monotonic() - began
        except AssertionError as error:
            logs = "\n".join(server.log()[-3000:] for server in site.servers)
            raise AssertionError(f"{error}\n{site.tell_of_locks()}\n{logs}") from error
        return settle_accounts(site, pool, hits, is_finished, drained)


def start_clients(pool: ClientPool, works: list[str], options: Options) -> None:
    words = options._asdict()
    pool.start(works, **{name: words[name] for name in ("seed", "lease", "pause", "few")})


def do_damage(site: Any, pool: ClientPool, options: Options) -> Iterator[Hit]:
    """One fault after another, each of them as often as any other, until the time is up."""
    chance = random.Random(options.seed)
    scene = Scene(
        site, pool, chance, options.fault_seconds, lambda: start_clients(pool, ["consume"], options)
    )
    end = time.monotonic() + options.seconds
    for fault in islice(in_turn(options.engine, chance), options.most):
        if time.monotonic() > end:
            return
        began = time.monotonic()
        fault(scene)
        yield Hit(name_of(fault), began, time.monotonic())
        pool.wait_until(lambda: True, "the clients to be well")
        time.sleep(options.gap)


def in_turn(engine: str, chance: random.Random) -> Iterator[Fault]:
    regular = REGULAR.get(engine)
    last = float("-inf")
    while True:
        for fault in chance.sample(FAULTS[engine], len(FAULTS[engine])):
            if regular and time.monotonic() - last >= REGULAR_SECONDS:
                last = time.monotonic()
                yield regular
            yield fault


def drain(site: Any, pool: ClientPool) -> bool:
    """Whether everything was finished in time."""
    pool.tell_to_calm_down()
    try:
        pool.wait_until(lambda: unfinished(site) == 0, "every task to be finished", DRAIN_SECONDS)
        is_finished = True
    except TimeoutError:
        is_finished = False
    pool.tell_to_stop()
    pool.join()
    return is_finished


def unfinished(site: Any) -> int:
    time.sleep(0.3)
    return int(select(site.urls[0], UNFINISHED)[0]["n"])


def settle_accounts(
    site: Any, pool: ClientPool, hits: list[Hit], is_finished: bool, drained: float
) -> Outcome:
    now = time.monotonic()
    differing = [BookError(LOST, now, text) for text in site.tell_of_nodes()]
    books = read_books(site.urls[0], pool.events)
    errors = [*differing, *books.errors()]
    if not is_finished and not errors:
        errors.append(BookError(LOST, now, "not every task was finished"))
    return Outcome(
        hits,
        errors,
        books.created,
        pool.events("response"),
        pool.events("outside"),
        pool.events("silence"),
        len(books.tasks),
        drained,
        nameless_errors(site),
    )


def nameless_errors(site: Any) -> Counter[str]:
    """The last lines of the tracebacks in the servers' logs, since each one's last start."""
    lines = [line for server in site.servers for line in server.log().splitlines()]
    return Counter(line[:300] for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line))
