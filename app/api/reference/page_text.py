"""docs/api.md, put together from the chapters."""

from __future__ import annotations

from app.api.fields import schema_of
from app.api.reference import chapters
from app.api.reference.summaries import SUMMARIES
from app.api.reference.words import type_in_words
from app.api.routes import ROUTES
from app.config import from_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.reference.chapters import Block, Chapter, Reference, Section
    from app.config import Settings

HEAD = "| field | type | default | meaning |\n|---|---|---|---|"


def page() -> str:
    """The whole page."""
    reference, settings = chapters.Reference(), from_values({})
    parts = [chapters.read("introduction").strip("\n")]
    for chapter in reference.chapters:
        parts += _chapter(chapter, settings)
    text = "\n\n".join(parts) + "\n"
    return text.replace("{calls}", table_of_calls(reference))


def table_of_calls(reference: Reference) -> str:
    scopes = {f"{route.method} {route.template}": route.scope for route in ROUTES}
    lines = [
        f"| [`{call}`](#{reference.places[call][1].anchor}) | `{scopes[call]}` | {about} |"
        for call, about in SUMMARIES.items()
    ]
    return "\n".join(["| call | scope | what it does |", "|---|---|---|", *lines])


def table_of_fields(section: Section, table: Block, settings: Settings) -> list[tuple[str, ...]]:
    """Name, type, default and meaning of each field in a table."""
    fields = section.fields_of(table)
    return [
        (
            row.name,
            type_in_words(schema_of(fields.readers[row.name], settings)),
            row.default,
            row.meaning,
        )
        for row in table.rows()
    ]


def _chapter(chapter: Chapter, settings: Settings) -> list[str]:
    parts = [f"## {chapter.title}", *_section(chapter.introduction, settings)]
    for section in chapter.sections:
        parts += [f"### {section.heading}", *_section(section, settings)]
    return parts


def _section(section: Section, settings: Settings) -> list[str]:
    return [
        _table(table_of_fields(section, block, settings))
        if block.kind == chapters.FIELDS
        else block.text
        for block in section.blocks
    ]


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| `{name}` | {' | '.join(rest)} |" for name, *rest in rows]
    return "\n".join([HEAD, *(line.replace("|  |", "| |") for line in lines)])
