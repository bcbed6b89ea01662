"""What the installer's pages are made of. deploy.py puts them into its frame."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Added to the style of the frame.
STYLE = """
ol.steps i { font-style: normal; color: var(--dim); }
fieldset { border: 0; margin: 1rem 0 0; padding: 0; } legend { padding: 0; font-weight: 600; }
fieldset .hint { margin: .2rem 0 0; font-size: .9rem; color: var(--dim); }
.choice { display: flex; gap: .6rem; align-items: baseline; margin: .6rem 0; }
.choice label { margin: 0; font-weight: 400; }
/* The fields of MySQL go when SQLite is chosen, without any script. */
form:has(#engine-sqlite:checked) .of-mysql { display: none; }
details { margin-top: 1rem; } summary { cursor: pointer; font-weight: 600; }
.buttons { display: flex; flex-wrap: wrap; gap: 0 .7rem; }
progress { width: 100%; height: 1rem; accent-color: var(--main); }
"""

RELOAD: dict[str, Any] = {"reload": True}


class Visit:
    """One request of the owner's browser."""

    def __init__(self, page: Mapping[str, Any]) -> None:
        self.method: str = page["method"]
        self.fields: dict[str, str] = page["form"]
        self.action = self.fields.get("action", "") if self.method == "POST" else ""
        self.wants_json: bool = page["wants_json"]
        self.is_finished: bool = page["is_finished"]
        """Whether the installer is locked, and this is the session that finished."""
        self._own_path: str = page["own_path"]
        self._csrf: str = page["csrf"]

    def form(self, action: str, button: str, inside: str = "", extra: str = "") -> str:
        """A form that comes back with this action."""
        return (
            f'<form method="post" action="{escape(self._own_path)}" autocomplete="off" {extra}>'
            f'<input type="hidden" name="csrf" value="{escape(self._csrf)}">'
            f'<input type="hidden" name="action" value="{escape(action)}">{inside}'
            f"<button>{escape(button)}</button></form>"
        )

    def quiet_form(self, action: str, button: str) -> str:
        """A form whose button stands back behind the one beside it."""
        return self.form(action, button).replace("<button>", '<button class="quiet">')


def page(title: str, body: str, status: int = 200, script: str = "") -> dict[str, Any]:
    return {"status": status, "title": title, "body": body, "style": STYLE, "script": script}


def error_box(sentence: str) -> str:
    """What went wrong, with the focus: it is read aloud, and on a phone it is in sight."""
    if not sentence:
        return ""
    return f'<p class="error" role="alert" tabindex="-1" autofocus>{escape(sentence)}</p>'


def copyable(name: str, text: str) -> str:
    """A text to take along, with a button that copies it where a script may run."""
    return (
        f'<div class="copied"><pre id="{name}">{escape(text)}</pre>'
        f'<button type="button" class="quiet" data-copy="{name}" hidden>Copy</button></div>'
    )
