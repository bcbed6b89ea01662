"""The numbers of the navigation."""

from __future__ import annotations

import pytest

from app.queue import navigation_counts as module
from app.queue import task_types, workers
from app.queue.access import Access
from app.queue.delete_type import delete_type
from app.queue.navigation_counts import bounded, navigation_counts
from app.queue.schedules import store as schedules
from app.site import Site
from tests.queue.test_round_trips import Wire
from tests.queue.test_verdict import ago, change, end, make, take
from tests.support.queue import register


def fill(site: Site) -> None:
    for name in ("mail.a", "shop.b", "shop.c"):
        register(site, name)
    make(site, "mail.a", 5)
    end(site, failed=2, completed=3)
    make(site, "shop.b", 4)
    take(site, "w", 1)
    make(site, "mail.a", 2)
    for name in ("mail.a", "shop.b"):
        schedules.put(site, name, {"type": name, "params": {}, "every": 60.0})
    for name in ("gone", "silent"):
        workers.register(site, name, {})
    workers.deregister(site, "gone")
    change(site, f"UPDATE workers SET last_seen_at = {ago(site, 3600)} WHERE id = 'silent'")


def told(site: Site, access: Access | None = None) -> dict[str, int | None]:
    return vars(navigation_counts(site, access))


def test_the_counts(site: Site) -> None:
    empty = {"tasks": 0, "failures": 0, "types": 0, "schedules": 0, "workers": 0}
    assert told(site) == empty
    fill(site)
    assert told(site) == {"tasks": 6, "failures": 2, "types": 3, "schedules": 2, "workers": 1}
    delete_type(site, "shop.c")
    task_types.set_paused(site, "mail.a", True)
    assert told(site) == {"tasks": 6, "failures": 2, "types": 2, "schedules": 2, "workers": 1}


def test_a_key_for_some_types(site: Site) -> None:
    fill(site)
    access = Access(1, "some", ["read"], ["shop.%"])
    assert told(site, access) == {
        "tasks": 4,
        "failures": 0,
        "types": 2,
        "schedules": 1,
        "workers": None,
    }


def test_counting_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    fill(site)
    assert (told(site)["tasks"], told(site)["failures"]) == (4, 2)
    assert (bounded(4), bounded(3)) == ("3+", "3")


def test_as_text() -> None:
    assert [bounded(each) for each in (None, 0, 1284, 2000, 2001)] == [
        "",
        "0",
        "1,284",
        "2,000",
        "2,000+",
    ]


def test_one_round_trip(mariadb_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    navigation_counts(mariadb_site)  # opens the connection
    wire = Wire(monkeypatch)
    assert wire.count(lambda: navigation_counts(mariadb_site))[0] == 1
