"""``flask backup`` and ``flask restore``."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from typing import TYPE_CHECKING

import click

from app.cli.commands import command, current_site
from app.cli.drafts import draft_in
from app.cli.files import InputFile, is_gzip, new_file, overwrite_option, reading, writing
from app.cli.output import confirm, progress, yes_option
from app.wording import counted, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db.backup.restore import Restore

DUMPS = (".jsonl", ".jsonl.gz")


@command("backup")
@click.argument("file")
@overwrite_option
def backup(file: str, overwrite: bool) -> None:
    """Copy the queue into FILE while everything runs.

    The copy is complete and of one moment. A SQLite queue becomes a SQLite file. A name that ends
    in .jsonl makes a dump as JSON lines instead, as every backup of MySQL and MariaDB is. A dump
    can be restored on either engine. A name that ends in .gz is compressed. Use - to write a dump
    to standard output.
    """
    url = current_site().settings.database
    if url.engine == "sqlite" and file != "-" and not file.endswith(DUMPS):
        current_site().db.prepare()
        _copy_sqlite(url.path, file, overwrite)
        told = "the whole queue"
    else:
        told = counted(_dump(file, overwrite), "row")
    where = "" if file == "-" else f" to {file} ({size(os.path.getsize(file))})"
    click.echo(f"Backed up {told}{where}", err=file == "-")


@command("restore")
@click.argument("file")
@click.option("--replace", is_flag=True, help="Delete what the database holds first.")
@yes_option
def restore(file: str, replace: bool, yes: bool) -> None:
    """Bring back the queue from the backup in FILE.

    Stop workers and calls first. The database must be empty, unless --replace is given. After an
    interruption run it again: it starts over. Use - to read a dump from standard input.
    """
    from app.db.backup.restore import NotEmpty, Restore, described
    from app.install.migrate import migrate

    url = current_site().settings.database
    migrate(url)
    target = Restore(url)
    try:
        found = target.rows_found()
        if found and not replace:
            raise NotEmpty(
                f"the database is not empty: {described(found)}. Use an empty one, or add "
                "--replace to delete what it holds"
            )
        if found:
            confirm(f"Delete what the database holds: {described(found)}?", yes)
        told = _restore(file, target)
    finally:
        target.close()
    migrate(url)  # an older backup has older tables
    click.echo(f"Restored {told}")


def _dump(file: str, overwrite: bool) -> int:
    from app.db.backup.dump import dump
    from app.db.backup.snapshot import Snapshot

    snapshot = Snapshot(current_site().settings.database)
    try:
        total = sum(snapshot.count(table) for table in snapshot.tables())
        with writing(file, overwrite) as out, progress(total, "backing up") as advance:
            return sum(dump(snapshot, out.write, advance).values())
    finally:
        snapshot.close()


def _copy_sqlite(path: str, file: str, overwrite: bool) -> None:
    from app.db.backup.sqlite_copy import back_up

    with new_file(file, overwrite) as draft:
        with _pages("backing up") as told:
            back_up(path, draft, told)
        if is_gzip(file):
            _compress(draft)


def _restore(file: str, target: Restore) -> str:
    from app.db.backup.dump_reader import BadBackup, DumpReader
    from app.db.backup.sqlite_copy import MAGIC

    url = current_site().settings.database
    with reading(file) as source:
        if file != "-" and _begins_with(source, MAGIC):
            if url.engine != "sqlite":
                raise BadBackup(
                    f"{file} is a copy of a SQLite file, and this queue is on MySQL: where it was "
                    "made, back up to a name that ends in .jsonl, and restore that"
                )
            _restore_sqlite(source, file, url.path)
            return "the whole queue"
        with progress(source.size, "restoring", show_position=False) as advance:
            position = 0

            def move_on() -> None:
                nonlocal position
                advance(source.position - position)
                position = source.position

            return counted(target.run(DumpReader(source.file), move_on), "row")


def _restore_sqlite(source: InputFile, file: str, path: str) -> None:
    from app.db.backup.sqlite_copy import restore as restore_copy

    if not is_gzip(file):
        with _pages("restoring") as told:
            restore_copy(file, path, told)
        return
    with draft_in(os.path.dirname(os.path.abspath(path))) as unpacked:
        with open(unpacked, "xb") as out:
            shutil.copyfileobj(source.file, out)
        with _pages("restoring") as told:
            restore_copy(unpacked, path, told)


def _begins_with(source: InputFile, magic: bytes) -> bool:
    found = source.file.read(len(magic))
    source.file.seek(0)
    return found == magic


def _compress(path: str) -> None:
    packed = f"{path}.gz"
    try:
        with open(path, "rb") as file, gzip.open(packed, "wb", compresslevel=6) as out:
            os.chmod(packed, 0o600)
            shutil.copyfileobj(file, out)
        os.replace(packed, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(packed)
        raise


@contextlib.contextmanager
def _pages(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar that is told how many pages are left, and of how many."""
    with progress(100, label, show_position=False) as advance:
        shown = 0

        def tell(left: int, total: int) -> None:
            nonlocal shown
            done = 100 * (total - left) // max(total, 1)
            advance(done - shown)
            shown = done

        yield tell
