"""docs/api.md is held to the code: it names every route, field and error code of the API, and
nothing else. What it says about types and limits is tried on the fields, and its examples are sent.
"""

from __future__ import annotations

import dis
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest

from app import config
from app.api import error_responses
from app.api.dispatch import handle
from app.api.fields import MAX_SECONDS, BySetting, Fields
from app.api.reference.page_text import page
from app.api.request import Request
from app.api.routes import ROUTES
from app.errors import Invalid
from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
from tests.api.caller import API_KEY
from tests.support.server import PROJECT
from tests.test_docs_workers import quoted

PAGE = PROJECT / "docs" / "api.md"
TEXT = PAGE.read_text("utf-8")
DEFAULTS = config.from_values({})
STATUS_OF_CODE = {
    **error_responses.STATUS_OF_CODE,
    "internal": 500,
    "busy": 503,
    "database_unavailable": 503,
}
SPOOLEDS_OWN_CODE = "LEASE_EXPIRED"

JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(
    r"^(?:Request:|Response (?P<status>\d+)(?P<data>, `data`)?[^`\n]*"
    r"(?:`[^`\n]*`[^`\n]*)*:)\n\n```json\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Row(NamedTuple):
    """A line of a table of fields."""

    name: str
    type: str
    default: str
    meaning: str


class Section(NamedTuple):
    """What the page says about the routes in one heading."""

    heading: str
    routes: list[str]
    text: str

    def __str__(self) -> str:
        return self.routes[0]

    @property
    def anchor(self) -> str:
        """The address of the heading, as GitHub makes it."""
        return re.sub(r"[^\w -]", "", self.heading.lower()).replace(" ", "-")


class Exchange(NamedTuple):
    """An example: what is sent, and the status and the body (or its data) that come back."""

    request: Any
    status: int
    is_data: bool
    response: Any


def sections() -> list[Section]:
    parts = re.split(r"^(#{1,3} .*)$", TEXT, flags=re.MULTILINE)
    found = []
    for heading, text in zip(parts[1::2], parts[2::2]):
        title = heading.lstrip("# ")
        routes = [each for each in quoted(title) if re.match(r"[A-Z]+ /", each)]
        if routes:
            found.append(Section(title, routes, text))
    return found


SECTIONS = sections()
each_section = pytest.mark.parametrize("section", SECTIONS, ids=str)


def rows_below(text: str, head: str) -> Iterator[list[str]]:
    """The lines of all tables with this head."""
    for table in re.findall(rf"^{re.escape(head)}\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE):
        for line in table.splitlines():
            yield [cell.strip() for cell in line.strip("|").split("|")]


def rows(section: Section) -> list[Row]:
    lines = rows_below(section.text, "| field | type | default | meaning |")
    return [Row(quoted(name)[0], *rest) for name, *rest in lines]


def names(section: Section) -> set[str]:
    return {row.name for row in rows(section)}


def names_by_link(section: Section) -> set[str]:
    """The fields of the sections to which the tables of this one link."""
    anchors = {link for row in rows(section) for link in re.findall(r"\(#([\w-]+)\)", row.meaning)}
    return {name for each in SECTIONS if each.anchor in anchors for name in names(each)}


ROUTE_OF = {f"{route.method} {route.template}": route for route in ROUTES}


def fields_of(function: Callable[..., Any]) -> list[Fields]:
    """The Fields that an endpoint reads: those that its function names, or a function of app.api
    that is called from there.
    """
    found: list[Fields] = []
    seen: set[Any] = set()
    waiting: list[Any] = [function]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for name in global_names(current.__code__):
            value = current.__globals__.get(name)
            if isinstance(value, Fields) and value not in found:
                found.append(value)
            if isinstance(value, FunctionType) and value.__module__.startswith("app.api."):
                waiting.append(value)
    return found


def global_names(code: CodeType) -> set[str]:
    """Those that the code loads, inner functions included."""
    found = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= global_names(constant)
    return found


def fields_in(section: Section) -> list[Fields]:
    found: list[Fields] = []
    for template in section.routes:
        found += [each for each in fields_of(ROUTE_OF[template].handler()) if each not in found]
    return found


def test_the_page_is_made_from_the_reference() -> None:
    assert page() == TEXT, "docs/api.md: run flask --app passenger_wsgi write-reference"


def test_every_route_has_its_section_and_no_other() -> None:
    documented = [template for section in SECTIONS for template in section.routes]
    missing, invented = set(ROUTE_OF) - set(documented), set(documented) - set(ROUTE_OF)
    assert not missing, f"docs/api.md: add a section for {sorted(missing)}"
    assert not invented, f"docs/api.md: remove {sorted(invented)}"
    assert len(documented) == len(set(documented))


def test_every_route_that_prose_names_exists() -> None:
    prose = JSON.sub("", TEXT)
    named = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", prose)
    assert [each for each in named if each not in ROUTE_OF] == []


@each_section
def test_every_field_is_named(section: Section) -> None:
    known = {name for each in fields_in(section) for name in each.readers}
    missing = known - names(section) - names_by_link(section)
    assert not missing, f"docs/api.md, {section}: add a row for {sorted(missing)}"


@each_section
def test_no_field_is_named_that_is_not_taken(section: Section) -> None:
    known = {name for each in fields_in(section) for name in each.readers}
    invented = names(section) - known
    assert not invented, f"docs/api.md, {section}: remove {sorted(invented)}"


def test_every_fields_object_belongs_to_a_section() -> None:
    """So that none is missed by the way in which they are found."""
    found = [each for section in SECTIONS for each in fields_in(section)]
    modules = {route.handler().__globals__["__name__"]: route.handler() for route in ROUTES}
    for module, handler in modules.items():
        for name, value in handler.__globals__.items():
            if isinstance(value, Fields):
                assert value in found, f"{module}.{name}"


@each_section
def test_required_fields_are_said_to_be(section: Section) -> None:
    required = {name for each in fields_in(section) for name in each.required}
    said = {row.name for row in rows(section) if row.default == "required"}
    assert said == required & names(section)


def takes(reader: Callable[[Any], Any], value: Any) -> bool:
    try:
        reader(value)
    except (ValueError, Invalid):
        return False
    return True


def plain(number: str) -> float:
    return float(number.replace(",", ""))


NUMBER = r"(-?[\d,.]*\d)"


def limits_of_text(low: str, high: str) -> tuple[list[Any], list[Any]]:
    shortest, longest = int(low), int(high)
    return ["x" * shortest, "x" * longest], ["", "x" * (longest + 1), "x\n", " x", 1]


def limits_of_integer(low: str, high: str) -> tuple[list[Any], list[Any]]:
    least, most = plain(low), plain(high)
    return [int(least), int(most)], [int(least) - 1, int(most) + 1, least + 0.5, "1", True]


def limits_of_number(low: str, high: str) -> tuple[list[Any], list[Any]]:
    least, most = plain(low), plain(high)
    return [least, most], [least - 0.01, most + 1, "1", True]


def rates(*bounds: str) -> tuple[list[Any], list[Any]]:
    fewest, most, shortest, longest = map(plain, bounds)
    return (
        [{"tasks": fewest, "seconds": shortest}, {"tasks": most, "seconds": longest}],
        [{"tasks": most + 1, "seconds": 1}, {"tasks": 1, "seconds": longest + 1}, {"tasks": 1}, 1],
    )


TYPES: dict[str, Callable[..., tuple[list[Any], list[Any]]]] = {
    rf"string, {NUMBER} to {NUMBER} characters": limits_of_text,
    rf"integer, {NUMBER} to {NUMBER}": limits_of_integer,
    rf"integer, {NUMBER} or higher": lambda low: (
        [int(low), 10**18],
        [int(low) - 1, 0.5, "1", True],
    ),
    rf"number, {NUMBER} to {NUMBER}": limits_of_number,
    rf"seconds, {NUMBER} or more": lambda low: limits_of_number(low, str(MAX_SECONDS)),
    r"boolean": lambda: ([True, False], ["true", 0]),
    r"text": lambda: (["", "a\nb"], [1, []]),
    r"text or any JSON": lambda: (["a\nb", 1, {"a": 1}], []),
    r"any JSON(?:, at most .*)?": lambda: (["a", 1, {"a": 1}, []], []),
    r"time": lambda: (["2026-01-31T12:00:00Z", "2026-01-31"], ["soon", 1]),
    r"object(?:, at most .*)?": lambda: ([{}, {"a": 1}, []], [[1], "a", 1]),
    rf"list, at most {NUMBER} objects": lambda most: (
        [[], [{}] * int(plain(most))],
        [[{}] * (int(plain(most)) + 1), {}, "a"],
    ),
    rf"list, at most {NUMBER} strings of 1 to {NUMBER} characters(?:, or one string .*)?": (
        lambda most, longest: (
            [[], ["a" * int(longest)] * int(most)],
            [["a"] * (int(most) + 1), ["a" * (int(longest) + 1)], [""], [1]],
        )
    ),
    r"list, at most 1,000 integers": lambda: (
        [[], [1] * 1000],
        [[1] * 1001, [0], ["1"], 1],
    ),
    r"(?:in the query: |one of )(`.*`)": lambda words: (
        [*quoted(words), *[word.upper() for word in quoted(words)]],
        ["other", 1],
    ),
    r"`\"forever\"`, `\"active\"`, seconds above 0, or `false`": lambda: (
        ["forever", "ACTIVE", 0.1, MAX_SECONDS, False],
        ["other", 0, True, MAX_SECONDS + 1],
    ),
    r"cron expression": lambda: (["30 4 * * *", "@daily"], ["30 4 * *", "@often", 5]),
    r"IANA time zone": lambda: (["UTC", "Europe/Berlin"], ["", "Mars", 1]),
    r"`\"active\"` or `false`": lambda: (["ACTIVE", False], ["forever", True, 5]),
    r"JSON Schema .*": lambda: ([{}, True, "{}"], [1, "no JSON"]),
    r"list of at most 20 strings, or object .*": lambda: (
        [["a"] * 20, {"a": 1}],
        [["a"] * 21, 1],
    ),
    r"list of one string": lambda: ([["a"]], [[], ["a", "b"], "a"]),
    r"list of one to 4 of (`.*`)": lambda words: (
        [quoted(words), [quoted(words)[0].upper()]],
        [["other"], "read", 1],
    ),
    r"list of one to 20 strings of 1 to 255 characters": lambda: (
        [["a" * 255] * 20],
        [["a"] * 21, ["a" * 256], [""], [1], "a"],
    ),
    r"list, at most 100 strings": lambda: ([[], ["a"] * 100], [["a"] * 101, [1], "a"]),
    r"at most 100 ids, with commas between them": lambda: (
        ["", "1", ",".join(["1"] * 100)],
        [",".join(["1"] * 101), 1],
    ),
    r"one or more of (`.*`), with commas between them": lambda words: (
        [*quoted(words), ",".join(quoted(words)).upper()],
        ["other", "", 1],
    ),
    rf"days by (`.*`), each {NUMBER} to {NUMBER} or `null`": lambda words, low, high: (
        [{each: days} for each in quoted(words) for days in (plain(low), plain(high), None)],
        [{"other": 1}, *({each: plain(high) + 1} for each in quoted(words)), 1],
    ),
    rf"object with `tasks`, {NUMBER} to {NUMBER}, and `seconds`, {NUMBER} to {NUMBER}": rates,
    r"`true`": lambda: ([True], [False, "true", 1]),
    # One that is malformed is ignored.
    r"W3C traceparent": lambda: ([f"00-{'a' * 32}-{'b' * 16}-01", "malformed", 1], []),
    r"id of a job": lambda: (["1", "9" * 18], ["", "0", "x", 1]),
    r"not supported": lambda: ([], ["a", 1]),
}
"""Each way to write the type of a field: values that it takes, and values that it refuses."""


@each_section
def test_types_and_limits(section: Section) -> None:
    for row in rows(section):
        readers = [
            each.reader(row.name, DEFAULTS)
            for each in fields_in(section)
            if row.name in each.readers
        ]
        kinds = [(kind, re.fullmatch(kind, row.type)) for kind in TYPES]
        matches = [(kind, match) for kind, match in kinds if match]
        assert len(matches) == 1, f"the type of {row.name} is written in another way: {row.type}"
        kind, match = matches[0]
        good, bad = TYPES[kind](*match.groups())
        for reader in readers:
            assert [each for each in good if not takes(reader, each)] == [], row.name
            assert [each for each in bad if takes(reader, each)] == [], row.name


@each_section
def test_a_setting_that_bounds_a_field_is_named(section: Section) -> None:
    for row in rows(section):
        for each in fields_in(section):
            reader = each.readers.get(row.name)
            if isinstance(reader, BySetting):
                named = f"docs/api.md, {section}: {row.name} must name {reader.setting}"
                assert reader.setting in quoted(row.meaning + row.type), named


def test_every_code_with_its_status() -> None:
    lines = rows_below(TEXT, "| code | status | when | what to do |")
    table = {quoted(code)[0]: int(status) for code, status, *_ in lines}
    assert table == STATUS_OF_CODE


@each_section
def test_no_other_code_is_named(section: Section) -> None:
    codes = set(STATUS_OF_CODE)
    if "/v1/" in section.routes[0]:
        codes = {code.upper() for code in codes} | {SPOOLEDS_OWN_CODE}
    told = re.findall(r"(?:Errors|Codes)\b[^:]*:(.*?)(?:\n\n|\Z)", section.text, re.DOTALL)
    words = [word for part in told for word in quoted(part) if re.fullmatch("[A-Za-z_]+", word)]
    assert [word for word in words if word not in {*codes, "limit", "complete", "heartbeat"}] == []


def test_links() -> None:
    headings = re.findall(r"^#+ (.*)$", JSON.sub("", TEXT), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    links = re.findall(r"\]\(#([^)]*)\)", TEXT)
    assert links
    assert [each for each in links if each not in anchors] == []


@pytest.mark.parametrize("text", JSON.findall(TEXT))
def test_every_example_is_json(text: str) -> None:
    assert isinstance(json.loads(text), (dict, list))


def exchanges(section: Section) -> list[Exchange]:
    found, request = [], None
    for match in EXAMPLE.finditer(section.text):
        value = json.loads(match["text"])
        if match["status"] is None:
            request = value
        else:
            found.append(Exchange(request, int(match["status"]), bool(match["data"]), value))
            request = None
    return found


STORY = [
    ("GET /health", "/health"),
    ("POST /task-types/register", "/task-types/register"),
    ("GET /audit", "/audit"),
    ("GET /task-types/{name}", "/task-types/mail.send"),
    ("POST /tasks", "/tasks"),
    ("POST /tasks", "/tasks"),
    ("POST /tasks", "/tasks"),
    ("POST /tasks/claim", "/tasks/claim"),
    ("POST /tasks/claim", "/tasks/claim"),
    ("POST /tasks/{id}/heartbeat", "/tasks/1/heartbeat"),
    ("POST /tasks/{id}/progress", "/tasks/1/progress"),
    ("POST /tasks/heartbeat", "/tasks/heartbeat"),
    ("POST /tasks/{id}/complete", "/tasks/1/complete"),
    ("POST /tasks/{id}/fail", "/tasks/2/fail"),
    ("POST /tasks/settle", "/tasks/settle"),
    ("POST /tasks/{id}/release", "/tasks/4/release"),
    ("GET /tasks/{id}", "/tasks/1"),
    ("GET /tasks/{id}/history", "/tasks/1/history"),
    ("GET /stats", "/stats"),
    ("POST /tasks/{id}/cancel", "/tasks/4/cancel"),
    ("POST /tasks/{id}/delete", "/tasks/4/delete"),
    ("POST /tasks/retry", "/tasks/retry"),
    ("POST /workers/register", "/workers/register"),
    ("GET /workers/{worker}", "/workers/web1-4711"),
    ("GET /workers/{worker}/stats", "/workers/web1-4711/stats"),
    ("POST /workers/{worker}/deregister", "/workers/web1-4711/deregister"),
    ("POST /v1/workers/register", "/v1/workers/register"),
    ("POST /v1/jobs", "/v1/jobs"),
    ("POST /v1/jobs/bulk", "/v1/jobs/bulk"),
    ("POST /v1/jobs/claim", "/v1/jobs/claim"),
    ("GET /v1/jobs/{id}", "/v1/jobs/5"),
    ("POST /v1/jobs/{id}/complete", "/v1/jobs/5/complete"),
    ("GET /v1/jobs", "/v1/jobs?status=completed&queue_name=emails"),
    ("GET /v1/jobs/status", "/v1/jobs/status?ids=6,5"),
    ("GET /v1/jobs/{id}/history", "/v1/jobs/6/history"),
    ("GET /v1/jobs/stats", "/v1/jobs/stats"),
    ("GET /v1/queues/{name}/stats", "/v1/queues/emails/stats"),
    ("PUT /v1/jobs/{id}/priority", "/v1/jobs/6/priority"),
    ("GET /v1/workers/{worker}", "/v1/workers/mailer-1"),
    ("GET /v1/queues/{name}", "/v1/queues/emails"),
    ("POST /v1/queues/{name}/pause", "/v1/queues/emails/pause"),
    ("POST /v1/queues/{name}/resume", "/v1/queues/emails/resume"),
]
"""The examples in an order in which they can be sent, one after another, to a new queue. Those of
other endpoints are sent after these, in the order of the page, when 6 has failed for good, and 7
waits.
"""

VARYING = {
    *("timestamp", "version", "mean_run_seconds", "dedupe_key", "avg_processing_time_ms"),
    *("oldest_due_age", "wait_seconds", "run_seconds"),
    *("key", "hint"),
}


def comparable(value: Any) -> Any:
    """``value`` without what differs from run to run: times, and the fields in VARYING."""
    if isinstance(value, dict):
        return {k: "…" if k in VARYING else comparable(each) for k, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    is_time = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value)
    return "a time" if is_time else value


def test_the_examples_are_what_the_server_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'queue.sqlite3'}"
    site = Site(config.from_values({"DATABASE_URL": url, "API_KEY": API_KEY}))
    left = {section.routes[0]: exchanges(section) for section in SECTIONS}
    left["POST /workers/register"] = [
        Exchange(request_of("POST /workers/register"), 200, True, None)
    ]
    for template, path in STORY:
        check_example(site, template, path, left[template].pop(0))
    fail_for_good(site, "emails", 6)
    assert create(site, [NewTask("mail.send", {"to": "ed@example.com"})])[0].id == 7
    for template, examples in left.items():
        for example in examples:
            check_example(site, template, address(template, example), example)


def fail_for_good(site: Site, queue: str, task_id: int) -> None:
    claim = {"worker_id": "mailer-1", "task_types": [queue]}
    for path, body in (("/tasks/claim", claim), (f"/tasks/{task_id}/fail", {"retry": False})):
        sent = json.dumps(body).encode()
        assert handle(Request("POST", path, {}, {"x-api-key": API_KEY}, sent), site).status == 200


def check_example(site: Site, template: str, path: str, example: Exchange) -> None:
    body = b"" if example.request is None else json.dumps(example.request).encode()
    method = template.partition(" ")[0]
    path, _, query = path.partition("?")
    request = Request(method, path, dict(parse_qsl(query)), {"x-api-key": API_KEY}, body)
    response = handle(request, site)
    shown = response.payload["data"] if example.is_data else response.payload
    assert response.status == example.status, (template, response.payload)
    assert "warnings" not in response.payload, template
    if example.response is not None:
        assert comparable(example.response) == comparable(shown), template


def address(template: str, example: Exchange) -> str:
    """The path for an example, by what its response says: the task 4 is at ``/tasks/4``."""
    shown = example.response if isinstance(example.response, dict) else {}
    path = template.partition(" ")[2]
    for parameter, field in (("{id}", "id"), ("{worker}", "id"), ("{name}", "name")):
        path = path.replace(parameter, str(shown.get(field)))
    return path


def request_of(template: str) -> Any:
    """The request of a section whose response is shown elsewhere."""
    text = next(section.text for section in SECTIONS if template in section.routes)
    return json.loads(text.partition("Request:\n\n```json\n")[2].partition("```")[0])


def test_every_metric_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'queue.sqlite3'}"
    site = Site(config.from_values({"DATABASE_URL": url, "API_KEY": API_KEY}))
    response = handle(Request("GET", "/metrics", {}, {"x-api-key": API_KEY}), site)
    kinds = re.findall(rb"^# TYPE (\w+) (\w+)$", response.body(), re.MULTILINE)
    told = {name.decode(): kind.decode() for name, kind in kinds}
    head = "| metric | kind | labels | what it tells |"
    table = {quoted(name)[0]: kind for name, kind, *_ in rows_below(TEXT, head)}
    missing, invented = set(told) - set(table), set(table) - set(told)
    assert not missing, f"docs/api.md, GET /metrics: add a row for {sorted(missing)}"
    assert not invented, f"docs/api.md, GET /metrics: remove {sorted(invented)}"
    assert table == told
