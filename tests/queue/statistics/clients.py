"""Several clients at once, and what each of them does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

from app.errors import TryAgain
from app.queue.statistics import roll_up
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.queue.statistics.random_calls import RandomCalls, check_counts
from tests.support.queue import site_at

Work = Callable[[Site], None]


def run_at_once(urls: Sequence[str], works: Sequence[Work]) -> None:
    """Each work in a thread with connections of its own, at these servers in turn. Raises the first
    error of any of them.
    """
    errors: list[BaseException] = []

    def run(work: Work, url: str) -> None:
        site = site_at(url)
        try:
            work(site)
        except BaseException as error:
            errors.append(error)
        finally:
            site.db.close()

    threads = [
        threading.Thread(target=run, args=(work, urls[number % len(urls)]))
        for number, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def client(seed: int, calls: int) -> Work:
    def work(site: Site) -> None:
        own = RandomCalls(site, seed)
        for _ in range(calls):
            own.call()

    return work


def roller(turns: int) -> Work:
    def work(site: Site) -> None:
        for _ in range(turns):
            with contextlib.suppress(TryAgain):  # the other one is at it
                roll_up.roll_up(site, Budget(0))

    return work


def reader(times: int) -> Work:
    def work(site: Site) -> None:
        for _ in range(times):
            check_counts(site)

    return work


def roll_up_all(site: Site) -> None:
    while roll_up.roll_up(site, Budget(60)):
        pass
