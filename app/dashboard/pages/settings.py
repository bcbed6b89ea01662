"""The settings as they are, and what the doctor says about the site."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from app import config
from app.doctor.checks import findings
from app.version import VERSION

if TYPE_CHECKING:
    from typing import Any

    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SECRET = ("API_KEY", "DB_PASS", "DATABASE_URL", "RUN_TOKEN", "PING_URL")
"""Nobody reads these on a page, and a picture of it gives nothing away."""

EXAMPLE = os.path.join(config.PROJECT_FOLDER, "config.example.py")
SECTION = re.compile(r"# --- (.+?) -+$")


class SettingShown:
    """A setting: its value as text, whether it differs from the default, and what it means."""

    def __init__(self, name: str, value: Any, default: Any, meaning: str) -> None:
        self.name = name
        self.meaning = meaning
        self.is_changed = value != default
        self.value = _text(value)
        if name in SECRET:
            self.value = "set, and not shown" if value else "not set"


def _text(value: Any) -> str:
    """As it is written in config.py, where that says something."""
    if value in ("", (), []):
        return "empty"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)


def show(visit: Visit) -> PageResponse:
    found = list(findings(visit.site))
    return visit.render(
        "settings/page.html",
        version=VERSION,
        findings=[(subject, each) for subject, each in found if each.level != "ok"],
        checks=sorted({subject for subject, _ in found}),
        settings=_shown(visit.site.settings),
    )


def _shown(settings: config.Settings) -> list[SettingShown]:
    meanings = _meanings()
    return [
        SettingShown(
            name,
            getattr(settings, name.lower()),
            each.read(each.default),
            meanings.get(name, ""),
        )
        for name, each in config.SETTINGS.items()
    ]


def _meanings() -> dict[str, str]:
    """What config.example.py says above each setting; nothing where that file is missing."""
    try:
        with open(EXAMPLE, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in lines:
        name = line.partition(" = ")[0]
        if line.startswith("#") and not SECTION.match(line):
            comment.append(line.lstrip("# "))
        elif name in config.SETTINGS:
            found[name] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found
