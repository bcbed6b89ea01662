"""The steps that need the application itself, each in a process of its own.

Reads a request as JSON from standard input and leaves its result in the file that the request
names under ``answer``: ``{"ok": true, "detail"}`` or ``{"ok": false, "sentence", "field"}``. What
it prints is a log. The step "entry" is also asked for by other versions, older and newer ones,
so request and result stay as they are.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(FOLDER / "vendor"))

from app.install.errors import InstallError  # noqa: E402 - what it imports may lie in vendor/
from app.install.files import write_json  # noqa: E402
from app.install.installation import Installation  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Form = dict[str, str]
    Step = Callable[[Installation, Form], str]


def database(installation: Installation, form: Form) -> str:
    """Try the database as it was typed, then write config.py."""
    from app.install.configuration import sqlite_values, write_config
    from app.install.database import try_mysql, try_sqlite

    if form.get("engine") == "sqlite":
        detail = try_sqlite(installation.home / "data")
        values = sqlite_values(installation)
    else:
        detail = try_mysql(form)
        names = {"host": "DB_HOST", "name": "DB_NAME", "user": "DB_USER"}
        values = {setting: form[name].strip() for name, setting in names.items()}
        values["DB_PASS"] = form.get("password", "")
        if form.get("prefix", "").strip():
            values["TABLE_PREFIX"] = form["prefix"].strip()
    write_config(installation, values, form.get("api_key", ""))
    return detail


def tables(installation: Installation, _form: Form) -> str:
    """Make the tables, or bring older ones up to date."""
    from app.errors import DatabaseError
    from app.install.migrate import migrate

    try:
        before, now = migrate(installation.settings().database)
    except DatabaseError as error:
        raise InstallError(f"The tables could not be made: {error}.") from None
    if before == now:
        return f"version {now}"
    return f"version {now}" if before == 0 else f"from version {before} to {now}"


def entry(installation: Installation, form: Form) -> str:
    """Let this build serve, through the few files in the web folder."""
    from app.install.entry import write_entry
    from app.install.finish import prepare
    from app.install.versions import switch

    switch(installation.home, installation.build)
    write_entry(
        installation.web_folder, installation.home, installation.interpreter, installation.kind
    )
    prepare(installation, with_examples=form.get("examples") == "yes")
    return "index.cgi and .htaccess" if installation.kind == "cgi" else "passenger_wsgi.py"


def selftest(installation: Installation, _form: Form) -> str:
    """A task's whole life at the real address, and the dashboard's pages; private files are asked
    for and refused. A newer build that fails it goes back by itself.
    """
    from app.install.finish import register_examples
    from app.install.selftest import SelfTest, leave_no_traces
    from app.install.upgrade import go_back, is_to_go_back

    test = SelfTest(installation)
    is_upgrade = is_to_go_back(installation)
    try:
        detail = test.run()
    except (InstallError, OSError) as error:
        if not is_upgrade:
            raise
        raise InstallError(f"{error} {go_back(installation, test.call)}") from error
    finally:
        leave_no_traces(installation.settings().database)
    register_examples(installation)
    return detail


def upgrade(installation: Installation, _form: Form) -> str:
    """Switch to this build, try it, and go back by itself when it does not work."""
    from app.install.selftest import SelfTest, leave_no_traces, run_a_task
    from app.install.upgrade import upgrade as take_over

    test = SelfTest(installation)
    try:
        # One more than in the end, for the self-test that comes next may fail.
        done = take_over(
            installation.home,
            installation.build,
            test.call,
            run_a_task,
            installation.web_folder,
            keep=3,
        )
    finally:
        leave_no_traces(installation.settings().database)
    return f"from {done.before} to {done.now}, self-test passed"


def back(installation: Installation, form: Form) -> str:
    """Let the build before serve again, because the owner wants that."""
    from app.install.selftest import SelfTest, leave_no_traces, run_a_task
    from app.install.upgrade import return_to

    try:
        return return_to(installation, form["to"], SelfTest(installation).call, run_a_task)
    finally:
        leave_no_traces(installation.settings().database)


def finish(installation: Installation, form: Form) -> str:
    """What the last page shows, and the dashboard's password where one is given."""
    from app.install.finish import set_password, write_summary
    from app.install.versions import prune

    if form.get("dashboard_password"):
        set_password(installation, form["dashboard_password"])
    write_summary(installation)
    prune(installation.home)
    return "the key, a line to paste, a line for cron"


STEPS: dict[str, Step] = {
    "database": database,
    "tables": tables,
    "entry": entry,
    "selftest": selftest,
    "upgrade": upgrade,
    "back": back,
    "finish": finish,
}


def take(request: dict[str, object]) -> dict[str, object]:
    """Take the step that the request names: its result."""
    from app.errors import ConfigError

    form = request.get("form")
    values = request["site"]
    assert isinstance(values, dict)
    try:
        installation = Installation({**values, "before": str(request.get("before") or "")})
        detail = STEPS[str(request["step"])](installation, form if isinstance(form, dict) else {})
    except InstallError as error:
        return {"ok": False, "sentence": str(error), "field": error.field}
    except (ConfigError, OSError) as error:
        return {"ok": False, "sentence": f"{error}."}
    except Exception as error:
        traceback.print_exc()
        return {"ok": False, "sentence": f"{type(error).__name__}: {error}"}
    return {"ok": True, "detail": detail}


def main() -> int:
    request = json.load(sys.stdin)
    write_json(Path(request["answer"]), take(request))
    return 0


if __name__ == "__main__":
    sys.exit(main())
