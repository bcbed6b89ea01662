"""When the tasks of a schedule are due: cron expressions in time zones, and intervals."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice

import pytest

from app.queue.schedules.times import Times, check_cron, check_timezone


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def times(cron: str, zone: str, after: str, count: int) -> list[str]:
    """So many times after a moment, all in UTC, without their seconds."""
    found = islice(Times(cron, None, zone).after(utc(after)), count)
    return [f"{each.astimezone(timezone.utc):%m-%d %H:%M}" for each in found]


BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        # From 02:00 to 03:00 on 29 March.
        ("30 2 * * *", BERLIN, "2026-03-27T12:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        # From 02:00 to 03:00 on 8 March.
        ("30 2 * * *", NEW_YORK, "2026-03-06T12:00", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
        # From 02:00 to 02:30 on 4 October.
        (
            "15 2 * * *",
            LORD_HOWE,
            "2026-10-02T10:00",
            ["10-02 15:45", "10-03 15:30", "10-04 15:15"],
        ),
    ],
)
def test_a_time_that_the_clock_skips_comes_when_the_gap_ends(
    cron: str, zone: str, after: str, due: list[str]
) -> None:
    assert times(cron, zone, after, 3) == due


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        # From 03:00 to 02:00 on 25 October.
        ("30 2 * * *", BERLIN, "2026-10-23T12:00", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        # From 02:00 to 01:00 on 1 November.
        ("30 1 * * *", NEW_YORK, "2026-10-30T12:00", ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
        # From 02:00 to 01:30 on 5 April.
        (
            "45 1 * * *",
            LORD_HOWE,
            "2026-04-03T10:00",
            ["04-03 14:45", "04-04 14:45", "04-05 15:15"],
        ),
    ],
)
def test_a_time_that_comes_twice_is_due_once(
    cron: str, zone: str, after: str, due: list[str]
) -> None:
    assert times(cron, zone, after, 3) == due


def test_each_half_hour_goes_by_time_as_it_passes() -> None:
    autumn = times("*/30 * * * *", BERLIN, "2026-10-25T00:10", 5)
    assert autumn == [f"10-25 {each}" for each in ("00:30", "01:00", "01:30", "02:00", "02:30")]
    spring = times("*/30 * * * *", BERLIN, "2026-03-29T00:10", 4)
    assert spring == [f"03-29 {each}" for each in ("00:30", "01:00", "01:30", "02:00")]


def test_the_day_begins_at_midnight_of_the_zone() -> None:
    daily = check_cron("@daily")
    assert times(daily, BERLIN, "2026-07-01T00:00", 2) == ["07-01 22:00", "07-02 22:00"]
    assert times(daily, "Asia/Kolkata", "2026-07-01T00:00", 1) == ["07-01 18:30"]


def test_an_interval_is_counted_from_the_time_before() -> None:
    found = islice(Times(None, 90.5, "UTC").after(utc("2026-01-01T00:00")), 2)
    assert list(found) == [utc("2026-01-01T00:01:30.500"), utc("2026-01-01T00:03:01")]


@pytest.mark.parametrize(
    ("cron", "stored"),
    [
        ("@hourly", "0 * * * *"),
        (" @Weekly ", "0 0 * * 0"),
        ("5  4 * *\tmon-fri", "5 4 * * mon-fri"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 12 L * *", "0 12 L * *"),
    ],
)
def test_expressions(cron: str, stored: str) -> None:
    assert check_cron(cron) == stored


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "five fields"),
        ("every day", "five fields"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("@reboot", "five fields"),
        ("60 * * * *", "Bad minute"),
        ("* 24 * * *", "Bad hour"),
        ("* * 30 2 *", "Bad day-of-month"),
        ("* * * * mox", "Bad day-of-week"),
        ("*/0 * * * *", "Bad minute"),
        ("² * * * *", "Bad minute"),
    ],
)
def test_what_is_no_expression(cron: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_cron(cron)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a\0b", "CET+1"]
)
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(ValueError, match="IANA time zone"):
        check_timezone(name)
