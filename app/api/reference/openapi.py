"""The API as an OpenAPI 3.1 document."""

from __future__ import annotations

import re

from app.api.reference import chapters, schemas, spooled_schemas
from app.api.reference.chapters import OPERATIONS, Reference
from app.api.reference.links import within_site
from app.api.reference.requests import Requests
from app.api.reference.responses import Responses
from app.api.reference.security import SCHEMES, security_of
from app.api.reference.summaries import SUMMARIES
from app.api.routes import ROUTES
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from app.api.reference.chapters import Block, Chapter
    from app.api.routes import Route
    from app.config import Settings

    Schema = dict[str, Any]


def document(root: str, settings: Settings) -> Schema:
    """``root`` is where the site is. Limits that depend on settings are those of this site."""
    reference, responses = Reference(), Responses()
    paths: Schema = {}
    for route in ROUTES:
        described = _operation(route, reference, responses, settings)
        paths.setdefault(route.template, {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TaskManager",
            "version": VERSION,
            "summary": "A task queue for hosting where nothing may keep running",
            "description": _text(reference.rules.blocks),
        },
        "servers": [{"url": f"{root}/api"}],
        "security": security_of(None),
        "tags": [_tag(chapter) for chapter in reference.chapters if chapter.sections],
        "paths": paths,
        "components": {
            "schemas": {**schemas.COMPONENTS, **spooled_schemas.SCHEMAS},
            "responses": responses.shared,
            "securitySchemes": SCHEMES,
        },
    }


def _operation(
    route: Route, reference: Reference, responses: Responses, settings: Settings
) -> Schema:
    call = f"{route.method} {route.template}"
    operation = OPERATIONS[call]
    chapter, section = reference.places[call]
    requests = Requests(reference, settings, call, operation)
    described: Schema = {
        "operationId": re.sub(r"\W+", "_", call).strip("_").lower(),
        "summary": SUMMARIES[call],
        "description": _text(section.blocks),
        "tags": [chapter.title],
        "security": security_of(route),
        "x-scope": route.scope,
        "parameters": requests.parameters(),
        "responses": responses.of(route, operation, section),
    }
    body = requests.body()
    return described if body is None else {**described, "requestBody": body}


def _tag(chapter: Chapter) -> Schema:
    return {"name": chapter.title, "description": _text(chapter.introduction.blocks)}


def _text(blocks: Iterable[Block]) -> str:
    """The text without what the document has elsewhere: fields, responses and their examples."""
    left_out = (chapters.FIELDS, chapters.REQUEST, chapters.RESPONDS, chapters.EXAMPLE)
    text = "\n\n".join(block.text for block in blocks if block.kind not in left_out)
    return within_site(text, "docs")
