"""``flask`` commands, and the files that they make."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy

from app.db import ddl, prefix
from app.version import SCHEMA_VERSION
from tests.support.mariadb import MariaDB
from tests.support.programs import environment, run_flask
from tests.support.server import PROJECT


def _tables(url: str) -> list[str]:
    engine = sqlalchemy.create_engine(url)
    try:
        return sorted(set(sqlalchemy.inspect(engine).get_table_names()) - {"sqlite_sequence"})
    finally:
        engine.dispose()


def _described(mariadb: MariaDB, database: str) -> str:
    return mariadb.client(
        "SELECT table_name, column_name, column_type, is_nullable, collation_name "
        f"FROM information_schema.columns WHERE table_schema = '{database}' ORDER BY 1, 2;"
        "SELECT table_name, index_name, seq_in_index, column_name, non_unique "
        f"FROM information_schema.statistics WHERE table_schema = '{database}' ORDER BY 1, 2, 3;"
        "SELECT table_name, engine, row_format, table_collation "
        f"FROM information_schema.tables WHERE table_schema = '{database}' ORDER BY 1;"
    )


def test_init_db_makes_the_tables_and_may_be_run_again(mariadb: MariaDB, tmp_path: Path) -> None:
    for url in (mariadb.create_database("tm_init"), f"sqlite:///{tmp_path}/init.sqlite3"):
        for _ in range(2):
            done = run_flask("init-db", env=environment(url))
            assert (done.returncode, done.stderr) == (0, "")
        assert _tables(url) == sorted(prefix.TABLES)


def test_commands_say_that_the_key_is_short(tmp_path: Path) -> None:
    env = environment(f"sqlite:///{tmp_path}/q.sqlite3", TASKMANAGER_API_KEY="k" * 8)
    done = run_flask("init-db", env=env)
    assert done.returncode == 0
    assert done.stderr.count("API_KEY has 8 characters, and 24 or more are safe") == 1
    assert "kkkk" not in done.stderr


def test_init_db_makes_what_schema_sql_makes(mariadb: MariaDB) -> None:
    run_flask("init-db", env=environment(mariadb.create_database("tm_init")))
    mariadb.create_database("tm_import")
    for _ in range(2):
        mariadb.client((PROJECT / "schema.sql").read_text("utf-8"), "tm_import")
    assert _described(mariadb, "tm_init") == _described(mariadb, "tm_import")
    versions = [mariadb.client("SELECT * FROM settings", name) for name in ("tm_init", "tm_import")]
    assert versions == [f"schema_version\t{SCHEMA_VERSION}\n"] * 2


def test_init_db_on_a_database_that_refuses_says_why(mariadb: MariaDB) -> None:
    wrong = mariadb.url("tm_init").replace("tm_tester", "tm_stranger")
    done = run_flask("init-db", env=environment(wrong))
    assert done.returncode == 1
    assert "the database refuses the user name or password" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_schema_files_are_what_the_models_say() -> None:
    assert (PROJECT / "schema.sql").read_text("utf-8") == ddl.mysql_script()
    assert (PROJECT / "app" / "db" / "sqlite.sql").read_text("utf-8") == ddl.sqlite_script()
