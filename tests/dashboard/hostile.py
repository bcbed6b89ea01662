"""Text that a producer or a worker may send, and that a page must show harmlessly."""

from __future__ import annotations

from bs4 import BeautifulSoup

from tests.dashboard.visitor import PageSeen

SCRIPT = "<script>alert(1)</script>"
TURNED = "a\u202eb"
HOSTILE = f"{SCRIPT}\"'& {TURNED} \x1b[31m"
"""Markup, the ends of attributes, a mark that turns the direction of text, a terminal's escape."""


def check_harmless(page: PageSeen) -> None:
    """Nothing of it has become markup, nor is it hidden in the text. In a field it stands as it is:
    what is in there turns nothing outside.
    """
    assert "<script>alert" not in page.body.decode("utf-8")
    assert not page.soup.select("[onerror], script:not([src])")
    soup = BeautifulSoup(page.body.decode("utf-8"), "html.parser")
    for area in soup.select("textarea"):
        area.clear()
    for field in soup.select("[value], [name]"):
        del field["value"], field["name"]
    for hidden in ("\u202e", "\x1b", "\x00"):
        assert hidden not in str(soup), page
