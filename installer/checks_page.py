"""The page of the checks: what was found on this host, and what can be done with the archive."""

from __future__ import annotations

from html import escape

from app.install.versions import version_key, version_of
from installer.checks import FAILED, PASSED, WARNED, checks, support_text
from installer.html import error_box, page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.install.installation import Installation
    from installer.html import Visit
    from installer.upload import Archive

WORDS = {PASSED: "fine", WARNED: "note", FAILED: "to do"}


def checks_page(
    visit: Visit, installation: Installation, archive: Archive | None, error: str = ""
) -> dict[str, Any]:
    found = checks(installation, archive)
    rows = "".join(
        f'<li><span class="{check.state}">{WORDS[check.state]}</span><div>'
        f"<b>{escape(check.title)}</b>: {escape(check.found)} {escape(check.advice)}</div></li>"
        for check in found
    )
    word = offer(installation, archive)
    if any(check.state == FAILED for check in found) or not word:
        button = visit.form("look", "Check again")
    else:
        button = visit.form("begin", word)
    body = (
        f'{serving(installation)}{error_box(error)}<ul class="checks">{rows}</ul>'
        f'<div class="buttons">{button}{back_button(visit, installation)}</div>'
        '<h2>If you need help</h2><label for="support">Send this to your host or to whoever helps '
        'you</label><textarea id="support" readonly rows="7">'
        f"{escape(support_text(installation, found))}</textarea>"
        '<button type="button" class="quiet" data-copy="support" hidden>Copy</button>'
    )
    return page("TaskManager: checks", body)


def offer(installation: Installation, archive: Archive | None) -> str:
    """What can be done with the archive, as a button says it; empty when nothing can."""
    if archive is None:
        return ""
    if not installation.is_installed:
        return "Install"
    word = "Reinstall" if archive.name == installation.current else "Upgrade to"
    return f"{word} {archive.version}"


def serving(installation: Installation) -> str:
    """Which version answers while the installer is at work."""
    sentence = sentence_of_serving(installation)
    return f'<p id="serving">{escape(sentence)}</p>' if sentence else ""


def sentence_of_serving(installation: Installation) -> str:
    if not installation.is_installed:
        return ""
    return f"Version {version_of(installation.current)} serves this site now."


def back_button(visit: Visit, installation: Installation) -> str:
    """The way to the version before; empty where there is none."""
    target, current = installation.previous, installation.current
    if not installation.is_installed or not target:
        return ""
    version = version_of(target)
    is_older = version_key(version) <= version_key(version_of(current))
    return visit.quiet_form("back", f"{'Go back to' if is_older else 'Switch to'} {version}")
