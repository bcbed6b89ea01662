"""Links of the text, where it is not a file beside the other pages."""

from __future__ import annotations

import re


def within_site(text: str, page: str) -> str:
    """Links within the reference lead to ``page``; those to other files are left out."""
    text = re.sub(r"\]\(#([\w-]+)\)", rf"]({page}#\1)", text)
    return re.sub(rf"\[([^\]]*)\]\((?!https?:|{re.escape(page)}#)[^)]*\)", r"\1", text)
