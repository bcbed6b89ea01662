"""The last page: the way into the dashboard, the key once, lines to paste, and the button that
deletes the installer.
"""

from __future__ import annotations

from html import escape

from app.install.files import read_json, write_json
from app.install.versions import version_of
from installer.checks_page import back_button
from installer.html import copyable, page
from installer.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from app.install.installation import Installation
    from installer.html import Visit


def finish_page(visit: Visit, installation: Installation, script: Path) -> dict[str, Any]:
    summary = take_summary(installation.home)
    url = escape(str(summary.get("url", installation.url)))
    version = version_of(installation.current)
    journal = Journal(installation.home)
    detail = journal.detail("selftest")
    found = f": {escape(detail.rstrip('.'))}" if detail else ""
    body = (
        f'<p>TaskManager {escape(version)} serves <a href="{url}/">{url}/</a>, and the self-test '
        f"has passed{found}.</p>"
    )
    plan = journal.plan
    if plan == "back":
        title = f"TaskManager is back at {version}"
        body += "<p>Settings, key and tasks are unchanged.</p>"
    elif plan == "upgrade":
        title = "TaskManager is upgraded"
        body += "<p>Settings, key and tasks are unchanged.</p>"
        body += open_dashboard(summary, is_new=False) + lines_to_paste(summary, "")
        body += way_back(visit, installation)
    else:
        title = "TaskManager is ready"
        key = str(summary.get("api_key", ""))
        body += open_dashboard(summary, is_new=True)
        body += api_key(installation, key) + lines_to_paste(summary, key)
    body += (
        "<h2>Last step: delete the installer</h2><p>It is locked and no longer needed.</p>"
        + visit.form("delete", f"Delete {script.name} and the archive")
    )
    return page(title, body)


def summary_path(home: Path) -> Path:
    return home / ".htfinish"


def take_summary(home: Path) -> dict[str, Any]:
    """What the step "finish" left, with the key the first time only."""
    summary = read_json(summary_path(home))
    rest = {name: value for name, value in summary.items() if name != "api_key"}
    if rest != summary:
        write_json(summary_path(home), rest)
    return summary


def open_dashboard(summary: dict[str, Any], is_new: bool) -> str:
    """A form that signs the owner in, once; on a new site the dashboard then does a first task."""
    address, _, token = str(summary.get("sign_in", "")).partition("?token=")
    if not token:
        return ""
    first_task = '<input type="hidden" name="first_task" value="yes">' if is_new else ""
    what = "It signs you in and runs a first task." if is_new else "It signs you in."
    return (
        # Beside this page, which shows the key only once.
        "<h2>See it in the dashboard</h2>"
        f'<form method="post" action="{escape(address)}" target="_blank" rel="noopener">'
        f'<input type="hidden" name="token" value="{escape(token)}">{first_task}'
        '<label for="dashboard-password">A password for the next time</label>'
        '<input type="password" id="dashboard-password" name="password" minlength="10" '
        'autocomplete="new-password" aria-describedby="dashboard-note">'
        '<p class="dim" id="dashboard-note">At least 10 characters. If you leave it empty, you '
        "sign in with the API key, or with the password that is set already.</p>"
        "<button>Open the dashboard</button></form>"
        f'<p class="dim">{what} This button works once, for half an hour.</p>'
    )


def api_key(installation: Installation, key: str) -> str:
    folder = f"<code>{escape(str(installation.home))}</code>"
    if not key:
        return (
            "<h2>Your API key</h2><p>The key was shown once. It is in config.py, in the folder "
            f"{folder}.</p>"
        )
    return (
        "<h2>Your API key</h2><p>Copy it now: it will not be shown again. It is also in config.py, "
        f"in the folder {folder}.</p>{copyable('key', key)}"
    )


def lines_to_paste(summary: dict[str, Any], key: str) -> str:
    curl = str(summary.get("curl", "")).replace("{api_key}", key or "YOUR_API_KEY")
    note = str(summary.get("note", ""))
    return (
        f"<h2>Add a task</h2>{copyable('curl', curl)}"
        "<h2>Run the tasks by cron</h2><p>In the control panel, under “Cron jobs”. The five stars "
        "mean every minute; where the panel asks for the time itself, paste what follows them.</p>"
        + copyable("cron", str(summary.get("cron", "")))
        + '<p class="dim">Its output goes to logs/cron.log. Cron mails you only what needs you.</p>'
        + without_cron(str(summary.get("ping", "")))
        + (f"<p>{escape(note)}</p>" if note else "")
    )


def without_cron(address: str) -> str:
    if not address:
        return ""
    return (
        "<h2>No cron jobs here?</h2><p>Then have this address called each minute, by a service "
        f"that pings addresses. Each call does waiting tasks.</p>{copyable('ping', address)}"
    )


def way_back(visit: Visit, installation: Installation) -> str:
    button = back_button(visit, installation)
    if not button:
        return ""
    return (
        "<h2>If something does not work</h2><p>The version before is kept until the next upgrade, "
        f"and works on the same tasks.</p>{button}"
    )


def deleted_page(url: str) -> dict[str, Any]:
    body = (
        "<p>The installer and the archive are gone. To upgrade later, upload deploy.py again with "
        "a newer archive.</p>"
        f'<p><a href="{escape(url)}/">{escape(url)}/</a></p>'
    )
    return page("Deleted", body)
