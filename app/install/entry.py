"""The files in a site's web folder through which every request comes in.

They are few lines that read which version serves and hand over to it, so that replacing one small
file, ``current``, replaces the whole program.
"""

from __future__ import annotations

import os
import py_compile
import sys
import tempfile
import time
from pathlib import Path

from app.install.files import DRAFT, write_whole

CGI = "cgi"
PASSENGER = "passenger"
KINDS = (CGI, PASSENGER)

BEGIN = "# BEGIN TaskManager"
END = "# END TaskManager"

MAX_SHEBANG = 120
"""Older Linux kernels cut a longer first line."""

_HOME_AND_SETTINGS = """\
HOME = {home}
os.environ.setdefault("TASKMANAGER_CONFIG", HOME + "/config.py")
os.environ.setdefault("TASKMANAGER_LOG_FILE", HOME + "/logs/taskmanager.log")
"""

_UNAVAILABLE = (
    '{"success":false,"error":"TaskManager is being changed: try again shortly",'
    '"message":"TaskManager is being changed: try again shortly","code":"unavailable"}'
)
"""The response to a call while no version can be served."""

_INDEX_CGI = (
    """\
{shebang}
# TaskManager's entry, written by its installer: serves the version that HOME/current names.
import gc

gc.disable()  # a process lives for one request: collecting garbage would only make it longer

import os
import sys

"""
    + _HOME_AND_SETTINGS
    + """
try:
    with open(HOME + "/current") as file:
        folder = HOME + "/releases/" + file.read().strip()
    sys.path[:1] = [folder, folder + "/vendor"]
    from app.entry import run_cgi

    run_cgi()
except Exception as error:
    sys.stderr.write("taskmanager: no version can be served: %r\\n" % error)
    sys.stdout.write(
        "Status: 503 Service Unavailable\\r\\n"
        "Content-Type: application/json; charset=utf-8\\r\\n"
        "Cache-Control: no-store\\r\\n"
        "Retry-After: 5\\r\\n\\r\\n"
        {unavailable}
    )
    sys.stdout.flush()
    if os.environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in os.environ:
        # Some servers cut the response of a program that leaves its input unread. A body that
        # does not arrive is waited for no longer than a second.
        import select
        import socket
        import time

        end = time.monotonic() + 1
        while select.select([0], [], [], max(0, end - time.monotonic()))[0]:
            if not os.read(0, 65536) or time.monotonic() > end:
                break
        try:
            # mod_cgid gives a socket: with something unread in it, the response would be lost.
            with socket.socket(fileno=os.dup(0)) as connection:
                connection.shutdown(socket.SHUT_RD)
                while connection.recv(65536):
                    pass
        except OSError:
            pass  # a pipe
"""
)

_PASSENGER_WSGI = (
    """\
# TaskManager's entry, written by its installer: serves the version that HOME/current names.
# After a change of that file, or of this one, touch tmp/restart.txt. In a control panel name
# taskmanager_wsgi.py as startup file, never passenger_wsgi.py: panels write that file themselves.
import importlib.util
import os
import re
import sys

"""
    + _HOME_AND_SETTINGS
    + """
# Nothing but the application reaches the installer here, as long as it lies beside this file.
FOLDER = os.path.dirname(os.path.abspath(__file__))
INSTALLER = re.compile(r"/((taskmanager-[0-9A-Za-z.+-]+-)?deploy\\.py)")
BODY = {unavailable}.encode()
HEADERS = [
    ("Content-Type", "application/json; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Retry-After", "5"),
]
loaded = []


def load():
    with open(HOME + "/current") as file:
        folder = HOME + "/releases/" + file.read().strip()
    sys.path[:0] = [folder, folder + "/vendor"]
    from app import entry

    entry.keep_log()
    return entry.application


def installer(path):
    # Looked for in each request: an upgrade begins with the upload of another one.
    found = INSTALLER.fullmatch(path)
    return os.path.join(FOLDER, found[1]) if found else ""


def run_installer(path):
    spec = importlib.util.spec_from_file_location("taskmanager_installer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.application


def application(environ, start_response):
    path = installer(environ.get("PATH_INFO", ""))
    if path and os.path.isfile(path):
        return run_installer(path)(environ, start_response)
    try:
        if not loaded:
            loaded.append(load())
    except Exception as error:
        sys.stderr.write("taskmanager: no version can be served: %r\\n" % error)
        start_response("503 Service Unavailable", HEADERS)
        return [BODY]
    return loaded[0](environ, start_response)
"""
)

PANEL_ENTRY = "passenger_wsgi.py"
OWN_ENTRY = "taskmanager_wsgi.py"
"""The same program under a name that no control panel writes to."""

# Control panels write a passenger_wsgi.py of their own whenever an application is saved. It loads
# the "startup file", and that may be passenger_wsgi.py itself, or an installer that is gone. This
# program takes the place of such a file: it is stored as its bytecode, in the one form that Python
# loads without comparing it with the source. Any other passenger_wsgi.py is run as it is.
_PANEL_GUARD = """\
import os
import re

FOLDER = os.path.dirname(os.path.abspath(__file__))
entry = os.path.join(FOLDER, "passenger_wsgi.py")
with open(entry, encoding="utf-8", errors="replace") as file:
    text = file.read()
stub = re.search(r"^[ \\t]*\\w+ *=.*load_source\\([^,]+, *['\\"]([^'\\"]+)['\\"]", text, re.M)
if stub:
    startup = os.path.realpath(os.path.join(FOLDER, stub[1]))
    if startup == os.path.realpath(entry) or not os.path.isfile(startup):
        entry = os.path.join(FOLDER, "taskmanager_wsgi.py")
        with open(entry, encoding="utf-8") as file:
            text = file.read()
exec(compile(text, entry, "exec"), globals())
"""

# Every address goes to index.cgi, without the usual question whether a file has that name: files
# are not for the web. The path is not handed over in the new address, where Apache would decode
# it a second time; index.cgi takes it from REQUEST_URI. ENTRY_BASE is the address of this folder,
# found in each request, because one folder may be reached by several. CGIPassAuth is left out: it
# needs AllowOverride AuthConfig, and the two other ways to pass Authorization on need nothing
# that the rewriting does not need itself. The files in .well-known are how hosts renew a domain's
# certificate.
_FRONT_CONTROLLER = """\
Options +ExecCGI -Indexes
DirectoryIndex index.cgi
<FilesMatch "^(index\\.cgi|(taskmanager-[0-9A-Za-z.+-]+-)?deploy\\.(py|cgi))$">
    SetHandler cgi-script
</FilesMatch>
<IfModule mod_setenvif.c>
    SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1
</IfModule>
RewriteEngine On
RewriteCond %{HTTP:Authorization} .
RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteRule ^index\\.cgi(/|$) - [L]
RewriteRule ^\\.well-known/(acme-challenge|pki-validation)/[\\w.-]+$ - [L]
RewriteCond %{REQUEST_FILENAME} -f
RewriteRule ^(taskmanager-[0-9A-Za-z.+-]+-)?deploy\\.(py|cgi)$ - [L]
RewriteCond "%{REQUEST_URI}::$1" "(?s)^(.*?/)(.*)::\\2$"
RewriteRule "(?s)^(.*)$" - [E=ENTRY_BASE:%1]
RewriteRule ^ %{ENV:ENTRY_BASE}index.cgi [L]
"""

# For Apache 2.4 and 2.2. Where a host does not allow one of these lines, Apache answers 500 for
# everything in the folder, which is as good.
_DENY_ALL = """\
<IfModule mod_authz_core.c>
    Require all denied
</IfModule>
<IfModule !mod_authz_core.c>
    Order deny,allow
    Deny from all
</IfModule>
"""


def index_cgi(home: Path, interpreter: str) -> str:
    """The CGI program, run by ``interpreter`` (an absolute path)."""
    return _INDEX_CGI.format(
        shebang=shebang(interpreter), home=_literal(home), unavailable=repr(_UNAVAILABLE)
    )


def passenger_wsgi(home: Path) -> str:
    """Passenger's startup file; the interpreter is the host's affair."""
    return _PASSENGER_WSGI.format(home=_literal(home), unavailable=repr(_UNAVAILABLE))


def front_controller() -> str:
    """The ``.htaccess`` of the web folder, the same for a document root and a folder below it.

    Needs ``AllowOverride FileInfo Indexes Options`` and mod_rewrite.
    """
    return _FRONT_CONTROLLER


def deny_all() -> str:
    """The ``.htaccess`` of a folder out of which nothing may be read."""
    return _DENY_ALL


def write_entry(web_folder: Path, home: Path, interpreter: str, kind: str) -> None:
    """Put the entry of ``kind`` (``cgi`` or ``passenger``) into the web folder, and close
    ``home`` to web servers. May be repeated. Each file is replaced as a whole, and what else an
    ``.htaccess`` in the web folder says stays in it.

    Raises OSError when a folder cannot be written to, ValueError for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, and is {kind!r}")
    (home / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(home / ".htaccess", deny_all(), 0o644)
    if kind == CGI:
        write_whole(web_folder / "index.cgi", index_cgi(home, interpreter), 0o755)
        write_whole(web_folder / ".htaccess", _merged(web_folder / ".htaccess"), 0o644)
    else:
        (web_folder / "tmp").mkdir(mode=0o755, exist_ok=True)
        for name in (OWN_ENTRY, PANEL_ENTRY):
            write_whole(web_folder / name, passenger_wsgi(home), 0o644)
        _guard_against_stubs(web_folder)
        ask_for_restart(web_folder)


def _guard_against_stubs(web_folder: Path) -> None:
    """Make this Python load the entry whatever a control panel writes into its file."""
    cache = web_folder / "__pycache__"
    cache.mkdir(mode=0o755, exist_ok=True)
    handle, source = tempfile.mkstemp(prefix=DRAFT, dir=cache)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_PANEL_GUARD)
        py_compile.compile(
            source,
            str(cache / f"passenger_wsgi.{sys.implementation.cache_tag}.pyc"),
            dfile=str(web_folder / PANEL_ENTRY),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    finally:
        os.unlink(source)


def ask_for_restart(web_folder: Path) -> None:
    """Have Passenger start new processes, which read ``current`` again. Does nothing elsewhere.

    Passenger looks at the whole seconds of the file's time: asked twice within a second, it
    would hear once, so the time is made later than it was. Raises OSError.
    """
    if not (web_folder / "tmp").is_dir():
        return
    path = web_folder / "tmp" / "restart.txt"
    before = path.stat().st_mtime if path.exists() else 0.0
    path.touch()
    moment = max(time.time(), before + 1)
    os.utime(path, (moment, moment))


def shebang(interpreter: str) -> str:
    """The first line of a program: through the shell where the kernel would not understand.

    ``-S`` leaves out Python's module ``site``, a third of an interpreter's start, which every call
    would wait for. It would add folders of packages, and a version has its own in ``vendor/``.
    """
    line = f"#!{interpreter} -S"
    if len(os.fsencode(line)) <= MAX_SHEBANG and not set(interpreter) & set(" \t"):
        return line
    quoted = "'" + interpreter.replace("'", "'\"'\"'") + "'"
    return f"#!/bin/sh\n'''exec' {quoted} -S \"$0\" \"$@\"\n' '''"


def _literal(home: Path) -> str:
    """A path as Python text in ASCII: a file system's names need not be UTF-8."""
    return ascii(str(home))


def _merged(path: Path) -> str:
    """Our lines, and after them those of the file that are not ours."""
    try:
        before = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        before = ""
    head, begin, rest = before.partition(BEGIN + "\n")
    if begin:
        before = head + rest.partition(END + "\n")[2]
    return f"{BEGIN}\n{front_controller()}{END}\n{before}"
