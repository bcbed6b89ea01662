"""Task types: register, get, list, and switch on and off."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.caller import TIME, Api

OPTIONS: dict[str, Any] = {
    "description": "Sends a letter.\nGrüße 🎉",
    "max_attempts": 7,
    "timeout": 12.5,
    "retry_delay": 3,
    "retry_max_delay": 600.25,
    "priority": -4,
    "max_running": 2,
    "dedupe": "active",
    "retention": {"completed": 7.5, "failed": None, "result": 0},
    "retention_days": 0.5,
}
NAMES = [
    "a",
    "x" * 255,
    "🎉" * 255,
    "name with spaces",
    "größe",
    "per%cent %41",
    "under_score",
    'it\'s "quoted" `so`',
    "back\\slash",
    "a/b/c",
    "a?b=c&d#e",
    "'; DROP TABLE task_types; --",
    "<script>alert(1)</script>",
    "register",
    "a+b",
    "..",
    "true",
    "0",
]


def show(api: Api, name: str) -> Any:
    return api.get("/task-types/" + quote(name, safe="")).data


def switch(api: Api, name: str, action: str) -> Any:
    response = api.post(f"/task-types/{quote(name, safe='')}/{action}")
    assert response.status == 200, response
    return response.data


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "job", "version": "1", "param_schema": {}, **fields}


def test_a_new_type(api: Api) -> None:
    response = api.post("/task-types/register", body(version="1.2.0"))
    assert response.status == 201
    assert set(response.data) == {"id", "name", "version", "created"}
    assert isinstance(response.data["id"], int)
    assert (response.data["name"], response.data["version"]) == ("job", "1.2.0")
    assert response.data["created"] is True


def test_a_known_type(api: Api) -> None:
    first = api.register("job", version="1")
    response = api.post("/task-types/register", body(version="2"))
    assert response.status == 200
    expected = {"id": first["id"], "name": "job", "version": "2", "updated": True}
    assert response.data == expected
    assert show(api, "job")["version"] == "2"


def test_what_a_type_shows(api: Api) -> None:
    param_schema = {"type": "object", "properties": {"größe": {"type": "number"}}}
    registered = api.register("job", param_schema, version="3", **OPTIONS)
    shown = show(api, "job")
    assert shown["id"] == registered["id"]
    assert (shown["name"], shown["version"]) == ("job", "3")
    assert shown["param_schema"] == param_schema
    assert shown["is_active"] is True
    assert shown["is_paused"] is False
    assert {name: shown[name] for name in OPTIONS} == OPTIONS
    assert TIME.fullmatch(shown["created_at"])
    assert TIME.fullmatch(shown["updated_at"])


def test_settings_that_were_not_given(api: Api) -> None:
    api.register("job")
    shown = show(api, "job")
    assert {name: shown[name] for name in OPTIONS} == dict.fromkeys(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_settings_stay_or_go_back(api: Api, option: str) -> None:
    """Not given, a setting stays; null gives it back to the server."""
    api.register("job", **OPTIONS)
    api.register("job", version="2")
    assert show(api, "job")[option] == OPTIONS[option]
    api.register("job", **{option: None})
    shown = show(api, "job")
    assert {name for name in OPTIONS if shown[name] is None} == {option}


@pytest.mark.parametrize("dedupe", ["forever", "active", 60, 0.5, False])
def test_scopes_of_dedupe(api: Api, dedupe: Any) -> None:
    api.register("job", dedupe=dedupe)
    shown = show(api, "job")["dedupe"]
    assert shown == dedupe
    assert type(shown) is type(dedupe)


@pytest.mark.parametrize("name", NAMES)
def test_names(api: Api, name: str) -> None:
    api.register(name)
    assert show(api, name)["name"] == name
    assert switch(api, name, "pause")["is_paused"] is True
    assert switch(api, name, "resume")["is_paused"] is False
    task = api.create(name)
    assert api.task(task["id"])["type"] == name
    assert api.claim(task_type_id=show(api, name)["id"])["type"] == name


def test_names_are_compared_exactly(api: Api) -> None:
    names = ["job", "Job", "JOB", "jöb", "job.", "jo_", "jo%"]
    ids = {api.register(name)["id"] for name in names}
    assert len(ids) == len(names)
    for name in names:
        assert show(api, name)["name"] == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 256, " a", "a ", "a\x00b", "a\nb", "a\tb", "\x7f", "a\u2028b", "a\x85b"],
)
def test_impossible_names(api: Api, name: str) -> None:
    with api.unchanged():
        response = api.post("/task-types/register", body(name=name))
    assert response.code == "validation_failed"
    assert response.paths == ["name"]


@pytest.mark.parametrize(("version", "fits"), [("1", True), ("v" * 50, True), ("v" * 51, False)])
def test_versions(api: Api, version: str, fits: bool) -> None:
    response = api.post("/task-types/register", body(version=version))
    assert response.status == (201 if fits else 400)


def test_what_must_be_given(api: Api) -> None:
    response = api.post("/task-types/register", {})
    assert response.code == "validation_failed"
    assert sorted(response.paths) == ["name", "param_schema", "version"]


def test_switches(api: Api) -> None:
    api.register("job")
    assert switch(api, "job", "deactivate")["is_active"] is False
    assert switch(api, "job", "deactivate")["is_active"] is False
    assert switch(api, "job", "pause")["is_paused"] is True
    shown = show(api, "job")
    assert (shown["is_active"], shown["is_paused"]) == (False, True)
    assert switch(api, "job", "activate")["is_active"] is True
    assert show(api, "job")["is_paused"] is True
    assert switch(api, "job", "resume")["is_paused"] is False


def test_a_switch_turns_one_type_only(api: Api) -> None:
    api.register("jo_")
    api.register("job")
    switch(api, "jo_", "pause")
    assert show(api, "job")["is_paused"] is False


def test_registering_reactivates(api: Api) -> None:
    api.register("job")
    switch(api, "job", "deactivate")
    switch(api, "job", "pause")
    api.register("job")
    shown = show(api, "job")
    assert shown["is_active"] is True
    assert shown["is_paused"] is True


def test_the_list(api: Api) -> None:
    for name in ("b", "c", "a"):
        api.register(name, priority=1)
    switch(api, "c", "deactivate")
    data = api.get("/task-types").data
    assert data["count"] == 3
    assert [each["name"] for each in data["task_types"]] == ["a", "b", "c"]
    assert data["task_types"][0] == show(api, "a")


def test_the_list_of_active_ones(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.register(name)
    switch(api, "b", "deactivate")
    switch(api, "c", "pause")
    data = api.get("/task-types", active_only="true").data
    assert data["count"] == 2
    assert [each["name"] for each in data["task_types"]] == ["a", "c"]
    assert api.get("/task-types", active_only="false").data["count"] == 3


def test_no_types_at_all(api: Api) -> None:
    assert api.get("/task-types").data == {"task_types": [], "count": 0}


@pytest.mark.parametrize("value", ["yes", "TRUE?", "2", "null"])
def test_active_only_is_true_or_false(api: Api, value: str) -> None:
    response = api.get("/task-types", active_only=value)
    assert response.code == "validation_failed"
    assert response.paths == ["active_only"]


@pytest.mark.parametrize("action", ["activate", "deactivate", "pause", "resume"])
def test_switching_an_unknown_type(api: Api, action: str) -> None:
    api.register("job")
    with api.unchanged():
        assert api.post(f"/task-types/no.such/{action}").code == "unknown_type"


def test_an_unknown_type(api: Api) -> None:
    response = api.get("/task-types/no.such")
    assert response.status == 404
    assert response.code == "unknown_type"
    assert "no.such" in response.error


def test_unknown_fields_are_named(api: Api) -> None:
    response = api.post("/task-types/register", body(max_atempts=5))
    assert response.status == 201
    assert response.warnings == ["unknown field 'max_atempts' was ignored"]
