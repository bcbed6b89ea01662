"""The API's reference to read in a browser, for anybody. A client's developer need not sign in."""

from __future__ import annotations

from markupsafe import Markup

from app.api.reference import chapters, html, responses
from app.api.reference.chapters import OPERATIONS, Reference
from app.api.reference.curl import curl_line
from app.api.reference.html import inline
from app.api.reference.links import within_site
from app.api.reference.page_text import table_of_fields
from app.api.reference.shapes import fields_of
from app.api.reference.site_address import address_of
from app.api.reference.summaries import SUMMARIES
from app.api.routes import ROUTES
from app.dashboard.compression import compressed
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.reference.chapters import Block, Chapter, Section
    from app.api.response import Response
    from app.api.routes import Route
    from app.dashboard.visit import Visit

FIELDS_HEAD = ["field", "type", "default", "meaning"]
EXAMPLE_ADDRESS = "https://example.com/api"


def show(visit: Visit) -> Response:
    view = ApiDocs(f"{address_of(visit.request)}/api", visit.site.settings)
    page = visit.render(
        "api_docs.html", version=VERSION, address=view.address, chapters=view.chapters()
    )
    return compressed(page, visit.request)


class ApiDocs:
    """What the template shows. ``address`` is that of the API."""

    def __init__(self, address: str, settings: Any) -> None:
        self.address = address
        self._settings = settings
        self._reference = Reference()
        self._routes = {f"{route.method} {route.template}": route for route in ROUTES}
        self._causes = _causes(self._reference)

    def chapters(self) -> list[dict[str, Any]]:
        return [
            self._chapter(each) for each in self._reference.chapters if each.name != chapters.LIST
        ]

    def _chapter(self, chapter: Chapter) -> dict[str, Any]:
        return {
            "title": chapter.title,
            "anchor": html.anchor_of(chapter.title),
            "text": self._text(chapter.introduction),
            "sections": [self._section(each) for each in chapter.sections],
        }

    def _section(self, section: Section) -> dict[str, Any]:
        return {
            "heading": Markup(inline(section.heading)),
            "anchor": section.anchor,
            "calls": [self._call(call, section) for call in section.calls],
            "text": self._text(section),
            "responses": self._responses(section) if section.calls else "",
        }

    def _call(self, call: str, section: Section) -> dict[str, Any]:
        method, _, path = call.partition(" ")
        return {
            "method": method,
            "path": path,
            "summary": SUMMARIES[call],
            "scope": self._routes[call].scope,
            "curl": curl_line(self._routes[call], OPERATIONS[call], section, self.address),
        }

    def _text(self, section: Section) -> Markup:
        return Markup("".join(self._block(section, block) for block in section.blocks))

    def _block(self, section: Section, block: Block) -> str:
        if block.kind == chapters.FIELDS:
            rows = [
                [f"<code>{name}</code>", *(inline(within_site(each, "")) for each in rest)]
                for name, *rest in table_of_fields(section, block, self._settings)
            ]
            return html.table(FIELDS_HEAD, rows, "fields")
        text = within_site(block.text, "").replace(EXAMPLE_ADDRESS, self.address)
        return html.block(text)

    def _responses(self, section: Section) -> Markup:
        """Which statuses there are, and the fields of a success."""
        call = section.calls[0]
        operation = OPERATIONS[call]
        rows = [
            [f"<code>{status}</code>", "", inline(within_site(section.said_of(status), ""))]
            for status in operation.returns
        ]
        rows += self._errors(self._routes[call], section)
        found = html.table(["status", "code", "when"], rows)
        found += "<p>And the errors of <a href='#rules-for-every-call'>every call</a>.</p>"
        shown: dict[str, str] = {}
        for schema in operation.returns.values():
            shown.update(fields_of(schema or {}))
        if shown:
            fields = [[f"<code>{path}</code>", inline(type)] for path, type in shown.items()]
            found += f"<h4>Fields of a success</h4>{html.table(['field', 'type'], fields)}"
        return Markup(found)

    def _errors(self, route: Route, section: Section) -> list[list[str]]:
        operation = OPERATIONS[f"{route.method} {route.template}"]
        found = responses.codes_of(route, operation, section)
        return [
            [f"<code>{status}</code>", f"<code>{code}</code>", inline(self._causes.get(code, ""))]
            for status, codes in sorted(found.items())
            for code in codes
            if code not in responses.COMMON
        ]


def _causes(reference: Reference) -> dict[str, str]:
    """When each code comes, from the table of the rules."""
    head = "| code | status | when | what to do |"
    table = next(block for block in reference.rules.blocks if block.text.startswith(head))
    lines = [html.cells(line) for line in table.text.splitlines()[2:]]
    return {code.strip("`"): when for code, _, when, _ in lines}
