"""Whether anybody works: workers, and the cron line."""

from __future__ import annotations

import json
import os
import time

from app import cron_run
from app.doctor.finding import note, ok, problem
from app.wording import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.site import Site

CRON_SECONDS = 600
"""How long a cron line that runs every minute may leave no trace."""

START_ONE = "start worker.py, or add the cron line (docs/workers.md)"


def check(site: Site) -> list[Finding]:
    """Raises a DatabaseError."""
    age = site.db.dialect.seconds_since("MAX(last_seen_at)")
    sql = f"SELECT COUNT(*) AS total, {age} AS age FROM workers"
    (row,) = site.db.run(lambda connection: connection.query(sql, {}))
    is_lately = row["total"] > 0 and row["age"] <= site.settings.health_max_silence
    if not row["total"]:
        found = [problem(f"no worker was ever seen: {START_ONE}")]
    elif not is_lately:
        found = [problem(f"no worker was seen for {span(row['age'])}: {START_ONE}")]
    else:
        found = [ok(f"a worker was seen {span(row['age'])} ago")]
    return found + _cron(cron_run.home(), is_lately)


def _cron(home: str, works: bool) -> list[Finding]:
    """What cron.py leaves in an installed site's folder."""
    if not home:
        return []
    log, age = cron_run.log_path(home), cron_run.seconds_since(home)
    trouble = _trouble(os.path.join(home, "logs", "cron-trouble.json"))
    if trouble:
        return [
            problem(
                f"the cron line's worker ends with exit code {trouble['code']:.0f} for "
                f"{span(time.time() - trouble['since'])} now: the end of {log} says why"
            )
        ]
    if age is None:
        told = "cron has never run here: add the cron line that the installer showed"
    elif age > CRON_SECONDS:
        silent = span(age)
        told = f"cron has left nothing in {log} for {silent}: look whether the cron line is there"
    else:
        return [ok("cron has run lately")]
    return [note(told) if works else problem(told)]


def _trouble(path: str) -> dict[str, float]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return {name: float(found[name]) for name in ("code", "since")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
