"""``flask backup`` and ``restore``: there and back on each engine, also while others write."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.db.backup import dump_reader, restore, snapshot, sqlite_copy
from app.db.backup.dump import dump
from app.db.backup.dump_reader import BadBackup, DumpReader
from app.db.backup.layout import TABLES
from app.db.backup.snapshot import Snapshot
from app.install.migrate import migrate
from app.queue import sessions
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.sessions import Person
from app.queue.settle import Completion, Failure, settle
from app.site import Site
from tests.cli.runner import Commands
from tests.install import databases
from tests.support import disk
from tests.support.mariadb import DatabaseServer
from tests.support.programs import environment, run_flask
from tests.support.queue import register, site_at
from tests.support.server import PROJECT

NAMES = {"sqlite": ["all.sqlite3", "all.sqlite3.gz", "all.jsonl", "all.jsonl.gz"]}
NAMES["mariadb"] = ["all.jsonl", "all.jsonl.gz"]
NAMES_BY_ENGINE = [(engine, name) for engine, names in NAMES.items() for name in names]


def fill(site: Site) -> None:
    """Tasks in every state, with what may be difficult to write down."""
    register(site, "mail", description='It\'s \\ "quoted",\nin two lines 💥 :name %s')
    register(site, "sms", retry_delay=0.1, dedupe="active")
    tasks = [NewTask("mail", {"n": n, "text": "ü\u2028'💥"}, tags=["a", "ü"]) for n in range(30)]
    create(site, [*tasks, NewTask("sms", {}, run_at="2040-01-31 12:00:00.123", timeout=0.1)])
    first, second, *_ = claim(site, ClaimRequest("w-ü", 5)).tasks
    settle(
        site,
        [
            Completion(LeaseRef(first["id"], "w-ü", 1), '{"r": 1e-7}'),
            Failure(LeaseRef(second["id"], "w-ü", 1), "no\nroute", "T", retry=False),
        ],
    )


def content(site: Site) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {
        name: site.db.run(
            lambda connection, name=name, key=layout.primary_key: connection.query(  # type: ignore[misc]
                f"SELECT * FROM {name} ORDER BY {', '.join(key)}", {}
            )
        )
        for name, layout in TABLES.items()
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    disk.mount(folder, 1)
    yield folder
    disk.unmount(folder)


@pytest.mark.parametrize(("engine", "name"), NAMES_BY_ENGINE, indirect=["engine"])
def test_there_and_back(site: Site, emptied: Site, name: str, tmp_path: Path) -> None:
    fill(site)
    file = tmp_path / name
    told = Commands(site).output("backup", str(file))
    assert told.startswith("Backed up ")
    assert file.stat().st_mode & 0o777 == 0o600
    assert Commands(emptied).output("restore", str(file)).startswith("Restored ")
    assert content(emptied) == content(site)
    assert not [each for each in os.listdir(tmp_path) if each.startswith(".ht-")]
    (claimed,) = claim(emptied, ClaimRequest("after")).tasks
    assert claimed["type"] == "mail"


@pytest.mark.parametrize(("engine", "name"), NAMES_BY_ENGINE, indirect=["engine"])
def test_a_restore_signs_everybody_out(
    site: Site, emptied: Site, name: str, tmp_path: Path
) -> None:
    """Whoever signed out after the backup was made stays signed out."""
    migrate(emptied.settings.database)
    old, new = (sessions.open_session(each, Person("admin", "admin")) for each in (site, emptied))
    Commands(site).output("backup", str(tmp_path / name))
    Commands(emptied).output("restore", "--replace", "--yes", str(tmp_path / name))
    assert sessions.find(emptied, old) is sessions.find(emptied, new) is None
    assert sessions.find(site, old) is not None


def test_a_dump_moves_to_the_other_engine(
    site: Site, engine: str, tmp_path: Path, mariadb: DatabaseServer
) -> None:
    fill(site)
    dumped = Commands(site).run("backup", "-")
    assert dumped.stderr.startswith("Backed up ")
    other = f"sqlite:///{tmp_path}/other.sqlite3"
    if engine == "sqlite":
        other = mariadb.create_database("tm_other")
    elsewhere = site_at(other)
    told = Commands(elsewhere).output("restore", "-", stdin=dumped.stdout)
    assert told == dumped.stderr.replace("Backed up", "Restored")
    assert content(elsewhere) == content(site)
    elsewhere.db.close()


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_tables_with_a_prefix(site: Site, mariadb: DatabaseServer, tmp_path: Path) -> None:
    prefixed = site_at(mariadb.create_database("tm_restored"), TABLE_PREFIX="tm_")
    migrate(prefixed.settings.database)
    fill(prefixed)
    Commands(prefixed).output("backup", str(tmp_path / "all.jsonl"))
    Commands(site).output("restore", str(tmp_path / "all.jsonl"))
    assert content(site) == content(prefixed)
    back = Commands(prefixed)
    assert "--replace" in back.error("restore", str(tmp_path / "all.jsonl"))
    back.output("restore", "--replace", "--yes", str(tmp_path / "all.jsonl"))
    assert content(site) == content(prefixed)
    prefixed.db.close()


def test_a_dump_is_of_one_moment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others make while it is written is not in it, in whole and in part."""
    monkeypatch.setattr(snapshot, "PAGE", 3)
    fill(site)
    before = content(site)
    lines: list[bytes] = []
    made = []

    def make_another(_: int) -> None:
        made.extend(create(site, [NewTask("mail", {}, dedupe=False, tags=["a"])]))

    view = Snapshot(site.settings.database)
    with Commands(site).context():
        counts = dump(view, lines.append, make_another)
    view.close()
    assert len(made) > 10
    assert counts == {name: len(rows) for name, rows in before.items()}
    dumped: dict[str, list[dict[str, Any]]] = {name: [] for name in before}
    for rows in DumpReader(io.BytesIO(b"".join(lines))):
        dumped[rows.table] += [dict(zip(rows.columns, row)) for row in rows.values]
    assert dumped == before


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_copy_is_of_one_moment(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copy, "PAGES_AT_ONCE", 5)
    fill(site)
    total = len(content(site)["tasks"])
    steps = []

    def make_another(left: int, _: int) -> None:
        create(site, [NewTask("mail", {}, dedupe=False)])
        steps.append(left)

    target = tmp_path / "copy.sqlite3"
    sqlite_copy.back_up(site.settings.database.path, str(target), make_another)
    assert steps == sorted(steps, reverse=True)  # it never began again
    assert len(steps) > 3
    assert sqlite3.connect(target).execute("SELECT COUNT(*) FROM tasks").fetchone() == (total,)
    assert len(content(site)["tasks"]) == total + len(steps)


WRITER = """
import sys
from app.config import from_values
from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
site = Site(from_values({"DATABASE_URL": sys.argv[1]}))
print("ready", flush=True)
while True:
    create(site, [NewTask("mail", {}, dedupe=False, tags=["t"]) for _ in range(20)])
"""


def test_a_backup_while_others_write(
    site: Site, emptied_url: str, database_url: str, tmp_path: Path
) -> None:
    """Each create makes twenty tasks with a line of history and a tag each, or none of it."""
    fill(site)
    before = {name: len(rows) for name, rows in content(site).items()}
    command = [sys.executable, "-c", WRITER, database_url]
    writer = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        while len(content(site)["tasks"]) < 500:
            pass
        file = tmp_path / "backup.gz"
        done = run_flask("backup", str(file), env=environment(database_url))
        assert (done.returncode, done.stderr) == (0, "")
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    done = run_flask("restore", str(file), env=environment(emptied_url))
    assert (done.returncode, done.stderr) == (0, "")
    restored = site_at(emptied_url)
    after = {name: len(rows) for name, rows in content(restored).items()}
    restored.db.close()
    new = after["tasks"] - before["tasks"]
    assert new >= 400
    assert new % 20 == 0
    assert after["task_history"] - before["task_history"] == new
    assert after["task_tags"] - before["task_tags"] == new


def test_a_database_that_is_not_empty_is_left_alone(
    site: Site, commands: Commands, tmp_path: Path
) -> None:
    fill(site)
    file = tmp_path / "all.jsonl"
    commands.output("backup", str(file))
    before = content(site)
    told = commands.error("restore", str(file))
    assert "the database is not empty: " in told
    assert "task_types (2 rows), tasks (31 rows)" in told
    assert told.endswith("Use an empty one, or add --replace to delete what it holds")
    assert commands.error("restore", str(file), "--replace", code=2).endswith("add --yes")
    assert content(site) == before
    create(site, [NewTask("mail", {"later": True})])
    commands.output("restore", str(file), "--replace", "--yes")
    assert content(site) == before


def test_an_interrupted_restore_is_begun_again(
    site: Site, emptied: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(site)
    file = tmp_path / "all.jsonl"
    Commands(site).output("backup", str(file))
    whole = file.read_bytes()
    monkeypatch.setattr(dump_reader, "MAX_VALUES", 80)
    monkeypatch.setattr(restore, "STATEMENTS_AT_ONCE", 1)
    file.write_bytes(whole[: len(whole) * 2 // 3])
    told = Commands(emptied).error("restore", str(file))
    assert told == "Error: the backup is not whole, its end is missing: copy the file again"
    assert content(emptied)["task_history"]
    file.write_bytes(whole)
    Commands(emptied).output("restore", str(file))
    assert content(emptied) == content(site)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "the file is no backup of TaskManager"),
        (b"hello\n", "the file is no backup of TaskManager, or it was changed"),
        (b'{"tasks": []}\n', "the file is no backup of TaskManager"),
        (b'{"taskmanager_backup": 1, "version": "9", "schema_version": 99}\n', "a newer TaskM"),
        (
            b'{"taskmanager_backup": 1, "version": "0", "schema_version": 4}\n'
            b'{"table": "users", "columns": ["id"]}\n',
            "holds a table or column that is not known (users)",
        ),
        (
            b'{"taskmanager_backup": 1, "version": "0", "schema_version": 4}\n'
            b'{"table": "tasks", "columns": ["id) VALUES (1); --"]}\n',
            "holds a table or column that is not known (tasks)",
        ),
        (
            b'{"taskmanager_backup": 1, "version": "0", "schema_version": 4}\n'
            b'{"table": "workers", "columns": ["id"]}\n["w"]\n{"end": {"workers": 2}}\n',
            "it does not have as many rows as it had",
        ),
    ],
)
def test_what_is_no_whole_backup_is_refused(text: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(text)
    with pytest.raises(BadBackup) as caught, file.open("rb") as opened:
        list(DumpReader(opened))
    assert told in str(caught.value)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_copy_that_is_damaged_is_refused(site: Site, commands: Commands, tmp_path: Path) -> None:
    fill(site)
    file = tmp_path / "copy.sqlite3"
    commands.output("backup", str(file))
    before = content(site)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    told = commands.error("restore", "--replace", "--yes", str(file))
    assert "damaged" in told
    with sqlite3.connect(file.with_suffix(".other")) as other:
        other.execute("CREATE TABLE things (id)")
    assert "no backup of TaskManager" in commands.error(
        "restore", "--replace", "--yes", str(file.with_suffix(".other"))
    )
    file.write_bytes(whole)
    with sqlite3.connect(file) as newer:
        newer.execute("UPDATE settings SET value = ? WHERE name = 'schema_version'", ("99",))
    assert "newer TaskManager" in commands.error("restore", "--replace", "--yes", str(file))
    assert content(site) == before


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_copy_of_a_sqlite_file_is_not_for_mysql(commands: Commands, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "copy.sqlite3") as other:
        other.execute("CREATE TABLE things (id)")
    told = commands.error("restore", str(tmp_path / "copy.sqlite3"))
    assert told.endswith("back up to a name that ends in .jsonl, and restore that")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_backup_of_older_tables(
    engine: str, emptied_url: str, version: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """They are dumped as they are, and upgraded by the restore."""
    script = databases.dump(engine, version)
    if engine == "sqlite":
        old = databases.make_sqlite(tmp_path / "old.sqlite3", script)
    else:
        old = databases.make_mariadb(request.getfixturevalue("mariadb"), "tm_old", script)
    before = databases.rows(old)
    site, emptied = site_at(old), site_at(emptied_url)
    Commands(site).output("backup", str(tmp_path / "old.jsonl"))
    assert databases.rows(old) == before
    Commands(emptied).output("restore", str(tmp_path / "old.jsonl"))
    migrate(site.settings.database)
    assert content(emptied) == content(site)
    site.db.close()
    emptied.db.close()


def test_existing_files_are_not_overwritten(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    commands.output("backup", str(file))
    assert commands.error("backup", str(file), code=2).endswith("or add --overwrite")
    commands.output("backup", "--overwrite", str(file))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", NAMES["sqlite"])
def test_a_full_disk_leaves_no_half_file(
    site: Site, commands: Commands, small_disk: Path, name: str
) -> None:
    register(site, "mail")
    create(site, [NewTask("mail", {"noise": os.urandom(1500).hex()}) for _ in range(900)])
    told = commands.error("backup", str(small_disk / name))
    assert "No space left on device" in told or "disk is full" in told
    assert list(small_disk.iterdir()) == []


def test_only_files_are_overwritten(commands: Commands, tmp_path: Path) -> None:
    """Not a device or a pipe, which others use; and a link stays a link."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for arguments in (["backup"], ["tasks", "export"]):
        told = commands.error(*arguments, str(pipe), "--overwrite", code=2)
        assert told == f"Error: {pipe} is not a file: name one, or - for standard output"
    assert pipe.is_fifo()
    link, file = tmp_path / "link.jsonl", tmp_path / "file.jsonl"
    file.write_text("old", "utf-8")
    link.symlink_to(file)
    commands.output("backup", str(link), "--overwrite")
    assert link.is_symlink()
    assert file.read_bytes().startswith(b'{"taskmanager_backup"')


@pytest.mark.parametrize("table", TABLES)
def test_each_page_begins_where_the_one_before_ended(site: Site, engine: str, table: str) -> None:
    """By the primary key, however many rows are before it."""
    site.db.prepare()
    key = TABLES[table].primary_key
    kind, explain, index = "sqlite", "EXPLAIN QUERY PLAN", ""
    if engine == "mariadb":
        kind, explain, index = "mysql", "EXPLAIN FORMAT=TRADITIONAL", site.db.dialect.by_primary_key
    sql = (
        f"{explain} SELECT * FROM {table} {index} WHERE {snapshot.after_key(key, kind)} "
        f"ORDER BY {', '.join(key)} LIMIT 200"
    )
    values = {f"key{n}": "1" for n in range(len(key))}
    (plan,) = site.db.run(lambda connection: connection.query(sql, values))
    assert plan.get("type") == "range" or plan.get("detail", "").startswith("SEARCH"), plan
