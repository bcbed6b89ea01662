"""Which errors count as the same."""

from __future__ import annotations

import pytest

from app.queue.error_groups import LARGEST, group_of, normalized

SAME = {
    "numbers": ("order 17 failed after 3.5s", "order 1804 failed after 12s"),
    "quoted values": ("no such key: 'anna'", "no such key: 'bert and carl'"),
    "quoted values with double quotes": ('no column "a"', 'no column "b c"'),
    "paths": ("cannot open /var/www/a.txt: denied", "cannot open /home/joe/b/c.txt: denied"),
    "paths on Windows": (r"cannot open C:\x\y.txt", r"cannot open D:\other.txt"),
    "ids": (
        "user 3fa85f64-5717-4562-b3fc-2c963f66afa6 is gone",
        "user 00000000-0000-0000-0000-00000000abcd is gone",
    ),
    "hexadecimal": ("object at 0x7f3a2b1c9d80", "object at 0x55aa"),
    "hexadecimal without digits": ("commit deadbeefcafe", "commit 01234567"),
    "times": ("late since 2026-01-02T03:04:05.123Z", "late since 2025-12-31 23:59"),
    "addresses": ("502 from https://example.com/a?b=c", "504 from http://other.org:80/"),
    "mail": ("550 joe@example.com unknown", "551 ann.b@example.org unknown"),
    "case and space": ("Connection refused\n", "connection  refused"),
    "how many there are": ("missing: 1, 2", "missing: 3, 4, 5"),
    "the end of a long one": ("word " * 400 + "a", "word " * 400 + "b"),
}

DIFFERENT = [
    ("connection refused", "connection reset"),
    ("KeyError: 'a'", "ValueError: 'a'"),
    ("don't do this, it's bad", "don't do that, it's bad"),
    ("read and/or write", "read and/or erase"),
    ("", "x"),
]


@pytest.mark.parametrize("errors", SAME.values(), ids=SAME)
def test_the_same(errors: tuple[str, str]) -> None:
    assert normalized(errors[0]) == normalized(errors[1])
    assert group_of(errors[0]) == group_of(errors[1])


@pytest.mark.parametrize("errors", DIFFERENT)
def test_different(errors: tuple[str, str]) -> None:
    assert group_of(errors[0]) != group_of(errors[1])


def test_a_group_is_a_whole_number_that_javascript_has() -> None:
    groups = [group_of("word " * n) for n in range(150)]
    assert len(set(groups)) == 150
    assert all(0 < group <= LARGEST == 2**53 - 1 for group in groups)


def test_a_group_stays_the_same_in_later_versions() -> None:
    """It is stored with the tasks: another way to make it would part what belongs together."""
    assert normalized("HTTP 502 from 'x'") == "http * from *"
    assert group_of("lease expired") == 1250701776794521


@pytest.mark.parametrize("error", ["\udc80", "'" * 5000, "/" * 5000, "a-" * 5000, "1" * 5000])
def test_odd_ones_take_no_time(error: str) -> None:
    assert group_of(error) > 0
