"""The text about the API: chapters in Markdown, and in them the sections about calls.

A section's heading names the calls. In its text are tables of fields (without the types, which come
from the fields themselves), ``Request:`` and ``Response 200, `data`:`` before examples, and
``Errors:`` before codes.
"""

from __future__ import annotations

import os
import re

from app import json_text
from app.api.reference import (
    claiming,
    creating,
    description,
    health,
    keys,
    reading,
    schedules,
    schemas,
    spooled,
    task_types,
    web_runs,
    workers,
)
from app.api.reference.html import anchor_of
from app.api.response import REASONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from app.api.fields import Fields
    from app.api.reference.operation import Operation

FOLDER = os.path.dirname(os.path.abspath(__file__))

LIST = "calls"
"""The chapter that lists all calls, which the page in a browser has at its side."""
WITHOUT_CALLS = ("rules", LIST)
WITH_CALLS = {
    "description": description.OPERATIONS,
    "health": health.OPERATIONS,
    "task_types": task_types.OPERATIONS,
    "creating": creating.OPERATIONS,
    "claiming": claiming.OPERATIONS,
    "reading": reading.OPERATIONS,
    "schedules": schedules.OPERATIONS,
    "web_runs": web_runs.OPERATIONS,
    "workers": workers.OPERATIONS,
    "keys": keys.OPERATIONS,
    "spooled": spooled.OPERATIONS,
}
"""The chapters about calls, in their order."""

OPERATIONS: dict[str, Operation] = {
    call: operation for operations in WITH_CALLS.values() for call, operation in operations.items()
}

TABLE_HEAD = "| field | default | meaning |"
ROUTE = re.compile(r"`([A-Z]+ /[^`]*)`")
RESPONSE = re.compile(r"Response (\d+)(, `data`)?")
LEASE_EXPIRED = "lease_expired"
"""What Spooled's dialect says for several of the codes."""
CODE = re.compile(r"`([A-Za-z_]+)`")

ERRORS = re.compile(r"\bErrors\b[^:]*:")

PROSE, FIELDS, REQUEST, RESPONDS, EXAMPLE = "prose", "fields", "request", "responds", "example"


class FieldRow:
    """What a table says about a field."""

    def __init__(self, line: str) -> None:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name, self.default, self.meaning = cells
        self.name = name.strip("`")


class Block:
    """A part of a section: a paragraph, a list, a table, a heading or an example."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text

    def rows(self) -> list[FieldRow]:
        """The fields of a table of fields."""
        return [FieldRow(line) for line in self.text.splitlines()[2:]]

    def value(self) -> Any:
        """What an example is, as JSON."""
        return json_text.parse(self.text.partition("\n")[2].rpartition("\n")[0])

    def status(self) -> int:
        """Of a response."""
        match = RESPONSE.match(self.text)
        return int(match[1]) if match else 0

    def is_data(self) -> bool:
        """Whether the example of a response is its ``data`` alone."""
        match = RESPONSE.match(self.text)
        return match is not None and match[2] is not None

    def codes(self) -> list[str]:
        """The codes after ``Errors:``, as native calls have them."""
        match = ERRORS.search(self.text)
        found = [word.lower() for word in CODE.findall(self.text, match.end())] if match else []
        return [word for word in found if word in (*schemas.CODES, LEASE_EXPIRED)]


class Section:
    """The text about the calls in one heading."""

    def __init__(self, heading: str, text: str) -> None:
        self.heading = heading
        self.calls: list[str] = ROUTE.findall(heading)
        self.blocks = list(_blocks(text))

    @property
    def anchor(self) -> str:
        """How links reach the heading, as GitHub makes it."""
        return anchor_of(self.heading)

    def tables(self) -> list[Block]:
        """The tables of fields."""
        return [block for block in self.blocks if block.kind == FIELDS]

    def requests(self) -> list[Any]:
        """The examples of what is sent."""
        return [
            example.value()
            for block, example in zip(self.blocks, self.blocks[1:])
            if block.kind == REQUEST
        ]

    def responses(self, status: int) -> list[tuple[Any, bool]]:
        """The examples of what comes back, each with whether it is the ``data`` alone."""
        return [
            (example.value(), block.is_data())
            for block, example in zip(self.blocks, self.blocks[1:])
            if block.kind == RESPONDS and block.status() == status and example.kind == EXAMPLE
        ]

    def said_of(self, status: int) -> str:
        """What the text says before the example of a response, or the name of the status."""
        for block in self.blocks:
            if block.kind == RESPONDS and block.status() == status:
                said = re.sub(r"^Response \d+(, `data`)?[;:,. ]*", "", block.text).rstrip(":")
                if said:
                    return said
        return REASONS[status]

    def errors(self) -> list[str]:
        """The codes that are special to the calls of this section."""
        return [code for block in self.blocks for code in block.codes()]

    def fields_of(self, table: Block) -> Fields:
        """Those that a table lists. Raises LookupError if no call here has exactly these."""
        listed = {row.name for row in table.rows()}
        for call in self.calls:
            for fields in OPERATIONS[call].all_fields():
                if fields.readers.keys() == listed:
                    return fields
        raise LookupError(f"{self.heading}: no call here has exactly the fields {sorted(listed)}")


class Chapter:
    """``introduction`` is the text before the first section."""

    def __init__(self, name: str) -> None:
        self.name = name
        title, _, text = read(name).partition("\n")
        self.title = title.lstrip("# ")
        parts = re.split(r"^### (.*)\n", text, flags=re.MULTILINE)
        self.introduction = Section("", parts[0])
        self.sections = [Section(*each) for each in zip(parts[1::2], parts[2::2])]


class Reference:
    """All chapters, and what they say about each call."""

    def __init__(self) -> None:
        self.chapters = [Chapter(name) for name in (*WITHOUT_CALLS, *WITH_CALLS)]
        self.rules = self.chapters[0].introduction
        self.places: dict[str, tuple[Chapter, Section]] = {
            call: (chapter, section)
            for chapter in self.chapters
            for section in chapter.sections
            for call in section.calls
        }

    def rows(self, call: str, fields: Fields) -> dict[str, FieldRow]:
        """What is said about each of these fields: in the call's own section, or in one that its
        tables link to. Raises LookupError.
        """
        sections = [self.places[call][1], *(section for _, section in self.places.values())]
        for section in sections:
            for table in section.tables():
                rows = {row.name: row for row in table.rows()}
                if rows.keys() >= fields.readers.keys():
                    return rows
        raise LookupError(f"{call}: no table has the fields {sorted(fields.readers)}")


def read(name: str) -> str:
    with open(os.path.join(FOLDER, f"{name}.md"), encoding="utf-8") as file:
        return file.read()


def _blocks(text: str) -> Iterator[Block]:
    """The parts between blank lines; an example is one part whatever is in it."""
    lines: list[str] = []
    is_example = False
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            is_example = not is_example
        if line or is_example:
            lines.append(line)
        elif lines:
            block = "\n".join(lines)
            yield Block(_kind(block), block)
            lines = []


def _kind(block: str) -> str:
    if block.startswith(TABLE_HEAD):
        return FIELDS
    if block.startswith("```json"):
        return EXAMPLE
    if block == "Request:":
        return REQUEST
    return RESPONDS if RESPONSE.match(block) else PROSE
