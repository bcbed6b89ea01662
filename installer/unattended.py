"""An installation, an upgrade or the way back from a command line, without anybody watching."""

from __future__ import annotations

import json
import re
import sys

from app.install.errors import EXIT_DONE, EXIT_USAGE, Busy, InstallError
from app.install.files import read_json
from app.install.installation import Installation
from app.install.versions import version_of
from installer.disk import advice_for
from installer.finish_page import summary_path
from installer.journal import Journal
from installer.plans import STEP_TITLES, begin_going_back, begin_installing
from installer.steps import Run, take_steps
from installer.upload import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO, Any

NAMES = {
    *("url", "kind", "web_folder", "home", "document_root", "archive", "database"),
    "examples",
}

STATUSES = {"install": "installed", "upgrade": "upgraded", "back": "back"}


def run(request: Mapping[str, Any]) -> int:
    """The exit code."""
    command: dict[str, Any] = request["unattended"]
    reporter = ProgressReporter(command["as_json"], sys.stdout, request["script"])
    installation = Installation(request["site"])
    has_begun = False
    try:
        config = checked(command["config"], command["config_file"])
        upload = Upload(request)
        journal = Journal(installation.home)
        begin(installation, upload, journal, command["is_back"])
        has_begun = True
        typed = typed_values(config, command["secrets"])
        while not Journal(installation.home).is_finished:
            # A while at a time, so that the journal tells whoever looks how far it is.
            take_steps(
                Run(installation, upload.archive, float(request["seconds"]), typed), reporter.step
            )
    except InstallError as error:
        return reporter.failure(error, step_at_hand(installation) if has_begun else "")
    except Busy:
        return reporter.failure(InstallError("Another run is at work. Try again later."), "")
    except OSError as error:
        return reporter.failure(InstallError(advice_for(error)), "")
    upload.lock()
    reporter.end(result_of(installation))
    return EXIT_DONE


def step_at_hand(installation: Installation) -> str:
    """The step that failed, or that is next."""
    journal = Journal(installation.home)
    return journal.failure.get("step") or str(journal.next() or "")


def checked(config: dict[str, Any], source: str) -> dict[str, Any]:
    """The file of --config with its defaults. Raises InstallError for one that cannot be used."""
    if set(config) - NAMES:
        raise wrong(f"{source} must be an object with: {', '.join(sorted(NAMES))}")
    if not re.fullmatch(r"https?://[^/\s]+(/[^\s?#]*)?", str(config.get("url", ""))):
        raise wrong(f'{source}: "url" must be the address of the site, http…')
    if config.setdefault("kind", "cgi") not in ("cgi", "passenger"):
        raise wrong(f'{source}: "kind" must be "cgi" or "passenger"')
    database = config.setdefault("database", {"engine": "sqlite"})
    if not isinstance(database, dict) or database.get("engine") not in ("sqlite", "mysql"):
        raise wrong(f'{source}: "database" must say "engine": "sqlite" or "mysql"')
    return config


def wrong(sentence: str) -> InstallError:
    return InstallError(sentence, exit_code=EXIT_USAGE)


def typed_values(config: dict[str, Any], secrets: dict[str, str]) -> dict[str, str]:
    """As the page of the database would have them."""
    typed = {name: str(value) for name, value in config["database"].items()}
    typed["password"] = secrets.get("DEPLOY_DB_PASS", "")
    typed["api_key"] = secrets.get("DEPLOY_API_KEY", "")
    typed["dashboard_password"] = secrets.get("DEPLOY_DASHBOARD_PASSWORD", "")
    typed["examples"] = "yes" if config.get("examples") else ""
    return typed


def begin(installation: Installation, upload: Upload, journal: Journal, is_back: bool) -> None:
    """Make a plan, unless there is one to go on with. Raises InstallError."""
    if is_back:
        if journal.plan != "back" or journal.is_finished:
            begin_going_back(installation, journal)
    elif not journal.plan or journal.is_finished or is_for_another(journal, upload):
        begin_installing(installation, upload.archive, journal)


def is_for_another(journal: Journal, upload: Upload) -> bool:
    """Whether another archive was uploaded since the plan was begun."""
    if journal.plan == "back":
        return True
    return bool(journal.build and upload.archive and upload.archive.name != journal.build)


def result_of(installation: Installation) -> dict[str, Any]:
    """What is said at the end."""
    summary = read_json(summary_path(installation.home))
    summary_path(installation.home).unlink(missing_ok=True)
    status = STATUSES[Journal(installation.home).plan]
    if status != "installed":
        summary.pop("api_key", None)
    summary.setdefault("url", installation.url)
    where = {"home": str(installation.home), "release": installation.current}
    return {"status": status, **summary, **where}


class ProgressReporter:
    """Says how far it is: numbered lines for people, or an object a line for programs."""

    def __init__(self, as_json: bool, stream: IO[str], script: str) -> None:
        self._as_json = as_json
        self._stream = stream
        self._script = script
        self._number = 0

    def step(self, name: str, status: str, detail: str) -> None:
        if self._as_json:
            self._write(json.dumps({"step": name, "status": status, "detail": detail}))
        elif status == "done":
            self._number += 1
            self._write(f"[{self._number}] {STEP_TITLES[name]}: {detail}")

    def failure(self, error: InstallError, step: str) -> int:
        """The exit code."""
        if self._as_json:
            self._write(json.dumps({"status": "failed", "step": step, "error": str(error)}))
        title = f"{STEP_TITLES[step]}: " if step else ""
        print(f"deploy.py: {title}{error}", file=sys.stderr)
        return error.exit_code

    def end(self, result: dict[str, Any]) -> None:
        if self._as_json:
            self._write(json.dumps(result))
            return
        version = version_of(str(result["release"]))
        self._write(f"\nTaskManager {version} is {result['status']}: {result['url']}/")
        if result["status"] != "back":
            self._write(lines_to_paste(result))
        self._write(str(result.get("note") or f"Delete {self._script} now."))

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def lines_to_paste(result: dict[str, Any]) -> str:
    key = str(result.get("api_key", ""))
    curl = str(result.get("curl", "")).replace("{api_key}", key or "YOUR_API_KEY")
    lines = [f"API key (also in config.py): {key}"] if key else []
    if result.get("sign_in"):
        lines += ["Open the dashboard (works once, for 30 minutes):", f"  {result['sign_in']}"]
    lines += ["", "Add a task:", f"  {curl}", "Cron line:", f"  {result.get('cron')}"]
    if result.get("ping"):
        lines += ["Or, without cron, call this address each minute:", f"  {result['ping']}"]
    return "\n".join([*lines, ""])
