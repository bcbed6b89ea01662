"""The stylesheet, the script and the icon."""

from __future__ import annotations

import os

from app.dashboard.compression import compressed
from app.dashboard.page_response import FileResponse
from app.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit

FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
YEAR = 365 * 86400


def show(visit: Visit) -> Response:
    """Pages ask for a file with the version in its address, so that it may be kept for a year."""
    name = visit.name
    if name not in os.listdir(FOLDER):
        raise NotFound("There is no such file")
    response = FileResponse(_content(name), TYPES[os.path.splitext(name)[1]])
    is_named = visit.query.get("v") != ""
    age = YEAR if is_named else 60
    response.headers["Cache-Control"] = f"public, max-age={age}" + ", immutable" * is_named
    return compressed(response, visit.request)


def version_of(name: str) -> str:
    """Changes with the content of this file."""
    from app.hashes import sha256  # loaded when needed

    if name not in _versions:
        _versions[name] = sha256(_content(name)).hexdigest()[:12]
    return _versions[name]


_versions: dict[str, str] = {}


def _content(name: str) -> bytes:
    with open(os.path.join(FOLDER, name), "rb") as file:
        return file.read()
