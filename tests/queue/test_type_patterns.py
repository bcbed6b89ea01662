"""Patterns of type names in Python, against LIKE of both engines."""

from __future__ import annotations

import itertools
import time

import pytest

from app.queue.type_patterns import ends_in_escape, matches
from app.site import Site

PATTERNS = [
    *("", "%", "%%", "_", "__", "a", "A", "a%", "%a", "%a%", "a_", "_a", "a%b", "a%b%c", "%.%"),
    *(
        "mail.%",
        "mail\\.%",
        "50\\%",
        "50\\%%",
        "a\\_b",
        "a\\\\b",
        "\\a",
        "ü%",
        "_ü",
        "a b",
        "a%%%b",
    ),
]
NAMES = [
    *(
        "",
        "a",
        "A",
        "b",
        "aa",
        "ab",
        "ba",
        "aab",
        "abb",
        "axxb",
        "abc",
        "aXbYc",
        "mail",
        "mail.send",
    ),
    *(
        "mailxsend",
        "50%",
        "50x",
        "50%!",
        "a_b",
        "axb",
        "a\\b",
        "ü",
        "üx",
        "aü",
        "a b",
        "a  b",
        ".",
        "a ",
    ),
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_as_the_database_has_it(site: Site, pattern: str) -> None:
    name_like = ":name LIKE"
    if site.db.url.engine != "sqlite":
        name_like = "CAST(:name AS CHAR) COLLATE utf8mb4_bin LIKE"
    sql = f"SELECT CASE WHEN {name_like} :pattern ESCAPE :escape THEN 1 ELSE 0 END AS is_like"
    looks = [(sql, {"name": name, "pattern": pattern, "escape": "\\"}) for name in NAMES]
    results = site.db.run(lambda connection: connection.send(looks))
    found = [bool(result.rows[0]["is_like"]) for result in results]
    assert [matches(pattern, name) for name in NAMES] == found


def test_small_ones_against_every_text() -> None:
    """By the definition: a pattern is what its first part matches, then the rest."""

    def by_definition(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "%":
            return any(by_definition(pattern[1:], text[n:]) for n in range(len(text) + 1))
        return bool(text) and pattern[0] in ("_", text[0]) and by_definition(pattern[1:], text[1:])

    texts = ["".join(each) for n in range(5) for each in itertools.product("ab", repeat=n)]
    for length in range(5):
        for letters in itertools.product("ab%_", repeat=length):
            pattern = "".join(letters)
            for text in texts:
                assert matches(pattern, text) == by_definition(pattern, text), (pattern, text)


def test_no_pattern_takes_long() -> None:
    began = time.process_time()
    assert not matches("%a" * 127 + "b", "a" * 255)
    assert time.process_time() - began < 1


def test_a_backslash_without_a_character() -> None:
    told = {
        each: ends_in_escape(each) for each in ("", "a", "\\", "a\\", "a\\\\", "a\\\\\\", "\\a")
    }
    assert [each for each in told if told[each]] == ["\\", "a\\", "a\\\\\\"]
