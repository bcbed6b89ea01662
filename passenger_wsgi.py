"""TaskManager's one entry.

Passenger and every WSGI server import ``application`` from here; executed, this file is a CGI
program; ``flask --app passenger_wsgi`` finds ``create_app``.
"""

import gc
import os
import sys

if __name__ == "__main__":
    # A CGI process lives for one request: collecting garbage would only make it longer.
    gc.disable()

FOLDER = os.path.dirname(os.path.abspath(__file__))
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)

_kept = {}


def application(environ, start_response):
    """The WSGI application. Flask is loaded by the first request that needs it."""
    from app.api import wsgi

    if wsgi.belongs_here(environ):
        return wsgi.respond(environ, start_response, _site())
    if "flask" not in _kept:
        _kept["flask"] = create_app()
    return _kept["flask"](environ, start_response)


def create_app():
    """The Flask application, on the same site as ``application``."""
    from app import create_app as make

    return make(_site())


def _site():
    if "site" not in _kept:
        from app import site

        _kept["site"] = site.load()
    return _kept["site"]


def _run_cgi():
    from wsgiref.handlers import CGIHandler

    try:
        _site()
    except Exception as error:
        _refuse(error)
        return 1
    CGIHandler().run(application)
    return 0


def _refuse(error):
    """A site that is set up wrongly says so in the log, and to the caller only that much."""
    from app.api.http import failure

    print(f"taskmanager: {error}", file=sys.stderr)
    message = "TaskManager is not set up rightly; what is wrong is in the server's error log"
    body = failure(500, "internal", message).body()
    head = f"Status: 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n"
    sys.stdout.buffer.write(head.encode("ascii") + body)


if __name__ == "__main__":
    code = _run_cgi()
    sys.stdout.flush()
    sys.stderr.flush()
    # Ending at once saves what taking the interpreter apart would cost.
    os._exit(code)
elif not os.environ.get("FLASK_RUN_FROM_CLI"):
    # A wrong setting stops the server here, not at the first request.
    _site()
