"""The addresses of the routes, with something in the place of their parameters."""

from __future__ import annotations

import re
from typing import Any

from app.api.routes import ROUTES, SPOOLED

NATIVE = [route for route in ROUTES if not route.template.startswith(SPOOLED)]
"""The routes but for those of Spooled's dialect, which has rules of its own."""

PARAMETER = re.compile(r"\{(\w+)\}")


def template(route: Any) -> str:
    """A route as a person writes it: ``POST /tasks/{id}/complete``."""
    return f"{route.method} {route.template}"


def address_of(
    route: Any,
    id: str = "999999999",
    name: str = "no.such",
    worker: str = "no-such-worker",
) -> tuple[str, str]:
    """The method and a path of a route."""
    values = {"id": id, "name": name, "worker": worker}
    return route.method, PARAMETER.sub(lambda match: values[match[1]], route.template)
