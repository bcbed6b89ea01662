"""What the owner's browser asks for: a page for where the work stands, a function a button."""

from __future__ import annotations

import contextlib

from app.install.errors import Busy, InstallError
from app.install.files import locked
from app.install.installation import Installation
from installer.checks_page import back_button, checks_page
from installer.database_page import FIELD_NAMES, database_page
from installer.detached import IncompleteStep, result_path
from installer.disk import advice_for
from installer.finish_page import deleted_page, finish_page, summary_path
from installer.html import RELOAD, Visit, error_box, page
from installer.journal import Journal
from installer.plans import begin_going_back, begin_installing
from installer.progress_page import is_new_database, progress_data, progress_page
from installer.steps import Run, cancel, delete_leftovers, set_up_database, take_steps, work_lock
from installer.upload import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    Response = dict[str, Any]

WATCHED_SECONDS = 2.0
"""Of work in one request while the page's script shows how far it is."""


def respond_to(request: Mapping[str, Any]) -> Response:
    """The response to one request of the owner, as installer/contract.py has both."""
    visit = Visit(request["page"])
    installation = Installation(request["site"])
    try:
        upload = Upload(request)
        if visit.is_finished:
            return respond_after_finish(visit, installation, upload)
        return respond_at_work(visit, installation, upload, float(request["seconds"]))
    except Busy:
        response = page(
            "TaskManager", error_box("The installer is running. Reload in a moment."), 503
        )
        return {**response, "headers": {"Retry-After": "2"}}
    except InstallError as error:
        return page("TaskManager", error_box(str(error)), 500)


def respond_at_work(
    visit: Visit, installation: Installation, upload: Upload, seconds: float
) -> Response:
    run = Run(installation, upload.archive, seconds)
    journal = run.journal
    if not visit.action:
        return page_of_state(visit, run, upload)
    if visit.action in ("begin", "over", "back"):
        return begin(visit, run)
    if visit.action == "cancel" and journal.failure and installation.is_installed:
        cancel(run)
    elif visit.action == "work" and journal.plan:
        return work(visit, run, seconds)
    elif visit.action == "database" and journal.next() == "database":
        return try_database(visit, run, seconds)
    elif visit.action == "other" and is_new_database(journal):
        forget_database(run)
    return RELOAD


def page_of_state(visit: Visit, run: Run, upload: Upload) -> Response:
    """The page for where the installation stands."""
    journal, installation = run.journal, run.installation
    if journal.is_finished and not is_locked_since(journal, upload.lock_file):
        # From now on only this session sees how it went.
        upload.lock()
        return RELOAD
    if not journal.plan or journal.is_finished:
        sentence = journal.failure.get("sentence", "")
        return checks_page(visit, installation, run.archive, sentence)
    if run.needs_input():
        failure = journal.failure
        error = InstallError(failure["sentence"], failure.get("field", "")) if failure else None
        return database_page(visit, journal, None, error)
    return progress_page(visit, installation, journal)


def is_locked_since(journal: Journal, lock_file: Path) -> bool:
    """Whether deploy.py was locked after the last step: a process may be killed in between."""
    try:
        return lock_file.stat().st_mtime_ns >= journal.path.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def begin(visit: Visit, run: Run) -> Response:
    """Make the plan, unless there is one that was not carried out to its end."""
    is_new = not run.journal.plan or run.journal.is_finished
    try:
        if visit.action == "back" and is_new:
            begin_going_back(run.installation, run.journal)
        elif visit.action == "over" or (visit.action == "begin" and is_new):
            begin_installing(run.installation, run.archive, run.journal)
    except InstallError as error:
        return checks_page(visit, run.installation, run.archive, str(error))
    return RELOAD


def work(visit: Visit, run: Run, seconds: float) -> Response:
    """Go on with the steps, and tell a script or a person how far they are."""
    pause = 50
    if visit.wants_json:
        run = Run(run.installation, run.archive, min(WATCHED_SECONDS, seconds))
    try:
        take_steps(run, single=visit.wants_json)
    except Busy:
        pause = 1000
    except InstallError:
        pass  # the journal has it, and the next page shows it
    if not visit.wants_json:
        return RELOAD
    run.journal = Journal(run.installation.home)
    return progress_data(run, pause)


def try_database(visit: Visit, run: Run, seconds: float) -> Response:
    """The step "database" with what was typed."""
    home = run.installation.home
    result_path(home, "database").unlink(missing_ok=True)
    typed = {name: visit.fields.get(name, "") for name in FIELD_NAMES}
    run = Run(run.installation, run.archive, 2 * seconds, typed)
    try:
        with locked(work_lock(home), wait=False):
            run.journal.done("database", set_up_database(run))
    except (Busy, IncompleteStep):
        return RELOAD
    except InstallError as error:
        return database_page(visit, Journal(home), typed, error)
    return RELOAD


def forget_database(run: Run) -> None:
    """Back to the form: the settings that were tried do not work after all."""
    with locked(work_lock(run.installation.home), wait=False):
        run.installation.config.unlink(missing_ok=True)
        run.journal.undo("database", "tables", "entry", "selftest")


def respond_after_finish(visit: Visit, installation: Installation, upload: Upload) -> Response:
    if visit.action == "delete":
        return delete_installer(installation, upload.script)
    if visit.action == "back" and back_button(visit, installation):
        upload.unlock()
        return begin(visit, Run(installation, upload.archive, 0.0))
    return finish_page(visit, installation, upload.script)


def delete_installer(installation: Installation, script: Path) -> Response:
    with contextlib.suppress(FileNotFoundError):
        summary_path(installation.home).unlink()
    delete_leftovers(installation.home)
    try:
        for path in installation.web_folder.glob("taskmanager-*.zip*"):
            path.unlink()
        script.unlink()
    except OSError as error:
        sentence = f"{advice_for(error)} Delete it with your FTP program."
        return page("TaskManager", error_box(sentence), 500)
    return deleted_page(installation.url)
