"""Pages of types, with how each is doing."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import task_types
from app.queue.access import Access
from app.queue.delete_type import delete_type
from app.queue.statistics import reading, roll_up
from app.queue.statistics.stats import stats
from app.queue.type_order import FIGURES
from app.queue.type_page import sorted_type_page, type_page
from app.site import Site
from tests.queue.statistics.clients import roll_up_all
from tests.queue.test_round_trips import Wire
from tests.queue.test_verdict import end, make
from tests.support.queue import register, site_at
from tests.support.stopped_clock import START, StoppedClock


def fill(site: Site) -> None:
    for name in ("mail.a", "mail.b", "shop.c", "Größe"):
        register(site, name)
    make(site, "mail.a", 20)
    end(site, failed=5, completed=15)
    make(site, "mail.b", 3)


def names(site: Site, **options: object) -> list[str]:
    return [each.row["name"] for each in type_page(site, **options).types]  # type: ignore[arg-type]


def test_the_order_and_the_pages(site: Site) -> None:
    fill(site)
    assert names(site) == ["Größe", "mail.a", "mail.b", "shop.c"]
    first = type_page(site, limit=3)
    assert (first.total, first.next_after) == (4, "mail.b")
    assert names(site, limit=3, after="mail.b") == ["shop.c"]
    assert type_page(site, limit=1, after="mail.b").next_after is None
    assert type_page(site, limit=4).next_after is None


def test_a_search(site: Site) -> None:
    fill(site)
    assert names(site, text="MAIL") == ["mail.a", "mail.b"]
    assert type_page(site, limit=1, text="mail").total == 2
    assert names(site, text="%") == []
    assert names(site, text="größe") == ["Größe"]


def test_archived_types(site: Site) -> None:
    fill(site)
    delete_type(site, "mail.a")
    assert names(site) == ["Größe", "mail.b", "shop.c"]
    assert names(site, state="archived") == ["mail.a"]


def test_a_key_for_some_types(site: Site) -> None:
    fill(site)
    access = Access(1, "mails", ["read"], ["mail.%"])
    found = type_page(site, access=access)
    assert (names(site, access=access), found.total) == (["mail.a", "mail.b"], 2)


@pytest.mark.parametrize("way", ["rolled up", "from the history", "counted", "both"])
def test_the_numbers(site: Site, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    fill(site)
    if way in ("rolled up", "both"):
        roll_up_all(site)
    if way == "counted":
        monkeypatch.setattr(reading, "LONG_TAIL", -1)
    if way == "both":
        make(site, "shop.c", 4)
        end(site, failed=1, completed=6)
    by_name = {each.row["name"]: each for each in type_page(site).types}
    for name, counts in stats(site).by_type:
        assert by_name[name].counts == counts
    mail = by_name["mail.a"].hour
    assert (by_name["mail.a"].counts["failed"], by_name["mail.a"].counts["completed"]) == (5, 15)
    if way == "counted":
        return  # what happened lately is not known then
    assert (mail.completed, mail.failed, mail.failure_share) == (15, 5, 0.25)
    assert (len(mail.points), sum(mail.points)) == (30, 20)
    assert mail.points[-1] + mail.points[-2] == 20
    assert mail.per_minute == 20 / 60
    assert mail.run_p95 is not None
    others = [by_name[name].hour for name in ("mail.b", "shop.c")]
    assert sum(each.ended for each in others) == (7 if way == "both" else 0)
    assert by_name["Größe"].hour.failure_share is None


def test_each_point_has_two_minutes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of the hour before, whose minutes have other numbers than their places."""
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    site = site_at(database_url)
    clock = StoppedClock(site)
    for minutes in (70, 59, 25, 8, 7):
        register(site, f"old-{minutes:02}")
        make(site, f"old-{minutes:02}")
        clock.now = START - 60_000 * minutes
        clock.move(0)
        end(site, failed=0, completed=1)
    clock.now = START
    clock.move(0)
    for _ in ("from the history", "rolled up"):
        places = {
            each.row["name"]: [place for place, total in enumerate(each.hour.points) if total]
            for each in type_page(site).types
        }
        assert places == {
            "old-07": [26],
            "old-08": [25],
            "old-25": [17],
            "old-59": [0],
            "old-70": [],
        }
        roll_up_all(site)
    clock.close()
    site.db.close()


def test_without_a_history(database_url: str) -> None:
    site = site_at(database_url, ENABLE_TASK_HISTORY=False)
    fill(site)
    (mail,) = type_page(site, text="mail.a").types
    assert (mail.counts["failed"], mail.hour.ended, sum(mail.hour.points)) == (5, 0, 0)
    site.db.close()


def test_a_type_shows_what_is_set_for_it(site: Site) -> None:
    register(site, "job", max_running=3, description="mails", timeout=5.0)
    task_types.set_paused(site, "job", True)
    (found,) = type_page(site).types
    assert found.row["max_running"] == 3
    assert (bool(found.row["is_paused"]), found.row["description"]) == (True, "mails")
    assert "param_schema_json" not in found.row


def test_round_trips(mariadb_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    fill(mariadb_site)
    roll_up_all(mariadb_site)
    wire = Wire(monkeypatch)
    assert wire.count(lambda: type_page(mariadb_site))[0] <= 3


class TestTheOrder:
    @pytest.fixture
    def filled(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
        monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
        for name in ("idle", "late", "loud", "old", "wrong"):
            register(site, name)
        make(site, "wrong", 20)
        end(site, failed=8, completed=12)
        make(site, "loud", 30)
        end(site, failed=1, completed=29)
        make(site, "old", 1)
        make(site, "late", 4)
        old = f"UPDATE tasks SET created_at = {site.db.dialect.after('-500')} WHERE type_id = "
        old += "(SELECT id FROM task_types WHERE name = 'old') AND status = 'pending'"
        site.db.run(lambda connection: connection.query(old, {}))
        return site

    def names(self, site: Site, figure: str, **options: Any) -> list[str]:
        found = sorted_type_page(site, figure, **options)
        return [each.row["name"] for each in found.types]

    @pytest.mark.parametrize("is_rolled_up", [True, False])
    @pytest.mark.parametrize(
        ("figure", "order"),
        [
            ("failed", ["wrong", "loud", "idle", "late", "old"]),
            ("share", ["wrong", "loud", "idle", "late", "old"]),
            ("ended", ["loud", "wrong", "idle", "late", "old"]),
            ("waiting", ["late", "old", "idle", "loud", "wrong"]),
            ("oldest", ["old", "late", "idle", "loud", "wrong"]),
            ("running", ["idle", "late", "loud", "old", "wrong"]),
        ],
    )
    def test_by_each_figure(
        self, filled: Site, figure: str, order: list[str], is_rolled_up: bool
    ) -> None:
        if is_rolled_up:
            roll_up_all(filled)
        assert self.names(filled, figure) == order

    def test_pages_and_filters(self, filled: Site) -> None:
        first = sorted_type_page(filled, "failed", limit=2)
        assert (first.total, first.next_start, first.next_after) == (5, 2, None)
        assert self.names(filled, "failed", limit=2, start=2) == ["idle", "late"]
        last = sorted_type_page(filled, "failed", limit=2, start=4)
        assert ([each.row["name"] for each in last.types], last.next_start) == (["old"], None)
        assert self.names(filled, "failed", start=99) == []
        assert self.names(filled, "failed", text="o") == ["wrong", "loud", "old"]
        access = Access(1, "some", ["read"], ["l%"])
        assert self.names(filled, "failed", access=access) == ["loud", "late"]

    def test_since_when_the_oldest_waits(self, filled: Site) -> None:
        found = {each.row["name"]: each.oldest_at for each in type_page(filled).types}
        assert [name for name, at in found.items() if at] == ["late", "old"]
        assert found["old"] < found["late"]  # type: ignore[operator]

    def test_round_trips(self, mariadb_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
        fill(mariadb_site)
        roll_up_all(mariadb_site)
        wire = Wire(monkeypatch)
        for figure in FIGURES:
            count = wire.count(lambda figure=figure: sorted_type_page(mariadb_site, figure))[0]  # type: ignore[misc]
            assert count <= 7, figure
