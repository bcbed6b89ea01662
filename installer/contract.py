"""The hand-over: what deploy.py and the installer in an archive tell each other.

People upload whichever deploy.py they have with whichever archive they have. So a contract never
changes once it is out: what it does not say yet becomes a new number, and both sides go on
speaking the old ones. deploy.py knows its own numbers and those in the archive's manifest
(``contracts``), and takes the newest that both speak.

Contract 1
----------
deploy.py starts a Python of its own for each hand-over, so that nothing it has loaded meets the
code in the archive: ``python -I -B -X utf8 -c START PATH``, in the private data folder. START puts
PATH, an archive or an installed version's folder, first on ``sys.path`` and calls `main` here. The
environment has nothing of the web server's request. On standard input comes one JSON object:

    contract     1
    mode         "page" or "unattended"
    site         web_folder, home, kind ("cgi" or "passenger"), url, document_root, server, address
    script       the path of deploy.py
    archive      null, or path, label (what to call it), name (of the build), version, manifest
                 (the SHA-256 of its MANIFEST.json); every file in it was compared with the manifest
    lock         file and content: to be written, as JSON, when the work is finished. From then on
                 deploy.py lets nobody in but the session that finished
    seconds      how long one request may work
    page         method, form, own_path (where forms go), csrf (their token), wants_json,
                 is_finished (whether the lock holds, and this is the session that finished)
    unattended   config, config_file (its path), secrets (the variables DEPLOY_…), as_json, is_back

For a page the response is one JSON object on standard output:

    {"reload": true}                                      the browser is sent to own_path
    {"status", "data"}                                    JSON, for the page's script
    {"status", "title", "body", "style", "script", "headers"}    a page; deploy.py frames it

The frame has the style of headings, forms, buttons, `.error`, `.copied`, `.steps` and `.checks`,
the headers that protect the page, and the script behind buttons with ``data-copy``. Unattended,
what is printed is for whoever started deploy.py, and the exit code is its own.

deploy.py writes its own files in the private data folder under the lock ``.htlock-state``.
"""

from __future__ import annotations

import json
import os
import sys

CONTRACTS = (1,)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """Do what the request on standard input asks for; the exit code."""
    request = json.load(sys.stdin)
    if request["contract"] not in CONTRACTS:
        print(
            f"deploy.py: this archive does not speak contract {request['contract']}. Upload the "
            "deploy.py that was built with it.",
            file=sys.stderr,
        )
        return 4
    if request["mode"] == "unattended":
        from installer.unattended import run

        return run(request)
    return respond(request)


def respond(request: dict[str, Any]) -> int:
    """Standard output is for the response alone: what is printed meanwhile goes to the log."""
    from installer.actions import respond_to

    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        json.dump(respond_to(request), output)
    return 0
