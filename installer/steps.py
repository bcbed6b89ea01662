"""The steps: each short, repeatable, and noted in the journal when it is done."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time

from app.install.errors import EXIT_MISSING, EXIT_USAGE, InstallError
from app.install.files import DRAFT, locked
from installer import packages
from installer.bytecode import compile_modules
from installer.checks import FAILED, checks
from installer.detached import DetachedProcess, IncompleteStep, is_under_way, lock_path, result_path
from installer.disk import advice_for, disk_trouble, size_of
from installer.journal import Journal
from installer.unpacking import remove_drafts, remove_unused, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.install.installation import Installation
    from installer.upload import Archive

    TakeStep = Callable[["Run"], str]
    Report = Callable[[str, str, str], None]

DOWNLOAD = "download"
"""Where deploy.py keeps an archive that it downloaded or had inside."""


class Run:
    """One request's work on an installation: what is done, and how long it may go on."""

    def __init__(
        self,
        installation: Installation,
        archive: Archive | None,
        seconds: float,
        typed: dict[str, str] | None = None,
    ) -> None:
        self.installation = installation
        self.archive = archive
        self.journal = Journal(installation.home)
        self.deadline = time.monotonic() + seconds
        self.typed = typed
        """About the database; None when nobody was asked."""

    @property
    def folder(self) -> Path:
        """Of the build that is being installed."""
        return self.installation.builds / self.journal.build

    def needs_input(self) -> bool:
        """Whether the next step is the database's, and nothing is known of it."""
        if self.journal.next() != "database" or self.typed:
            return False
        home = self.installation.home
        is_tried = is_under_way(result_path(home, "database"), lock_path(home, "database"))
        return not (is_tried or self.installation.config.is_file())


def take_steps(run: Run, report: Report = lambda *_: None, single: bool = False) -> None:
    """Take the next steps until one needs input, or the time is up. Raises InstallError, Busy.

    ``report`` is told each step, its status and what it says. A ``single`` one is taken where
    somebody watches.
    """
    with locked(work_lock(run.installation.home), wait=False):
        run.journal = Journal(run.installation.home)
        name = run.journal.next()
        while name is not None and not run.needs_input():
            if not take_step(run, name, report):
                return
            name = run.journal.next()
            if single or time.monotonic() > run.deadline:
                return


def take_step(run: Run, name: str, report: Report) -> bool:
    """Take one step and note how it went: whether it is done. Raises InstallError."""
    try:
        detail = STEPS[name](run)
    except IncompleteStep as state:
        run.journal.incomplete(name, state)
        report(name, "part", str(state))
        return False
    except InstallError as error:
        sentence = f"{error}{discard_refused(run)}"
        noted = InstallError(sentence, error.field, error.exit_code)
        run.journal.failed(name, noted)
        raise noted from None
    except OSError as error:
        noted = InstallError(advice_for(error))
        with contextlib.suppress(OSError):
            run.journal.failed(name, noted)
        raise noted from None
    run.journal.done(name, detail)
    report(name, "done", detail)
    return True


def work_lock(home: Path) -> Path:
    return home / ".htlock-work"


# --- Each step ----------------------------------------------------------------------------------


def check_host(run: Run) -> str:
    """Everything that can be told before anything is made."""
    failed = [each for each in checks(run.installation, run.archive) if each.state == FAILED]
    if failed:
        sentences = " ".join(f"{each.title}: {each.found} {each.advice}" for each in failed)
        raise InstallError(sentences, exit_code=EXIT_MISSING)
    return "nothing is missing"


def unpack_files(run: Run) -> str:
    """The build, unpacked and compared with its list of checksums."""
    archive = run.archive
    if archive is None:
        raise InstallError("There is nothing to install.", exit_code=EXIT_MISSING)
    if archive.is_older(run.installation):
        sentence = archive.sentence_of_older(run.installation)
        raise InstallError(sentence, exit_code=EXIT_USAGE)
    run.installation.builds.mkdir(mode=0o755, exist_ok=True)
    unpack(archive, run.installation.builds, run.deadline)
    run.journal.note_build(archive.name)
    remove_unused(run.installation, keep=archive.name)
    return f"{archive.version}: {len(archive.files())} files, checked"


def compile_build(run: Run) -> str:
    return compile_modules(run.folder, run.deadline)


def set_up_database(run: Run) -> str:
    """The settings of the database: those of an installed site are kept, others are tried."""
    home = run.installation.home
    is_tried = result_path(home, "database").exists()
    is_kept = run.installation.config.is_file() and (run.typed is None or run.journal.before)
    if is_kept and not is_tried:
        return "kept config.py"
    return ask_build(run, "database", run.typed or {})


def go_back(run: Run) -> str:
    """The build before serves again. The newer one does this, since it knows how."""
    return ask_build(run, "back", {"to": run.journal.target})


def finish(run: Run) -> str:
    """What the last page shows; and nothing half-written stays behind."""
    password = (run.typed or {}).get("dashboard_password", "")
    detail = ask_build(run, "finish", {"dashboard_password": password})
    home = run.installation.home
    delete_leftovers(home)
    # deploy.py alone writes without the lock that this step's caller holds.
    with locked(home / ".htlock-state", wait=True):
        for folder in (home, run.installation.web_folder):
            for draft in folder.glob(f"{DRAFT}*"):
                draft.unlink(missing_ok=True)
    return detail


def by_build(name: str) -> TakeStep:
    """A step that the build itself knows how to take."""
    return lambda run: ask_build(run, name, run.typed or {})


def ask_build(run: Run, name: str, typed: dict[str, str]) -> str:
    """What a step of the build that is being installed says (app/install/__main__.py), in a
    detached process. Raises IncompleteStep, InstallError.
    """
    home = run.installation.home
    command = [sys.executable, "-s", "-m", "app.install"]
    request = {
        "step": name,
        "site": run.installation.values(run.journal.build),
        "form": typed,
        "before": run.journal.before,
    }
    result = DetachedProcess(home, name, command, run.folder).result_of(request, run.deadline)
    if not result.get("ok"):
        sentence = str(result.get("sentence") or "It failed without a message.")
        # Whatever the step says then, a full disk is why.
        raise InstallError(disk_trouble(home) or sentence, str(result.get("field", "")))
    return str(result.get("detail", ""))


STEPS: dict[str, TakeStep] = {
    "checks": check_host,
    "files": unpack_files,
    "dependencies": packages.take_step,
    "compile": compile_build,
    "database": set_up_database,
    "tables": by_build("tables"),
    "entry": by_build("entry"),
    "selftest": by_build("selftest"),
    "upgrade": by_build("upgrade"),
    "back": go_back,
    "finish": finish,
}


# --- Giving up ----------------------------------------------------------------------------------


def discard_refused(run: Run) -> str:
    """Delete an upgrade's build that does not serve after it was tried: what was done."""
    name = run.journal.build
    is_refused = run.journal.plan == "upgrade" and name not in ("", run.installation.current)
    if not is_refused or not run.journal.is_done("compile"):
        return ""
    freed = size_of(run.folder)
    if name != run.installation.previous:
        shutil.rmtree(run.folder, ignore_errors=True)
    run.journal.undo("files", "dependencies", "compile", "upgrade", "entry", "selftest")
    return f" The files of {name} are deleted again ({freed / 1e6:.0f} MB freed)."


def cancel(run: Run) -> None:
    """Give an upgrade up: what serves goes on, and nothing of the other build stays."""
    with locked(work_lock(run.installation.home), wait=False):
        remove_drafts(run.installation.builds)
        remove_unused(run.installation)
        delete_leftovers(run.installation.home)
        run.journal.forget()


def delete_leftovers(home: Path) -> None:
    for name in (DOWNLOAD, packages.CACHE):
        shutil.rmtree(home / name, ignore_errors=True)
