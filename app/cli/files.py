"""Files that commands read and write: "-" for the standard streams, gzip by the file's name.

A file that is written gets its name when it is complete, and only its owner may read it.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from typing import IO, TYPE_CHECKING

import click

from app.cli.drafts import draft_in

if TYPE_CHECKING:
    from collections.abc import Iterator

overwrite_option = click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")


def is_gzip(path: str) -> bool:
    return path.endswith(".gz")


@contextlib.contextmanager
def new_file(path: str, overwrite: bool) -> Iterator[str]:
    """Yields the name under which to write a new file; it gets its own name when all went well.
    Raises click.UsageError when there is such a file, OSError when it cannot be made.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        # Renaming over a device or a pipe would replace it for everybody.
        raise click.UsageError(f"{path} is not a file: name one, or - for standard output")
    if os.path.exists(path) and not overwrite:
        raise click.UsageError(f"{path} exists already: choose another name, or add --overwrite")
    path = os.path.realpath(path)  # a link stays one
    with draft_in(os.path.dirname(path)) as draft:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)


@contextlib.contextmanager
def writing(path: str, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file to write bytes to, for "-" standard output. Errors as of ``new_file``."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with new_file(path, overwrite) as draft, open(draft, "wb") as raw:
        if is_gzip(path):
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield raw


class InputFile:
    """A file that is read: ``file`` holds its content, ``size`` is what it takes on disk (None if
    that is unknown), ``position`` how much of that was read.
    """

    def __init__(self, file: IO[bytes], raw: IO[bytes], size: int | None) -> None:
        self.file = file
        self._raw = raw
        self.size = size

    @property
    def position(self) -> int:
        return self._raw.tell() if self.size is not None else 0


@contextlib.contextmanager
def reading(path: str) -> Iterator[InputFile]:
    """A file to read bytes from, for "-" standard input. Raises OSError."""
    if path == "-":
        if sys.stdin.isatty():
            raise click.UsageError("name a FILE, or pipe one in")
        yield InputFile(sys.stdin.buffer, sys.stdin.buffer, None)
        return
    with open(path, "rb") as raw:
        size = os.path.getsize(path)
        if not is_gzip(path):
            yield InputFile(raw, raw, size)
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            try:
                yield InputFile(unpacked, raw, size)  # type: ignore[arg-type]
            except (EOFError, gzip.BadGzipFile) as error:
                raise click.ClickException(
                    f"{path} is damaged or was not copied whole ({error}): copy it again"
                ) from None
