"""One word for one thing: words that were replaced by the field's own do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.server import PROJECT

COVERED = ("app", "bench", "passenger_wsgi.py", "schema.sql", "tests/queue")
"""Files and folders, from the project's own folder on, that keep to the words."""

NOT_YET: tuple[str, ...] = ()
"""Of those, the ones still to be gone through."""

SUFFIXES = {".py", ".sql", ".html"}

INSTEAD = {
    r"trail": "history",
    r"wish(es)?": "claim options",
    r"faults?": "validation error",
    r"signs? of life": "last seen",
    r"Hold": "LeaseRef",
    r"Beat": "Heartbeat",
    r"(class|->) Answer": "Response",
    r"Wanted": "EligibleTypes",
    r"class (Claimed|Settled|Kept)": "ClaimResult, SettleResult, KeepResult",
    r"Vault": "installer state",
    r"Teller": "progress reporter",
    r"heed(s|ed)?": "follow, or take into account",
    r"anew": "again",
    r"shall": "should, or the present tense",
}
"""Each word, as a regular expression, and what to say instead."""


def files() -> list[Path]:
    found: list[Path] = []
    for name in COVERED:
        path = PROJECT / name
        found += path.rglob("*") if path.is_dir() else [path]
    left_out = {PROJECT / name for name in NOT_YET}
    return sorted(each for each in found if each.suffix in SUFFIXES and each not in left_out)


@pytest.mark.parametrize("word", INSTEAD)
def test_the_word_is_not_used(word: str) -> None:
    # A name of a class is told from the same word in a sentence by its capital.
    case = re.IGNORECASE if word.islower() else 0
    pattern = re.compile(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])", case)
    used = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not used, f"say {INSTEAD[word]!r} instead of {word!r}:\n" + "\n".join(used)


def test_what_is_covered_is_there() -> None:
    assert files()
    for name in (*COVERED, *NOT_YET):
        assert (PROJECT / name).exists(), name
