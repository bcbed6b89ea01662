"""The Markdown of the reference as HTML: paragraphs, lists, tables, code, links, bold."""

from __future__ import annotations

import re
from html import escape

INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\*(?P<italic>[^*`]+)\*|\[(?P<text>[^\]]*)\]\((?P<url>[^)]*)\)"
)


def block(text: str) -> str:
    """One paragraph, list, table, heading or example."""
    if text.startswith("```"):
        return example(text.partition("\n")[2].rpartition("\n")[0])
    if text.startswith("#"):
        title = text.lstrip("# ")
        return f'<h4 id="{anchor_of(title)}">{inline(title)}</h4>'
    if text.startswith("- "):
        items = re.split(r"^- ", text, flags=re.MULTILINE)[1:]
        return f"<ul>{''.join(f'<li>{inline(each)}</li>' for each in items)}</ul>"
    if text.startswith("|"):
        head, _, *lines = text.splitlines()
        return table(cells(head), [[inline(each) for each in cells(line)] for line in lines])
    return f"<p>{inline(text)}</p>"


def inline(text: str) -> str:
    """Text within a line."""
    found, end = [], 0
    for match in INLINE.finditer(text):
        found += [escape(text[end : match.start()]), _marked(match)]
        end = match.end()
    return "".join([*found, escape(text[end:])])


def example(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def table(head: list[str], rows: list[list[str]], kind: str = "") -> str:
    """``rows`` are HTML already. ``kind`` is a class for the stylesheet."""
    named = f' class="{kind}"' if kind else ""
    titles = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table{named}>'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def anchor_of(heading: str) -> str:
    """The name by which links reach a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _marked(match: re.Match[str]) -> str:
    if match["code"]:
        return f"<code>{escape(match['code'])}</code>"
    if match["bold"]:
        return f"<strong>{inline(match['bold'])}</strong>"
    if match["italic"]:
        return f"<em>{inline(match['italic'])}</em>"
    return f'<a href="{escape(match["url"])}">{inline(match["text"])}</a>'
