"""Which types a claimer gets: by pattern, by names, by id, and by all of them together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api

TYPES = [
    "email.send",
    "email_send",
    "emailXsend",
    "Email.send",
    "email.send.bulk",
    "50%",
    "50x",
    "back\\slash",
    "größe.ändern",
    'it\'s "quoted"',
    "🎉.party",
]

PATTERNS: dict[str, set[str]] = {
    "%": set(TYPES),
    "email.%": {"email.send", "email.send.bulk"},
    "email.send": {"email.send"},
    "email%": {"email.send", "email_send", "emailXsend", "email.send.bulk"},
    "email_send": {"email.send", "email_send", "emailXsend"},
    "email\\_send": {"email_send"},
    "%send": {"email.send", "email_send", "emailXsend", "Email.send"},
    "%.send%": {"email.send", "Email.send", "email.send.bulk"},
    "EMAIL%": set(),
    "_mail.send": {"email.send", "Email.send"},
    "50%": {"50%", "50x"},
    "50\\%": {"50%"},
    "50_": {"50%", "50x"},
    "back\\\\slash": {"back\\slash"},
    "gr__e.%": {"größe.ändern"},
    "%ändern": {"größe.ändern"},
    "it's%": {'it\'s "quoted"'},
    '%"quoted"': {'it\'s "quoted"'},
    "_.party": {"🎉.party"},
    "🎉%": {"🎉.party"},
    "no.such.type": set(),
    "%' OR '1'='1": set(),
    "___": {"50%", "50x"},
}


def one_task_each(api: Api, names: list[str]) -> dict[str, int]:
    """Types by these names, with a task each: the type's id by its name."""
    ids = {name: int(api.register(name)["id"]) for name in names}
    for name in names:
        api.create(name)
    return ids


def claimed_types(api: Api, **options: Any) -> list[str]:
    return [task["type"] for task in api.claim(limit=100, **options)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_type_pattern(api: Api, pattern: str) -> None:
    one_task_each(api, TYPES)
    claimed = claimed_types(api, type_pattern=pattern)
    assert set(claimed) == PATTERNS[pattern]
    assert len(claimed) == len(PATTERNS[pattern])


@pytest.mark.parametrize("pattern", ["email.%", "no.such%"])
def test_type_pattern_without_a_limit(api: Api, pattern: str) -> None:
    one_task_each(api, ["other", "email.send"])
    task = api.claim(type_pattern=pattern)
    assert (task and task["type"]) == ("email.send" if PATTERNS.get(pattern) else None)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b"], ["b"]),
        (["c", "a"], ["a", "c"]),
        (["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        (["a", "a"], ["a"]),
        ("b", ["b"]),
        ("c,a", ["a", "c"]),
        (" c , a ,", ["a", "c"]),
        (["A"], []),
        (["a%"], []),
        (["' OR '1'='1"], []),
        ([], []),
    ],
)
def test_task_types(api: Api, names: Any, expected: list[str]) -> None:
    one_task_each(api, ["a", "b", "c", "d"])
    assert claimed_types(api, task_types=names) == expected


def test_task_type_id(api: Api) -> None:
    ids = one_task_each(api, ["a", "b"])
    assert claimed_types(api, task_type_id=ids["b"]) == ["b"]
    assert claimed_types(api, task_type_id=2**62) == []


@pytest.mark.parametrize(
    ("pattern", "names", "of_id", "expected"),
    [
        ("mail.%", ["mail.send", "video.cut"], None, ["mail.send"]),
        ("mail.%", ["video.cut"], None, []),
        ("mail.%", None, "mail.send", ["mail.send"]),
        ("mail.%", None, "video.cut", []),
        (None, ["mail.send", "video.cut"], "video.cut", ["video.cut"]),
        ("%", ["mail.send", "mail.read"], "mail.read", ["mail.read"]),
    ],
)
def test_a_task_passes_every_filter(
    api: Api, pattern: Any, names: Any, of_id: str | None, expected: list[str]
) -> None:
    ids = one_task_each(api, ["mail.send", "mail.read", "video.cut"])
    of_id_option = None if of_id is None else ids[of_id]
    claimed = claimed_types(api, type_pattern=pattern, task_types=names, task_type_id=of_id_option)
    assert claimed == expected


def test_a_filter_meets_more_types_than_one_look_takes(api: Api) -> None:
    names = [f"type.{number:03}" for number in range(60)]
    one_task_each(api, names)
    assert claimed_types(api, type_pattern="type.%") == names


def test_paused_types_are_left_out_of_every_filter(api: Api) -> None:
    one_task_each(api, ["a", "b"])
    api.post("/task-types/a/pause")
    assert api.claim(task_types=["a"]) is None
    assert claimed_types(api, type_pattern="%") == ["b"]


def test_an_unknown_name_is_warned_of(api: Api) -> None:
    one_task_each(api, ["a"])
    response = api.post("/tasks/claim", {"worker_id": "w", "limit": 5, "task_types": ["a", "tpyo"]})
    assert response.data["count"] == 1
    assert len(response.warnings) == 1
    assert "'tpyo'" in response.warnings[0]


def test_an_unknown_name_is_warned_of_when_there_is_nothing_to_do(api: Api) -> None:
    response = api.post("/tasks/claim", {"worker_id": "w", "task_types": "tpyo"})
    assert response.code == "no_tasks"
    assert len(response.warnings) == 1
    assert "'tpyo'" in response.warnings[0]


def test_a_known_name_is_not_warned_of(api: Api) -> None:
    one_task_each(api, ["a.one", "b.two"])
    options = {"worker_id": "w", "limit": 5, "task_types": ["a.one", "b.two"]}
    assert api.post("/tasks/claim", options).warnings == []
    assert api.post("/tasks/claim", {**options, "type_pattern": "a.%"}).warnings == []
    api.post("/task-types/a.one/pause")
    assert api.post("/tasks/claim", options).warnings == []
