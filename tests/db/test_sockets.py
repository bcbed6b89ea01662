"""Where a database server on this machine listens: what is looked at, in which order."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.db import sockets
from app.db.sockets import local_sockets


@pytest.fixture
def make(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """Makes a socket of this name. Nothing else is known: no file of this machine, no variable."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MYSQL_UNIX_PORT", raising=False)
    monkeypatch.setattr(sockets, "OPTION_FILES", ("~/.my.cnf", str(tmp_path / "etc.cnf")))
    monkeypatch.setattr(sockets, "USUAL", (str(tmp_path / "usual.sock"),))
    opened: list[socket.socket] = []

    def make_socket(name: str) -> str:
        path = tmp_path / name
        listening = socket.socket(socket.AF_UNIX)
        # A socket's path may have 107 characters.
        folder = os.open(tmp_path, os.O_RDONLY)
        try:
            listening.bind(f"/proc/self/fd/{folder}/{name}")
        finally:
            os.close(folder)
        opened.append(listening)
        return str(path)

    yield make_socket
    for each in opened:
        each.close()


def test_none_at_all(make: Callable[[str], str]) -> None:
    assert local_sockets() == []


def test_the_variable_then_the_account_then_the_machine_then_the_usual_places(
    make: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, machine, own, named = (make(f"{name}.sock") for name in ("usual", "etc", "own", "env"))
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={own}\n")
    (tmp_path / "etc.cnf").write_text(f"[client-server]\nsocket = {machine}\n")
    assert local_sockets() == [own, machine, usual]
    monkeypatch.setenv("MYSQL_UNIX_PORT", named)
    assert local_sockets() == [named, own, machine, usual]


def test_each_is_tried_once(
    make: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = make("usual.sock")
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={usual}\n")
    monkeypatch.setenv("MYSQL_UNIX_PORT", usual)
    assert local_sockets() == [usual]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[client]\nuser=x\nsocket={}\npassword=y\n", True),
        ("[client]\n  socket\t=  {}  \n", True),
        ('[client]\nsocket="{}"\n', True),
        ("[client]\nsocket='{}'\n", True),
        ("[client]\r\nsocket={}\r\n", True),
        ("[client]\nsocket={} # the panel's\n", True),
        ("[client]\nsocket='{}' # the panel's\n", True),
        ("[mysqld]\nsocket=/no/such\n[client]\nsocket={}\n", True),
        ("[ client ]\nsocket={}\n", True),
        ("[mysqld]\nsocket={}\n", False),
        ("[client]\n[mysqldump]\nsocket={}\n", False),
        ("socket={}\n", False),
        ("[client]\n#socket={}\n;socket={}\n", False),
        ("[client]\nsockets={}\nsocket\n", False),
        ("[client]\nsocket={}.old\n", False),
        ("", False),
    ],
)
def test_what_option_files_say(
    make: Callable[[str], str], tmp_path: Path, text: str, found: bool
) -> None:
    own = make("own.sock")
    (tmp_path / ".my.cnf").write_bytes(text.replace("{}", own).encode() + b"# \xff\n")
    assert local_sockets() == ([own] if found else [])


def test_what_is_no_socket_is_left_alone(make: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "usual.sock").write_text("a file")
    assert local_sockets() == []


def test_a_link_to_a_socket_will_do(make: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "usual.sock").symlink_to(make("elsewhere.sock"))
    assert local_sockets() == [str(tmp_path / "usual.sock")]


def test_no_password_goes_to_another_person(
    make: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes a socket in /tmp may be anybody."""
    usual = make("usual.sock")
    monkeypatch.setattr(sockets, "SYSTEM_USERS", 0)
    assert local_sockets() == [usual]
    monkeypatch.setattr(os, "getuid", lambda: os.stat(usual).st_uid + 1)
    assert local_sockets() == []


def test_a_folder_that_cannot_be_read(make: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / ".my.cnf").mkdir()
    usual = make("usual.sock")
    assert local_sockets() == [usual]
