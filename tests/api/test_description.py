"""What the API says about itself: the list of calls, and the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from app.api import fields
from app.api.reference.chapters import OPERATIONS
from app.api.reference.openapi import document
from app.api.reference.site_address import HOST
from app.api.reference.summaries import SUMMARIES
from app.api.request import Request
from app.api.routes import ROUTES
from app.version import VERSION
from tests.api.addresses import template
from tests.api.bad_values import ANYTHING
from tests.api.caller import Api
from tests.api.described import DOCUMENT, SETTINGS, operation_of, validator
from tests.api.places import BODIES, QUERIES
from tests.test_docs_api import fields_of

PAGE = "https://www.example.com"
each_route = pytest.mark.parametrize("route", ROUTES, ids=template)


def media_types(thing: Any) -> Iterator[Any]:
    """Everything in the document that has an example beside its schema."""
    if isinstance(thing, dict):
        if "examples" in thing and "schema" in thing:
            yield thing
        for each in thing.values():
            yield from media_types(each)
    if isinstance(thing, list):
        for each in thing:
            yield from media_types(each)


class TestListOfCalls:
    def test_it_has_every_call_with_its_scope(self, api: Api) -> None:
        data = api.get("/").data
        assert (data["name"], data["version"]) == ("TaskManager", VERSION)
        told = {(each["method"], each["path"], each["scope"]) for each in data["calls"]}
        assert told == {(route.method, route.template, route.scope) for route in ROUTES}
        assert all(each["summary"] for each in data["calls"])

    def test_anybody_may_read_it(self, api: Api) -> None:
        for path in ("", "/", "/openapi.json"):
            assert api.call("GET", path, headers={}).status == 200

    def test_it_is_only_read(self, api: Api) -> None:
        for method in ("POST", "PUT", "DELETE"):
            response = api.call(method, "/", {})
            assert (response.code, response.headers["Allow"]) == ("method_not_allowed", "GET")

    def test_links_lead_to_the_site_as_it_was_reached(self, api: Api) -> None:
        headers = {"Host": "queue.example.com:8443", "X-Forwarded-Proto": "https"}
        links = api.call("GET", "/", headers=headers).data["links"]
        assert links == {
            name: f"https://queue.example.com:8443/api/{path}"
            for name, path in (
                ("docs", "docs"),
                ("openapi", "openapi.json"),
                ("health", "health"),
            )
        }

    def test_a_host_that_cannot_be_one_is_not_repeated(self, api: Api) -> None:
        for host in ("a b", "x'y", "<b>", "a/../b", "$(reboot)"):
            links = api.call("GET", "/", headers={"Host": host}).data["links"]
            assert links["health"] == "http://localhost/api/health"

    @pytest.mark.parametrize("host", ["example.com", "localhost:8000", "[::1]:80", "10.0.0.1"])
    def test_hosts(self, host: str) -> None:
        assert HOST.fullmatch(host)

    @pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
    def test_an_unknown_address_is_still_json(self, api: Api) -> None:
        assert api.get("/nothing").code == "not_found"


class TestDocument:
    def test_it_is_valid(self) -> None:
        validate(DOCUMENT)

    def test_it_is_served_as_it_is(self, api: Api) -> None:
        served = api.call("GET", "/openapi.json", headers={"Host": "example.com"}).json
        assert served == json.loads(json.dumps(document("http://example.com", api.site.settings)))

    def test_pages_of_listed_origins_may_read_it(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.site.settings, "cors_origins", (PAGE,))
        for origin, allowed in ((PAGE, PAGE), ("https://other.example", None)):
            response = api.call("GET", "/openapi.json", headers={"Origin": origin})
            assert response.headers.get("Access-Control-Allow-Origin") == allowed

    def test_it_has_every_route_and_no_other(self) -> None:
        told = {(m.upper(), path) for path, each in DOCUMENT["paths"].items() for m in each}
        assert told == {(route.method, route.template) for route in ROUTES}

    def test_operations_have_names_of_their_own(self) -> None:
        names = [operation_of(route)["operationId"] for route in ROUTES]
        assert len(names) == len(set(names))

    def test_spooleds_dialect_is_a_group_of_its_own(self) -> None:
        for route in ROUTES:
            is_spooled = route.template.startswith("/v1/")
            assert (operation_of(route)["tags"] == ["Spooled's dialect"]) == is_spooled

    def test_the_three_ways_of_sending_the_key(self) -> None:
        assert DOCUMENT["security"] == [{"bearer": []}, {"header": []}, {"basic": []}]
        assert operation_of(ROUTES[0])["security"] == []

    @each_route
    def test_the_fields_are_those_that_the_call_reads(self, route: Any) -> None:
        described = OPERATIONS[template(route)].all_fields()
        assert {id(each) for each in described} == {id(each) for each in fields_of(route.handler())}

    def test_every_summary_is_a_routes(self) -> None:
        assert list(SUMMARIES) == list(dict.fromkeys(SUMMARIES))
        assert set(SUMMARIES) == {template(route) for route in ROUTES}

    def test_examples_are_valid(self) -> None:
        found = list(media_types(DOCUMENT["paths"]))
        assert len(found) > 20
        for each in found:
            check = validator(each["schema"])
            for example in each["examples"].values():
                if "jobs" not in example["value"]:  # one of those is wrong, and refused alone
                    check.validate(example["value"])

    def test_links_lead_to_the_page_for_people(self) -> None:
        links = re.findall(r"\]\(([^)\s]+)\)", json.dumps(DOCUMENT))
        assert links
        assert [each for each in links if not each.startswith(("docs#", "https://"))] == []


class TestReadersAndSchemas:
    """What a reader takes is what its schema takes."""

    @pytest.mark.parametrize("place", [*BODIES, *QUERIES], ids=str)
    def test_every_reader_has_a_schema(self, place: Any) -> None:
        for name, reader in place.known.readers.items():
            schema = fields.schema_of(reader, SETTINGS)
            Draft202012Validator.check_schema(schema)
            assert schema, f"{place}: {name}"

    @pytest.mark.parametrize("place", BODIES, ids=str)
    def test_what_a_schema_refuses_is_refused(self, place: Any) -> None:
        """Not the other way round: a reader may look at more than a schema can say."""
        for name, reader in place.known.readers.items():
            check = Draft202012Validator(fields.schema_of(reader, SETTINGS))
            read = place.known.reader(name, SETTINGS)
            for value in (*ANYTHING, *place.values[name], None, True, 0, -1, 1.5, "", [], {}):
                if check.is_valid(value) or is_lenient(value):
                    continue
                assert not takes(read, value), f"{place}: {name} takes {value!r}"


def is_lenient(value: Any) -> bool:
    """What is taken although no client should count on it: see "Bodies" in docs/api.md."""
    return value in ([], None) or isinstance(value, str)


def takes(read: Any, value: Any) -> bool:
    try:
        read(value)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("path", ["/openapi.json", "/"])
def test_the_request_needs_no_server(path: str) -> None:
    request = Request("GET", path)
    assert (request.root, request.scheme) == ("", "http")
