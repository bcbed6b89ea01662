"""Bad input to every endpoint: a clear 4xx, and no row of any table changed.

The form of each response is checked by the caller, here too.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.addresses import NATIVE, address_of, template
from tests.api.caller import Api
from tests.api.places import BODIES, QUERIES, WITHOUT_FIELDS, Place
from tests.support.http_client import Response

ROUTE_OF = {template(route): route for route in NATIVE}
WITH_BODY = [name for name, route in ROUTE_OF.items() if route.method != "GET"]
WITH_ID = [name for name in ROUTE_OF if "{id}" in name]
WITH_NAME = [name for name in ROUTE_OF if "{name}" in name]


@pytest.fixture
def task_id(api: Api) -> int:
    """A claimed task, beside a pending, a delayed, a failed and a completed one."""
    completed, failed, claimed = (api.claimed("job", "w1")["id"] for _ in range(3))
    api.post(f"/tasks/{completed}/complete", {"result": 1})
    api.post(f"/tasks/{failed}/fail", {"error": "x", "retry": False})
    api.create("job", {"pending": True})
    api.create("job", {"delayed": True}, delay=500)
    api.post("/schedules", {"name": "job", "type": "job", "every": 86400})
    return int(claimed)


def short(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value)
    return repr(text[:80])


def send(
    api: Api, route: str, task_id: int, body: Any = None, raw: bytes | None = None
) -> Response:
    method, path = address_of(ROUTE_OF[route], id=str(task_id), name="job", worker="w1")
    return api.call(method, path, body, raw=raw)


def test_every_route_has_its_rows() -> None:
    covered = {place.route for place in [*BODIES, *QUERIES]} | WITHOUT_FIELDS
    missing, invented = set(ROUTE_OF) - covered, covered - set(ROUTE_OF)
    assert not missing, f"tests/api/places.py: add a Place for {sorted(missing)}"
    assert not invented, f"tests/api/places.py: remove {sorted(invented)}"
    assert set(WITH_BODY) == {place.route for place in BODIES}


@pytest.mark.parametrize("place", [*BODIES, *QUERIES], ids=str)
def test_every_known_field_has_its_rows(place: Place) -> None:
    missing = set(place.known.readers) - set(place.values)
    assert not missing, f"tests/api/places.py, {place}: add bad values for {sorted(missing)}"
    assert set(place.values) == set(place.known.readers)


@pytest.mark.parametrize("place", [each for each in BODIES if each.values], ids=str)
def test_wrong_values(api: Api, task_id: int, place: Place) -> None:
    with api.unchanged():
        for field, value in place.rows():
            body = place.wrap({**place.good, field: value})
            response = send(api, place.route, task_id, body)
            assert response.code == "validation_failed", (field, short(value), response)
            at = f"{place.prefix}{field}"
            points_at = [path for path in response.paths if path.startswith(at)]
            assert points_at == response.paths != [], (field, short(value), response)


@pytest.mark.parametrize("place", [each for each in BODIES if each.known.required], ids=str)
def test_missing_fields(api: Api, task_id: int, place: Place) -> None:
    with api.unchanged():
        for field in place.known.required:
            without = {name: value for name, value in place.good.items() if name != field}
            for body in (without, {**place.good, field: None}):
                if place.route == "POST /tasks" and field == "tasks" and "tasks" not in body:
                    continue  # then it is one task, and no list
                response = send(api, place.route, task_id, place.wrap(body))
                assert response.code == "validation_failed", (field, response)
                assert response.paths == [place.prefix + field]


@pytest.mark.parametrize("place", QUERIES, ids=str)
def test_wrong_values_in_queries(api: Api, task_id: int, place: Place) -> None:
    with api.unchanged():
        for field, value in place.rows():
            method, path = address_of(ROUTE_OF[place.route])
            response = api.call(method, path, query={field: value})
            assert response.code == "validation_failed", (field, short(value), response)
            assert response.paths == [field]


def inside(value: str) -> bytes:
    """A body with a value in a field that no call knows."""
    return b'{"unknown": ' + value.encode() + b"}"


INVALID_BODIES: dict[str, bytes] = {
    "an empty list": b"[]",
    "a list": b'[{"type": "job", "params": {}}]',
    "a string": b'"{}"',
    "a number": b"5",
    "a great number": b"9" * 400,
    "null": b"null",
    "true": b"true",
    "false": b"false",
    "an open brace": b"{",
    "a closed brace": b"}",
    "single quotes": b"{'worker_id': 'w1'}",
    "a comma too many": b'{"worker_id": "w1",}',
    "no colon": b'{"worker_id" "w1"}',
    "no quotes": b"{worker_id: w1}",
    "two objects": b"{}{}",
    "a comment": b"{} // nothing",
    "a form": b"worker_id=w1&limit=5",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
    "XML": b"<task/>",
    "PHP": b'a:1:{s:1:"a";i:1;}',
    "NUL": b"\x00",
    "NUL after it": b"{}\x00",
    "control characters in a text": inside('"a\x00\x01\nb"'),
    "a bad escape": inside(r'"\x41"'),
    "half an escape": inside(r'"\u12"'),
    "invalid UTF-8": b'{"unknown": "\xff\xfe"}',
    "a cut character": b'{"unknown": "\xf0\x9f\x8e"}',
    "an overlong character": b'{"unknown": "\xc0\xaf"}',
    "an encoded surrogate": b'{"unknown": "\xed\xa0\x80"}',
    "Latin-1": '{"unknown": "größe"}'.encode("latin-1"),
    "UTF-16": '{"unknown": 1}'.encode("utf-16"),
    "UTF-32": '{"unknown": 1}'.encode("utf-32"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*.)\xcaL\x07\x00",
    "half a surrogate pair": inside(r'"\ud800"'),
    "the other half": inside(r'"a\udfffb"'),
    "a pair the wrong way round": inside(r'"\udc00\ud800"'),
    "half a pair in a name": b'{"\\ud800": 1}',
    "half a pair deep inside": inside(r'[{"a": [{"b": "\uDBFF"}]}]'),
    "NaN": inside("NaN"),
    "Infinity": inside("Infinity"),
    "-Infinity": inside("[-Infinity]"),
    "1e999": inside("1e999"),
    "-1e999": inside('{"a": [-1e999]}'),
    "a number of 5,000 digits": inside("9" * 5000),
    "a hexadecimal number": inside("0x10"),
    "a leading zero": inside("007"),
    "a leading plus": inside("+7"),
    "5,000 lists": inside("[" * 5000 + "]" * 5000),
    "5,000 objects": inside('{"a":' * 5000 + "1" + "}" * 5000),
    "5,000 open lists": b"[" * 5000,
    "100,000 open objects": b'{"a":' * 100_000,
    "101 lists": inside("[" * 101 + "]" * 101),
}


@pytest.mark.parametrize("route", WITH_BODY)
def test_bodies_that_are_no_json_object(api: Api, task_id: int, route: str) -> None:
    with api.unchanged():
        for name, raw in INVALID_BODIES.items():
            response = send(api, route, task_id, raw=raw)
            assert response.code == "invalid_json", (name, response)


TOO_LARGE = {
    "a long text": inside('"' + "x" * 2_000_000 + '"'),
    "a long list": inside("[" + "0," * 1_000_000 + "0]"),
    "white space": b" " * 2_000_000 + b"{}",
    "brackets": b"[" * 2_000_000,
    "zeros": b"\x00" * 2_000_000,
    "one byte": inside('"' + "x" * (1024 * 1024 - len(inside('""')) + 1) + '"'),
}


@pytest.mark.parametrize("route", WITH_BODY)
def test_bodies_that_are_too_large(api: Api, task_id: int, route: str) -> None:
    with api.unchanged():
        for name, raw in TOO_LARGE.items():
            response = send(api, route, task_id, raw=raw)
            assert response.code == "too_large", (name, response)
            assert "MAX_BODY_BYTES" in response.error


def test_a_body_that_just_fits(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    raw = inside('"' + "x" * (1024 * 1024 - len(inside('""'))) + '"')
    assert send(api, "POST /tasks/{id}/cancel", task["id"], raw=raw).status == 200


def test_too_large_goes_by_the_setting(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "max_body_bytes", 2000)
    response = api.post("/tasks/claim", {"worker_id": "w" * 200, "filler": "x" * 2000})
    assert response.code == "too_large"
    assert "2000" in response.error


TIMED = ("as_of", "oldest_due_age")
"""What differs from one moment to the next."""


WITHOUT_ENVELOPE = ("GET /metrics", "GET /openapi.json")


@pytest.mark.parametrize(
    "route", sorted(set(ROUTE_OF) - set(WITH_BODY) - {"GET /run", *WITHOUT_ENVELOPE})
)
def test_reading_takes_no_notice_of_a_body(api: Api, task_id: int, route: str) -> None:
    def read(**sent: Any) -> tuple[int, Any]:
        response = send(api, route, task_id, **sent)
        return response.status, {**(response.data or {}), **dict.fromkeys(TIMED)}

    expected = read()
    for raw in (b"{", b"[1]", b"\xff", b"[" * 5000, b" " * 2_000_000):
        assert read(raw=raw) == expected


@pytest.mark.parametrize("route", WITHOUT_ENVELOPE)
def test_nor_do_those_without_an_envelope(api: Api, task_id: int, route: str) -> None:
    assert send(api, route, task_id, raw=b"{").status == 200


UNKNOWN_IDS = ["999999999", "999999999999999999"]
NO_IDS = [
    *("0", "-1", "-0", "01", "1.5", "1e3", "x", "null", "true", "NaN", "[]", "{}", "*", "%25"),
    *("99999999999999999999", "9223372036854775807", "9223372036854775808", "9" * 1000),
    *("1' OR '1'='1", "1; DROP TABLE tasks", "1--", '"', "\x00", "1\x00", "größe", "🎉", " 1"),
]


@pytest.mark.parametrize("route", WITH_ID)
def test_ids_that_lead_nowhere(api: Api, task_id: int, route: str) -> None:
    good = next((place.good for place in BODIES if place.route == route), {})
    with api.unchanged():
        for each in [*UNKNOWN_IDS, *NO_IDS]:
            method, path = address_of(ROUTE_OF[route], id=quote(each, safe=""))
            response = api.call(method, path, None if method == "GET" else good)
            assert (response.status, response.code) == (404, "not_found"), (each, response)


UNKNOWN_NAMES = [
    *("x", "JOB", "job ", " job", "jo_", "%", "j%", "\\", "'", '"', "`", "job'--", "''"),
    *("' OR '1'='1", "'; DROP TABLE task_types; --", "job\x00", "\x00", "job\ufeff"),
    *("a/b/c", "../../etc/passwd", "a//b", "?", "#", "a?b=c", "größe", "🎉", "x" * 3000),
    *("0", "-1", "null", "None", "[]", "{}", "<script>", "{{7*7}}", "${7*7}", "%s", "%(n)s", ":n"),
]


@pytest.mark.parametrize("route", WITH_NAME)
def test_names_that_lead_nowhere(api: Api, task_id: int, route: str) -> None:
    with api.unchanged():
        for each in UNKNOWN_NAMES:
            method, path = address_of(ROUTE_OF[route], name=quote(each, safe=""))
            response = api.call(method, path, None if method == "GET" else {})
            assert response.status == 404, (each, response)
            assert response.code in ("unknown_type", "not_found"), (each, response)


POSSIBLE_NAMES = [
    each for each in UNKNOWN_NAMES if each == each.strip() and "\x00" not in each and len(each) < 50
]


def test_types_of_these_names_are_unknown(api: Api, task_id: int) -> None:
    with api.unchanged():
        for name in POSSIBLE_NAMES:
            pattern = name.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
            response = api.post("/tasks", {"type": name, "params": {}})
            assert response.code == "unknown_type", (name, response)
            assert api.claim(task_types=[name]) is None, name
            assert api.claim(type_pattern=pattern) is None, name


def test_odd_names_in_queries_find_nothing(api: Api, task_id: int) -> None:
    for each in (name for name in POSSIBLE_NAMES if "%" not in name):
        for field in ("type", "tag", "worker_id"):
            response = api.call("GET", "/tasks", query={field: each})
            assert response.data["tasks"] == [], (field, each)


def test_very_many_errors_are_told_in_reasonable_length(api: Api, task_id: int) -> None:
    with api.unchanged():
        response = api.post("/tasks", {"tasks": [{"type": 1, "params": 2, "tags": 3}] * 1000})
    assert response.code == "validation_failed"
    assert 3 <= len(response.paths) <= 200
    assert len(response.error) < 1000


def test_a_long_wrong_value_is_not_sent_back_whole(api: Api, task_id: int) -> None:
    with api.unchanged():
        response = api.post("/tasks/claim", {"worker_id": "w1", "sort_by": "x" * 500_000})
    assert response.code == "validation_failed"
    assert len(json.dumps(response.json)) < 5000


def test_very_many_unknown_fields(api: Api, task_id: int) -> None:
    body = {f"unknown_{number}": number for number in range(10_000)}
    response = api.post(f"/tasks/{task_id}/heartbeat", body)
    assert response.status == 200
    assert response.warnings
