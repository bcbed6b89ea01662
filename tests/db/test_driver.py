"""PyMySQL with stand-ins for modules that it seldom needs: what they do when they are needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from app import hashes
from app.db.driver import LaterHashes, LaterPatterns
from tests.support.server import PROJECT

DATA = "żółć".encode()


def run_alone(program: str, *arguments: str) -> str:
    """What a program prints in a process that has loaded nothing before."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", hashes.MODULES)
def test_hashes_are_those_of_hashlib(name: str) -> None:
    expected = hashlib.new(name, DATA).hexdigest()
    later = LaterHashes("hashlib")
    assert hashes.constructor(name)(DATA).hexdigest() == expected
    assert later.new(name, DATA).hexdigest() == expected
    assert getattr(later, name)(DATA).hexdigest() == expected
    in_parts = later.new(name)
    in_parts.update(DATA)
    assert in_parts.hexdigest() == expected


@pytest.mark.parametrize("name", hashes.MODULES)
def test_hashes_of_a_python_that_has_none_of_its_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_constructors", {})
    for module in hashes.MODULES[name]:
        monkeypatch.setitem(sys.modules, module, None)
    assert hashes.constructor(name) is getattr(hashlib, name)


def test_other_hashes_are_hashlibs() -> None:
    later = LaterHashes("hashlib")
    assert later.new("md5", DATA).hexdigest() == hashlib.md5(DATA).hexdigest()
    assert later.sha3_256 is hashlib.sha3_256


def test_a_pattern_is_compiled_when_it_is_used() -> None:
    later = LaterPatterns("re")
    pattern = later.compile(r"\s*(values)\s*", later.IGNORECASE)
    assert pattern.match(" VALUES ")[1] == "VALUES"
    assert pattern.pattern == r"\s*(values)\s*"


def test_modules_are_themselves_again() -> None:
    names = "decimal, getpass, hashlib, re, selectors, ssl, traceback, warnings"
    program = f"from app.db import driver; import {names}; print({names})"
    printed = run_alone(program)
    assert printed.count("<module ") == 8
    assert printed.count(" from ") == 8  # the path of a real one; a stand-in has none


def test_numbers_of_the_driver_are_decimals_for_everybody_else() -> None:
    program = (
        "from app.db.driver import FIELD_TYPE, conversions; from decimal import Decimal;"
        "print(repr(conversions[FIELD_TYPE.NEWDECIMAL]('1.50')))"
    )
    assert run_alone(program) == "Decimal('1.50')"


def test_option_files_can_be_read(tmp_path: Path) -> None:
    """As the driver's ``read_default_file`` does."""
    file = tmp_path / "my.cnf"
    file.write_text("[client]\nuser = 'tm'\n", "utf-8")
    program = (
        "import sys; from app.db.driver import pymysql;"
        "print(pymysql.connect(read_default_file=sys.argv[1], defer_connect=True).user)"
    )
    assert run_alone(program, str(file)) == "tm"


def test_a_driver_that_was_loaded_before_stays_as_it_is() -> None:
    program = (
        "import pymysql, ssl; from app.db import driver;"
        "print(driver.pymysql is pymysql, pymysql.connections.ssl is ssl)"
    )
    assert run_alone(program) == "True True"
