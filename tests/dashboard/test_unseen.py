"""Text of others, with what cannot be seen in it."""

from __future__ import annotations

import pytest

from app.dashboard.display.unseen import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, süß 🙂\tand\nlines", "plain, süß 🙂\tand\nlines"),
        ("a\x00b", "a␀b"),
        ("\x1b[31mred", "␛[31mred"),
        ("\x7f\x9b", "␡[U+009B]"),
        ("invoice\u202efdp.exe", "invoice[U+202E]fdp.exe"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("half \ud800", "half [U+D800]"),
    ],
)
def test_what_is_not_seen_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
