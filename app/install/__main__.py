"""The steps that need the release itself, each in a process of its own, started by deploy.py.

Reads a request as JSON from standard input and leaves its answer in the file that it names:
``{"ok": true, "detail"}`` or ``{"ok": false, "sentence", "field"}``. What it prints is a log.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

RELEASE = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(RELEASE / "vendor"))

from app.install.refusal import Refusal  # noqa: E402 - what it imports may lie in vendor/
from app.install.site import InstallationSite  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Form = dict[str, str]
    Step = Callable[[InstallationSite, Form], str]


def database(site: InstallationSite, form: Form) -> str:
    """Try the database as it was typed, then write config.py."""
    from app.install.configuration import sqlite_values, write_config
    from app.install.database import try_mysql, try_sqlite

    if form.get("engine") == "sqlite":
        detail = try_sqlite(site.home / "data")
        values = sqlite_values(site)
    else:
        detail = try_mysql(form)
        names = {"host": "DB_HOST", "name": "DB_NAME", "user": "DB_USER"}
        values = {setting: form[name].strip() for name, setting in names.items()}
        values["DB_PASS"] = form.get("password", "")
        if form.get("prefix", "").strip():
            values["TABLE_PREFIX"] = form["prefix"].strip()
    write_config(site, values, form.get("api_key", ""))
    return detail


def tables(site: InstallationSite, _form: Form) -> str:
    """Make the tables, or bring older ones up to date."""
    from app.errors import DatabaseError
    from app.install.migrate import migrate

    try:
        before, now = migrate(site.settings().database)
    except DatabaseError as error:
        raise Refusal(f"The tables could not be made: {error}.") from None
    if before == now:
        return f"version {now}, already there"
    return f"version {now}" if before == 0 else f"from version {before} to {now}"


def entry(site: InstallationSite, form: Form) -> str:
    """Let this release serve, through the few files in the web folder."""
    from app.install.entry import write_entry
    from app.install.finish import prepare
    from app.install.releases import switch

    switch(site.home, site.release)
    write_entry(site.web_folder, site.home, site.interpreter, site.kind)
    prepare(site, with_examples=form.get("examples") == "yes")
    return "index.cgi and .htaccess" if site.kind == "cgi" else "passenger_wsgi.py"


def selftest(site: InstallationSite, _form: Form) -> str:
    """A task's whole life at the real address; private files are asked for and refused. A newer
    release that fails it goes back by itself.
    """
    from app.install.finish import register_examples
    from app.install.selftest import SelfTest, leave_no_traces
    from app.install.upgrade import go_back, is_to_go_back

    test = SelfTest(site)
    try:
        detail = test.run()
    except (Refusal, OSError) as error:
        if not is_to_go_back(site):
            raise
        raise Refusal(f"{error} {go_back(site, test.call)}") from error
    finally:
        leave_no_traces(site.settings().database)
    register_examples(site)
    return detail


def upgrade(site: InstallationSite, _form: Form) -> str:
    """Switch to this release, try it, and go back by itself when it does not work."""
    from app.install.selftest import SelfTest, leave_no_traces, run_a_task
    from app.install.upgrade import UpgradeFailed
    from app.install.upgrade import upgrade as take_over

    test = SelfTest(site)
    try:
        # One more than in the end, for the self-test that comes next may fail.
        done = take_over(site.home, site.release, test.call, run_a_task, site.web_folder, keep=3)
    except UpgradeFailed as failure:
        raise Refusal(str(failure)) from failure
    finally:
        leave_no_traces(site.settings().database)
    return f"from {done.before} to {done.now}, self-test passed"


def back(site: InstallationSite, form: Form) -> str:
    """Let the release before serve again, because the owner wants that."""
    from app.install.selftest import SelfTest, leave_no_traces, run_a_task
    from app.install.upgrade import UpgradeFailed, return_to

    try:
        return return_to(site, form["to"], SelfTest(site).call, run_a_task)
    except UpgradeFailed as failure:
        raise Refusal(f"{failure}.") from failure
    finally:
        leave_no_traces(site.settings().database)


def finish(site: InstallationSite, _form: Form) -> str:
    """What the last page shows."""
    from app.install.finish import write_summary
    from app.install.releases import prune

    write_summary(site)
    prune(site.home)
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


def answer_to(request: dict[str, object]) -> dict[str, object]:
    """Take the step that was asked for."""
    from app.errors import ConfigError

    form = request.get("form")
    site_values = request["site"]
    assert isinstance(site_values, dict)
    try:
        site = InstallationSite({**site_values, "before": str(request.get("before") or "")})
        step = STEPS[str(request["step"])]
        detail = step(site, form if isinstance(form, dict) else {})
    except Refusal as refusal:
        return {"ok": False, "sentence": str(refusal), "field": refusal.field}
    except (ConfigError, OSError) as error:
        return {"ok": False, "sentence": f"{error}."}
    except Exception as error:
        traceback.print_exc()
        return {"ok": False, "sentence": f"{type(error).__name__}: {error}"}
    return {"ok": True, "detail": detail}


def main() -> int:
    request = json.load(sys.stdin)
    answer = answer_to(request)
    draft = f"{request['answer']}.draft"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(answer, file)
    os.replace(draft, str(request["answer"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
