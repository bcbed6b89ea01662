"""traceparent and parent_id: where a task comes from is kept with it, and shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import API_KEY, Api
from tests.support.http_client import Response

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"
OTHER = f"00-{TRACE_ID}-{'1' * 16}-00"

MALFORMED = [
    "",
    "00",
    "x",
    f"00-{TRACE_ID}-{SPAN_ID}",
    f"00-{TRACE_ID}-{SPAN_ID}-1",
    f"00-{TRACE_ID}-{SPAN_ID}-01-",
    f"00-{TRACE_ID}-{SPAN_ID}-01-more",
    f"00-{TRACE_ID}-{SPAN_ID}-011",
    f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
    f"00-{'0' * 32}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"ff-{TRACE_ID}-{SPAN_ID}-01",
    f"0-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID}0-01",
    f"00-{TRACE_ID[:-1]}g-{SPAN_ID}-01",
    f"00_{TRACE_ID}_{SPAN_ID}_01",
    f"01-{TRACE_ID}-{SPAN_ID}-01more",
    f"{TRACE},{TRACE}",
    "00-" + "१" * 32 + f"-{SPAN_ID}-01",
    "x" * 100_000,
]


def create(api: Api, header: str | None = None, **options: Any) -> Response:
    headers = {"X-API-Key": API_KEY}
    if header is not None:
        headers["traceparent"] = header
    body = {"type": "job", "params": {}, "dedupe": False, **options}
    response = api.call("POST", "/tasks", body, headers)
    assert response.status == 201, response
    return response


def trace_of(api: Api, response: Response) -> Any:
    return api.task(response.data["id"])["traceparent"]


@pytest.fixture(autouse=True)
def _type(api: Api) -> None:
    api.register("job")


@pytest.mark.parametrize(
    ("header", "own", "kept"),
    [
        (None, None, None),
        (TRACE, None, TRACE),
        (None, TRACE, TRACE),
        (OTHER, TRACE, TRACE),
        (f" {TRACE} ", None, TRACE),
    ],
)
def test_it_is_kept(api: Api, header: Any, own: Any, kept: Any) -> None:
    response = create(api, header, traceparent=own)
    assert "warnings" not in response.json
    assert trace_of(api, response) == kept
    assert api.claim()["traceparent"] == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"01-{TRACE_ID}-{SPAN_ID}-01", TRACE),
        (f"cc-{TRACE_ID}-{SPAN_ID}-03-what-the-future-will-be-like", TRACE),
        (f"cc-{TRACE_ID}-{SPAN_ID}-fe", f"00-{TRACE_ID}-{SPAN_ID}-00"),
        # The flags of the version that is known are none of our business.
        (f"00-{TRACE_ID}-{SPAN_ID}-03", f"00-{TRACE_ID}-{SPAN_ID}-03"),
    ],
)
def test_later_versions(api: Api, given: str, kept: str) -> None:
    assert trace_of(api, create(api, given)) == kept
    assert trace_of(api, create(api, traceparent=given)) == kept


@pytest.mark.parametrize("value", MALFORMED, ids=lambda value: value[:60])
def test_a_malformed_one_is_ignored(api: Api, value: str) -> None:
    for given in ({"header": value}, {"traceparent": value}):
        response = create(api, **given)
        (warning,) = response.warnings
        name = "the header traceparent" if "header" in given else "traceparent"
        assert warning == f"{name} was ignored: it is not a traceparent as W3C defines it"
        assert trace_of(api, response) is None


@pytest.mark.parametrize("value", [1, True, [TRACE], {"traceparent": TRACE}])
def test_what_is_no_text_is_ignored(api: Api, value: Any) -> None:
    response = create(api, traceparent=value)
    assert len(response.warnings) == 1
    assert trace_of(api, response) is None


def test_in_place_of_a_malformed_one_that_of_the_call(api: Api) -> None:
    response = create(api, TRACE, traceparent="x")
    assert len(response.warnings) == 1
    assert trace_of(api, response) == TRACE


def test_of_many(api: Api) -> None:
    each = {"type": "job", "params": {}, "dedupe": False}
    body = {"tasks": [each, {**each, "traceparent": OTHER}, {**each, "traceparent": "x"}]}
    response = api.call("POST", "/tasks", body, {"X-API-Key": API_KEY, "traceparent": TRACE})
    kept = [api.task(made["id"])["traceparent"] for made in response.data["tasks"]]
    assert kept == [TRACE, OTHER, TRACE]
    (warning,) = response.warnings
    assert warning.startswith("tasks[2].traceparent was ignored")
    response = api.call("POST", "/tasks", body, {"X-API-Key": API_KEY, "traceparent": "x"})
    assert len(response.warnings) == 2


def test_a_claim_of_many(api: Api) -> None:
    create(api, TRACE)
    create(api)
    assert [task["traceparent"] for task in api.claim(limit=5)] == [TRACE, None]


def test_a_duplicate_stays_in_its_own_trace(api: Api) -> None:
    first = create(api, TRACE, dedupe="forever", parent_id=5)
    body = {"type": "job", "params": {}, "traceparent": OTHER, "parent_id": 6}
    assert api.post("/tasks", body).data["deduplicated"] is True
    task = api.task(first.data["id"])
    assert (task["traceparent"], task["parent_id"]) == (TRACE, 5)


def test_the_parent(api: Api) -> None:
    assert api.task(create(api).data["id"])["parent_id"] is None
    for parent in (1, 2**63 - 1):
        assert api.task(create(api, parent_id=parent).data["id"])["parent_id"] == parent
    assert [task["parent_id"] for task in api.get("/tasks").data["tasks"]] == [2**63 - 1, 1, None]
