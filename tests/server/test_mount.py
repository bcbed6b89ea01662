"""What servers make of an address, put right."""

from __future__ import annotations

import pytest

from app.server.mount import correct_for_cgi, correct_for_passenger


def _corrected(address: str, script: str, path: str | None) -> tuple[str, str]:
    environ = {"REQUEST_URI": address, "SCRIPT_NAME": script}
    if path is not None:
        environ["PATH_INFO"] = path
    correct_for_cgi(environ)
    return environ["SCRIPT_NAME"], environ.get("PATH_INFO", "")


@pytest.mark.parametrize("path", ["/api/tasks", None, ""])
@pytest.mark.parametrize("folder", ["", "/queue", "/~user/my queue"])
def test_the_programs_name_is_dropped_where_the_address_has_none(
    folder: str, path: str | None
) -> None:
    address = f"{folder}/api/tasks?limit=5".replace(" ", "%20")
    assert _corrected(address, f"{folder}/index.cgi", path) == (folder, "/api/tasks")


@pytest.mark.parametrize("folder", ["", "/queue"])
def test_the_programs_name_stays_where_the_address_has_it(folder: str) -> None:
    script = f"{folder}/index.cgi"
    assert _corrected(f"{script}/api/health?x", script, "/api/health") == (script, "/api/health")
    assert _corrected(script, script, None) == (script, "")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/queue/", "/"),
        ("/queue/a%20b%25", "/a b%"),
        ("/queue/gr%C3%B6%C3%9Fe", "/größe".encode().decode("latin-1")),
        ("//queue//api///tasks/", "/api/tasks/"),
        ("/queue/./api/x/../tasks", "/api/tasks"),
        ("/queue/../../queue/api", "/api"),
        ("/queue/index.cgi/../api", "/api"),
        ("/queue/api%2e%2e", "/api.."),
        ("/queue/%2e%2e/queue/api", "/api"),
        ("http://host.example/queue/api?u=http://x/", "/api"),
        ("/queue/index.cgix", "/index.cgix"),
    ],
)
def test_the_path_is_read_from_the_address(address: str, path: str) -> None:
    assert _corrected(address, "/queue/index.cgi", None) == ("/queue", path)


def test_a_folder_that_the_address_does_not_show_is_not_part_of_it() -> None:
    for path in ("/api/tasks", None):
        seen = _corrected("/api/tasks", "/sites/queue/index.cgi", path)
        assert seen == ("", "/api/tasks")


def test_without_an_address_nothing_is_changed() -> None:
    environ = {"SCRIPT_NAME": "/queue", "PATH_INFO": "/api/tasks"}
    correct_for_cgi(environ)
    assert environ == {"SCRIPT_NAME": "/queue", "PATH_INFO": "/api/tasks"}


def test_passenger_leaves_the_path_encoded() -> None:
    environ = {"PATH_INFO": "/task-types/50%2525%C3%B6"}
    correct_for_passenger(environ)
    assert environ == {"PATH_INFO": "/task-types/50%25" + "ö".encode().decode("latin-1")}
    environ = {"PATH_INFO": "/tasks", "HTTP_TRANSFER_ENCODING": "chunked"}
    correct_for_passenger(environ)
    assert environ["wsgi.input_terminated"]
