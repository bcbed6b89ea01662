"""TaskManager's one entry.

Passenger and every WSGI server import ``application`` from here; executed, this file is a CGI
program; ``flask --app passenger_wsgi`` finds ``create_app``.
"""

from __future__ import annotations  # An error in this line: TaskManager needs Python 3.9 or newer.

import gc
import os
import sys

if __name__ == "__main__":
    # A CGI process lives for one request: collecting garbage would only make it longer.
    gc.disable()

FOLDER = os.path.dirname(os.path.abspath(__file__))
VENDOR = os.path.join(FOLDER, "vendor")
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
if VENDOR not in sys.path and os.path.isdir(VENDOR):
    sys.path.insert(1, VENDOR)

from app.server.entry import application, check_settings, create_app, run_cgi  # noqa: E402

__all__ = ["application", "create_app"]

if __name__ == "__main__":
    run_cgi()
elif not os.environ.get("FLASK_RUN_FROM_CLI"):
    # A wrong setting stops a server when it starts, not at its first request.
    check_settings()
