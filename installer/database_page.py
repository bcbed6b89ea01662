"""The page that asks for the database."""

from __future__ import annotations

from html import escape

from installer.html import error_box, page
from installer.progress_page import step_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.install.errors import InstallError
    from installer.html import Visit
    from installer.journal import Journal


class Field:
    """A field of the form: its label, its type, its value at first, its hint."""

    def __init__(
        self, name: str, label: str, kind: str = "text", default: str = "", hint: str = ""
    ) -> None:
        self.name = name
        self.label = label
        self.kind = kind
        self.default = default
        self.hint = hint


FIELDS = [
    Field(
        "host",
        "Host",
        default="localhost",
        hint="Usually localhost: the server's socket is tried first, then port 3306. With a port: "
        "localhost:3307",
    ),
    Field("name", "Database name", hint="Create the database in the control panel first"),
    Field("user", "User", hint="A user with all privileges on this database"),
    Field("password", "Password", kind="password"),
]
PREFIX = Field(
    "prefix",
    "Table prefix (optional)",
    hint="Only if another program keeps tables named tasks, workers or settings in this database: "
    "up to 16 letters, digits and underscores, for example tm_",
)
FIELD_NAMES = ["engine", *(field.name for field in (*FIELDS, PREFIX))]

ENGINES = [
    ("mysql", "MySQL or MariaDB (better for many workers)"),
    ("sqlite", "SQLite: a file in the private data folder, nothing to fill in"),
]


def database_page(
    visit: Visit,
    journal: Journal,
    typed: Mapping[str, str] | None = None,
    error: InstallError | None = None,
) -> dict[str, Any]:
    typed = typed or {}
    engine = typed.get("engine") or "mysql"
    # The error stands beside the field that it is about.
    wrong = error.field if error and engine == "mysql" else ""
    inputs = [text_input(field, typed, error if field.name == wrong else None) for field in FIELDS]
    prefix = text_input(PREFIX, typed, error if wrong == PREFIX.name else None)
    is_open = " open" if typed.get("prefix") or wrong == PREFIX.name else ""
    choices = "".join(
        f'<div class="choice"><input type="radio" name="engine" value="{value}" '
        f'id="engine-{value}"{" checked" if value == engine else ""}>'
        f'<label for="engine-{value}">{label}</label></div>'
        for value, label in ENGINES
    )
    inside = (
        f"<fieldset><legend>Where should tasks be stored?</legend>{choices}</fieldset>"
        f'<fieldset class="of-mysql"><legend>MySQL or MariaDB, as the control panel shows it'
        f"</legend>{''.join(inputs)}<details{is_open}><summary>Other programs in the same database"
        f"</summary>{prefix}</details></fieldset>"
    )
    is_beside = wrong in [field.name for field in (*FIELDS, PREFIX)]
    body = (
        error_box(str(error) if error and not is_beside else "")
        + visit.form("database", "Test and continue", inside)
        + step_list(journal)
    )
    return page("TaskManager: database", body, 422 if error else 200)


def text_input(field: Field, typed: Mapping[str, str], error: InstallError | None) -> str:
    """A field with its label, its hint and what is wrong with it, which all belong together."""
    name = field.name
    # A password that was refused is typed again; one that was not asked for yet is kept.
    value = "" if name == "password" and error else typed.get(name, field.default)
    notes = []
    if error:
        box = f'<p class="error" id="{name}-error" role="alert">{escape(str(error))}</p>'
        notes.append((f"{name}-error", box))
    if field.hint:
        notes.append((f"{name}-hint", f'<p class="hint" id="{name}-hint">{escape(field.hint)}</p>'))
    about = " ".join(identity for identity, _ in notes)
    attributes = f' aria-describedby="{about}"' if about else ""
    attributes += ' aria-invalid="true" autofocus' if error else ""
    spelling = 'autocapitalize="none" autocorrect="off" spellcheck="false"'
    return (
        f'<label for="{name}">{field.label}</label><input type="{field.kind}" id="{name}" '
        f'name="{name}" value="{escape(value)}" {spelling}{attributes}>'
        + "".join(text for _, text in notes)
    )
