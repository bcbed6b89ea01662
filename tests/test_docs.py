"""The documents: their links lead somewhere, the files they name exist, and what they say to type
works.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

from app import config
from app.db import Database
from app.db.tables import Base
from app.db.url import parse
from tests.support.server import PROJECT

PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
FOLDERS = "app|bench|docs|examples|tests"
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return CODE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The names by which links reach the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(other), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it tells of what was
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", prose(page)):
        assert (PROJECT / name).exists(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_are_run_exist(page: Path) -> None:
    """`python -m bench.cold` and its like."""
    for name in re.findall(r"-m ((?:app|bench|tests)\b[\w.]*)", page.read_text("utf-8")):
        path = PROJECT / name.replace(".", "/")
        found = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        assert found, f"{page.name} runs {name}"


@pytest.mark.parametrize("setting", list(config.SETTINGS))
def test_every_setting_is_explained_where_it_matters(setting: str) -> None:
    """config.example.py has each of them with its default: tests/test_config.py."""
    named = [page.name for page in PAGES if re.search(rf"\b{setting}\b", page.read_text("utf-8"))]
    assert set(named) - {"CHANGELOG.md", "guides.md"}, f"no page of docs/ names {setting}"


def test_the_readme_leads_to_every_page() -> None:
    links = set(re.findall(r"\]\(([^)\s#]+)\)", (PROJECT / "README.md").read_text("utf-8")))
    assert {str(page.relative_to(PROJECT)) for page in PAGES} - links == {"README.md"}


@pytest.mark.parametrize("page", ["docs/operations.md", "docs/reliability.md"])
def test_a_live_sqlite_file_is_copied_whole(page: str, tmp_path: Path) -> None:
    text = (PROJECT / page).read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if "data/queue" in line]
    assert len(commands) > 1
    (tmp_path / "data").mkdir()
    database = Database(parse("sqlite:///data/queue.sqlite3", str(tmp_path)))

    def add(name: str) -> None:
        values = {"name": name}
        database.run(lambda queue: queue.query("INSERT INTO settings VALUES (:name, '')", values))

    for number, command in enumerate(commands):
        add(f"row {number}")
        before = set(tmp_path.iterdir())
        subprocess.run(command, shell=True, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
        (copy,) = set(tmp_path.iterdir()) - before
        query = "SELECT COUNT(*) FROM settings WHERE name LIKE 'row %'"
        assert sqlite3.connect(copy).execute(query).fetchone() == (number + 1,)
    database.close()


def test_uninstalling_drops_every_table() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    dropped = re.search(r"DROP TABLE IF EXISTS([\w\s,]+);", text)
    assert dropped
    assert re.findall(r"\w+", dropped[1]) == sorted(Base.metadata.tables)
