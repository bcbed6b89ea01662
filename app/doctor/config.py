"""Settings that are risky, and features that are off."""

from __future__ import annotations

import os

from app import config
from app.doctor.finding import note, ok, problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.site import Site

KEPT_FOR_EVER = ("retain_completed_days", "retain_failed_days", "retain_cancelled_days")


def check(site: Site) -> list[Finding]:
    settings = site.settings
    path = config.config_path(os.environ)
    found = [ok(f"settings are read from {path}")] if path else []
    if not path:
        found.append(note("there is no config.py: settings come from the environment alone"))
    found += [problem(each) for each in config.warnings(settings)]
    return found + _access(settings) + _off(settings)


def _access(settings: config.Settings) -> list[Finding]:
    if not settings.require_auth:
        return [
            problem(
                "REQUIRE_AUTH is off: everybody who reaches the site may do anything. Set it to "
                "True, unless nobody else can reach it"
            )
        ]
    if not settings.api_key:
        return [
            problem(
                "API_KEY is not set, so there is no key that may do everything: set one in "
                f"config.py; {config.MAKE_A_KEY}"
            )
        ]
    if "*" in settings.cors_origins:
        return [note("CORS_ORIGINS allows the scripts of every web page")]
    return []


def _off(settings: config.Settings) -> list[Finding]:
    found = []
    if not settings.enable_task_history:
        found.append(note("ENABLE_TASK_HISTORY is off: nothing tells what happened to a task"))
    if not settings.enable_schema_validation:
        found.append(note("ENABLE_SCHEMA_VALIDATION is off: params are not checked"))
    for name in KEPT_FOR_EVER:
        if getattr(settings, name) is None:
            found.append(note(f"{name.upper()} is None: these tasks are never deleted"))
    if not settings.ping_url:
        found.append(note("PING_URL is not set: no monitor notices when cron stops"))
    return found
