"""`--real FOLDER`: checksum, size and lines of every file below a folder."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

from app.local.console import Console, printable, shell_word
from app.local.paths import CHECKSUMS, FOLDER
from app.local.steps import EXIT_USAGE, StepFailed
from app.local.workload import Task, outcome


class FileDigests:
    """One task for every regular file below a folder, as `find FOLDER -type f` sees it."""

    type_filter = "files.digest"
    FAILURES_SHOWN = 10

    def __init__(self, folder: str) -> None:
        self._given = os.fsencode(folder)
        self._folder = os.path.realpath(self._given)
        self._shown = printable(folder)
        self._files: list[bytes] = []
        self._unreadable: list[OSError] = []

    def check(self) -> None:
        """Raises StepFailed for a path that is no folder with files, or is in use by this run."""
        own = os.path.realpath(os.fsencode(FOLDER))
        if not os.path.exists(self._given):
            raise StepFailed(f"--real {self._shown}: there is no such path", EXIT_USAGE)
        if not os.path.isdir(self._folder):
            raise StepFailed(
                f"--real {self._shown} is a file; name the folder around it", EXIT_USAGE
            )
        if _is_inside(own, self._folder) or _is_inside(self._folder, own):
            raise StepFailed(
                f"--real {self._shown} holds {os.fsdecode(own)}, which changes while "
                "the tasks run: choose another folder",
                EXIT_USAGE,
            )
        if next(self._walk(), None) is None:
            raise StepFailed(f"--real {self._shown}: no regular file in it to read", EXIT_USAGE)

    def tasks(self) -> Iterator[Task]:
        """A task for each file, in the order of their paths."""
        self._unreadable.clear()
        self._files = sorted(self._walk())
        for path in self._files:
            yield {"type": "files.digest", "params": _path_params(path)}

    def report(self, tasks: list[Task], console: Console) -> None:
        """Print the totals and how to verify them, and write the checksums to SHA256SUMS."""
        done = [(p, t["result"]) for p, t in zip(self._files, tasks) if t["status"] == "completed"]
        for name, total in (
            ("files", len(done)),
            ("bytes", sum(result["size"] for _, result in done)),
            ("lines", sum(result["lines"] for _, result in done)),
            ("failed", len(tasks) - len(done)),
        ):
            console.line(f"  {name:<8}{total:>16}")
        self._report_failures(tasks, console)
        lines = [_checksum_line(path, result["sha256"]) for path, result in done]
        CHECKSUMS.write_bytes(b"".join(lines))
        console.line("Anyone can check that:")
        for command in self._verification():
            console.line("  " + command)

    def _walk(self) -> Iterator[bytes]:
        for folder, _, names in os.walk(self._folder, onerror=self._unreadable.append):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path

    def _report_failures(self, tasks: list[Task], console: Console) -> None:
        failed = [(p, t) for p, t in zip(self._files, tasks) if t["status"] != "completed"]
        for path, task in failed[: self.FAILURES_SHOWN]:
            name = printable(os.fsdecode(path))
            console.line(f"    {task['status']}: {name}: {outcome(task)}")
        if len(failed) > self.FAILURES_SHOWN:
            console.line(f"    ... and {len(failed) - self.FAILURES_SHOWN} more")
        for error in self._unreadable[: self.FAILURES_SHOWN]:
            console.line(f"    could not be opened: {printable(str(error))}")

    def _verification(self) -> list[str]:
        folder = shell_word(self._folder)
        # A name with a newline in it would count as two lines.
        has_newlines = any(b"\n" in path for path in self._files)
        count = "-printf . | wc -c" if has_newlines else "| wc -l"
        return [
            f"find {folder} -type f {count}",
            f"find {folder} -type f -print0 | xargs -0 cat | wc -lc",
            f"sha256sum --check --quiet {shell_word(os.fsencode(CHECKSUMS))}",
        ]


def _is_inside(path: bytes, folder: bytes) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _path_params(path: bytes) -> dict[str, str]:
    """A path as `files.digest` takes it: as text where it is UTF-8, else in Base64."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path_base64": base64.b64encode(path).decode("ascii")}


def _checksum_line(path: bytes, digest: str) -> bytes:
    """A line of GNU sha256sum; a leading backslash marks a name that had to be escaped."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b"%s%s  %s\n" % (b"\\" if escaped != path else b"", digest.encode("ascii"), escaped)
