"""Where the application is mounted and which path is asked for, whatever the server reports.

Below CGI the web server's front controller bends both; ``SCRIPT_NAME`` and ``PATH_INFO`` are put
right here, once, so that the short way and Flask see the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Environ = dict[str, Any]

PASSENGER_MARK = "passenger.hijack"
"""In the environment of every request that Passenger brings, and of no other."""


def correct_for_cgi(environ: Environ) -> None:
    """``SCRIPT_NAME`` without the program's file name, where the address has none in it, and
    ``PATH_INFO`` from the address where the server gives none.
    """
    asked = _asked_path(environ)
    script: str = environ.get("SCRIPT_NAME", "")
    if not asked or _is_below(asked, script):
        return
    folder = script.rpartition("/")[0]
    if not _is_below(asked, folder):
        # The whole domain is served from a folder that its addresses do not show.
        folder = ""
    environ["SCRIPT_NAME"] = folder
    if not environ.get("PATH_INFO"):
        environ["PATH_INFO"] = asked[len(folder) :]


def correct_for_passenger(environ: Environ) -> None:
    """Passenger leaves ``PATH_INFO`` as it was in the address, and ends the input after a body
    of unknown length. (Without a body the input does not end: reading would wait forever.)
    """
    environ["PATH_INFO"] = _decoded(environ.get("PATH_INFO", ""))
    if "HTTP_TRANSFER_ENCODING" in environ:
        environ["wsgi.input_terminated"] = True


def _asked_path(environ: Environ) -> str:
    """The path of the address as the web server took it: decoded, without ``//``, ``.`` and
    ``..``. Empty where the server hides it.
    """
    address: str = environ.get("REQUEST_URI", "").partition("?")[0]
    if "://" in address:
        address = "/" + address.partition("://")[2].partition("/")[2]
    parts: list[str] = []
    for part in _decoded(address).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    end = "/" if parts and address.endswith("/") else ""
    return "/" + "/".join(parts) + end if address else ""


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _decoded(path: str) -> str:
    if "%" not in path:
        return path
    # Loaded when needed: the paths of workers' calls have nothing to decode.
    from urllib.parse import unquote

    return unquote(path, "latin-1")
