#!/usr/bin/env python3
# -*- coding: utf-8 -*-
# TaskManager's installer.
#
# If a browser shows you this text, the web server handed the file out instead of running it:
# nothing was installed and nothing was changed. Three things to try, in this order:
#   1. Give the file the mode 755 (in FTP programs: "file permissions", 7-5-5).
#   2. Rename it to deploy.cgi, or move it into the folder cgi-bin.
#   3. Ask your host how Python programs are run: as CGI, or by the control panel's
#      "Setup Python App" (docs/hosting.md explains both).
#
# To try TaskManager on a computer of your own, open a terminal in the project's folder and type
#
#     python3 deploy.py --local
#
# It needs Python 3.9 or newer, and no other thing. What follows is the program itself.
"""Install TaskManager, or upgrade it. `python3 deploy.py --help` tells how.

Runs as a CGI program, as a Passenger startup file (`application`), and from the command line.
Standard library only. The program itself is a string, which is compiled by a Python that is new
enough. All around it must run on Python 2.7, so that an old Python can say that it is too old.
"""

import os
import sys

# --- What you may set before you upload this file ----------------------------------------------

# The password that the page asks for: at least 8 characters between the quotes. Left empty, the
# page asks you to create a file with a random name instead.
ADMIN_PASSWORD = ""

# Where to fetch the release when no taskmanager-….zip lies beside this file, and its SHA-256.
RELEASE_URL = ""
RELEASE_SHA256 = ""

# ------------------------------------------------------------------------------------------------

OLDEST_PYTHON = (3, 9)

TOO_OLD = (
    "TaskManager needs Python {}.{} or newer, and this is Python {}.{}. "
    "On a web host, choose a newer one in the control panel, or write its path into the first line "
    "of this file, for example #!/usr/bin/python3.11. In a terminal, start it with a newer one, "
    "for example: python3.11 deploy.py --local"
).format(*(OLDEST_PYTHON + tuple(sys.version_info[:2])))


def say_too_old(environ, start_response):  # type: ignore[no-untyped-def]
    """What Passenger's `application` answers then."""
    start_response("500 Old Python", [("Content-Type", "text/plain; charset=utf-8")])
    return [TOO_OLD.encode("utf-8")]


# --- The program --------------------------------------------------------------------------------

PROGRAM = r'''
# Nothing of this program's own may lie about as bytecode in a web folder.
sys.dont_write_bytecode = True

import argparse
import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import hmac
import html
import importlib
import json
import py_compile
import re
import secrets
import shutil
import stat
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import IO, Any, Optional

SCRIPT = Path(__file__).resolve()
PROJECT = SCRIPT.parent
OLDEST_PYTHON_NAME = "{}.{}".format(*OLDEST_PYTHON)

EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_FAILED = 4

EXIT_CODES = """\
exit codes:
  0  done: installed or upgraded, built, every task completed (--once), or ended by Ctrl-C
  1  --once: some tasks did not complete
  2  wrong usage, an answer that cannot be used, or a PATH that cannot be used
  3  something is missing on this machine; the message says what brings it
  4  a step failed; the message says which and why; run it again to go on from there
  128 + N  ended by signal N before it was done (130 is Ctrl-C)
"""

INSTALL_HELP = """\
unattended installation:
  python3 deploy.py --install --config answers.json [--json]

  answers.json is an object with
    url            the site's address, https://example.com/queue (needed)
    kind           "cgi" (default) or "passenger"
    web_folder     where the entry goes; default: the folder of deploy.py
    home           where everything else goes; default: beside the document root
    document_root  the web root, when web_folder is a sub-folder of it
    archive        the release; default: the newest taskmanager-*.zip beside deploy.py
    database       {"engine": "sqlite"} (default), or
                   {"engine": "mysql", "host": …, "name": …, "user": …}; "prefix": "tm_" keeps
                   the tables apart from another program's
    examples       true: install all example handlers; some read any file that a task names
  and secrets come from the environment: DEPLOY_DB_PASS, DEPLOY_ADMIN_PASSWORD (when the file
  sets ADMIN_PASSWORD), DEPLOY_API_KEY (default: a random one).

  --json prints one object a step, {"step", "status", "detail"}, and at the end one with
  "status": "installed", "upgraded", "back" or "failed". Run again, it goes on where it was; with a
  newer archive it upgrades.

going back to the version before the last upgrade:
  python3 deploy.py --back --config answers.json [--json]
"""

STEP_SECONDS = 12.0  # of work in one request; many hosts end a request after 30
SCRIPT_SECONDS = 2.0  # the same where the page's script shows how far it is
NEEDED_BYTES = 100_000_000
WEB_ROOT_NAMES = {"public_html", "www", "htdocs", "html", "httpdocs", "web", "public", "wwwroot"}

ARCHIVE_BYTES = 100_000_000
UNPACKED_BYTES = 250_000_000
ARCHIVE_FILES = 20_000
MANIFEST = "MANIFEST.json"
MANIFEST_BYTES = 5_000_000

DENY_ALL = """\
<IfModule mod_authz_core.c>
    Require all denied
</IfModule>
<IfModule !mod_authz_core.c>
    Order deny,allow
    Deny from all
</IfModule>
"""


class Failure(Exception):
    """A step cannot be done. The message tells a person why and what to do about it."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED, field: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.field = field


class Again(Exception):
    """A step did a part of its work and wants to be called again. The message says how far."""

    def __init__(self, message: str, part: float = 0.0) -> None:
        super().__init__(message)
        self.part = part


class Busy(Exception):
    """Another process is at work on this installation."""


# --- Files --------------------------------------------------------------------------------------


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile."""
    descriptor, draft = tempfile.mkstemp(prefix=".ht-draft-", dir=str(path.parent))
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is none, or none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def sentence_of(error: OSError) -> str:
    """What a person can do about an error of the system."""
    where = str(error.filename or "the folder")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            "The disk is full, or the account's quota is used up. Free at least "
            f"{NEEDED_BYTES // 1_000_000} MB and go on; nothing half-made is left in use."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where} cannot be written to. Let its folder belong to your account with the mode "
            "755 (control panel, file manager, permissions), and go on."
        )
    return f"{error.strerror or error} ({where})"


def probe_disk(folder: Path) -> None:
    """Write 8 MB and forget them: a quota shows only when something is written. Raises OSError."""
    with tempfile.TemporaryFile(dir=str(folder)) as probe:
        for _ in range(8):
            probe.write(b"\0" * (1 << 20))
        probe.flush()


def sentence_of_disk(folder: Path) -> str:
    """What to do about a disk that takes nothing more; empty for one that does."""
    try:
        probe_disk(folder)
    except OSError as error:
        return sentence_of(error)
    return ""


@contextlib.contextmanager
def locked(path: Path, wait: bool) -> Iterator[int]:
    """Hold a lock that ends with its holder, killed or not. Raises Busy unless told to wait."""
    with path.open("ab") as file:
        os.chmod(path, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield file.fileno()


def is_locked(path: Path) -> bool:
    try:
        with locked(path, wait=False):
            return False
    except Busy:
        return True


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


# --- Where things are ---------------------------------------------------------------------------


@dataclasses.dataclass
class Place:
    """One installation: the folder that the web serves, the home of all else, the address."""

    web_folder: Path
    home: Path
    kind: str
    url: str
    document_root: Path
    archive: Optional[Path] = None
    server: str = ""
    address: str = ""

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def is_outside(self) -> bool:
        """Whether no address of the web server can reach the home."""
        return self.document_root not in [self.home, *self.home.parents]

    def current(self) -> str:
        """The release that serves; empty before the first."""
        try:
            return (self.home / "current").read_text("utf-8").strip()
        except OSError:
            return ""

    def previous(self) -> str:
        """The release that served before the current one; empty where there is none to go to."""
        try:
            name = (self.home / "previous").read_text("utf-8").strip()
        except OSError:
            return ""
        is_there = re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]*", name) is not None
        return name if is_there and (self.releases / name).is_dir() else ""

    def is_installed(self) -> bool:
        return bool(self.current()) and (self.home / "config.py").is_file()

    def for_release(self, name: str) -> dict[str, str]:
        """What the release's own part of the installer is told."""
        return {
            "web_folder": str(self.web_folder),
            "home": str(self.home),
            "release": name,
            "interpreter": sys.executable,
            "kind": self.kind,
            "url": self.url,
            "address": self.address,
        }


def version_of(release: str) -> str:
    """The version in a release's name, which ends with what tells it from all others."""
    return release.rpartition("-")[0] or release


def choose_home(web_folder: Path, document_root: Path) -> Path:
    """A folder that no address reaches where the account has one, else one in the web folder."""
    name = "taskmanager" + "".join(f"-{part}" for part in _parts_below(web_folder, document_root))
    inside = web_folder / "taskmanager"
    if document_root not in [web_folder, *web_folder.parents]:
        return inside  # the app's folder of a control panel lies outside the web root
    parents = [folder.parent for folder in _web_roots(document_root)]
    for parent in parents:
        if (parent / name / ".htinstaller").is_file():
            return parent / name
    for parent in parents:
        if parent != Path("/") and _is_own(parent):
            return parent / name
    return inside


def _parts_below(web_folder: Path, document_root: Path) -> list[str]:
    """What tells this installation's home from those of other sites of the same account."""
    own = [] if document_root.name in WEB_ROOT_NAMES else [document_root.name]
    try:
        below = list(web_folder.relative_to(document_root).parts)
    except ValueError:
        below = []
    return [re.sub(r"[^0-9A-Za-z._-]", "_", part) for part in own + below]


def _web_roots(document_root: Path) -> list[Path]:
    """The outermost folder that is a web root by its name: it may hold other domains' roots."""
    named = [
        folder
        for folder in [document_root, *document_root.parents]
        if folder.name in WEB_ROOT_NAMES
    ]
    return named[-1:] or [document_root]


def _is_own(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.geteuid() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def prepare_home(home: Path) -> None:
    """The home, closed to others; the refusal for Apache comes before anything worth reading."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / ".htaccess").is_file():
        write_whole(home / ".htaccess", DENY_ALL.encode(), 0o644)
    (home / "logs").mkdir(mode=0o700, exist_ok=True)


# --- The journal --------------------------------------------------------------------------------


class Journal:
    """Which steps are done, on disk. A process that is killed leaves the last whole state."""

    def __init__(self, home: Path) -> None:
        self.path = home / "journal.json"
        self._content = read_json(self.path)

    @property
    def plan(self) -> str:
        return str(self._content.get("plan", ""))

    @property
    def release(self) -> str:
        return str(self._content.get("release", ""))

    @property
    def before(self) -> str:
        """The release that served when the plan was begun."""
        return str(self._content.get("before", ""))

    @property
    def target(self) -> str:
        """The release that is to serve again."""
        return str(self._content.get("target", ""))

    @property
    def failure(self) -> dict[str, str]:
        failure = self._content.get("failure")
        return failure if isinstance(failure, dict) else {}

    @property
    def is_finished(self) -> bool:
        return bool(self.plan) and self.next() is None

    def begin(self, plan: str, before: str) -> None:
        # An answer that nobody has read belongs to an earlier plan.
        for answer in self.path.parent.glob(".htanswer-*"):
            answer.unlink(missing_ok=True)
        self._content = {"plan": plan, "before": before, "began": int(time.time()), "steps": {}}
        self._write()

    def note(self, name: str, value: str) -> None:
        self._content[name] = value
        self._write()

    def done(self, step: str, detail: str) -> None:
        self._content["steps"][step] = {"detail": detail, "at": int(time.time())}
        self._content.pop("failure", None)
        self._content.pop("part", None)
        self._write()

    def failed(self, step: str, failure: Failure) -> None:
        said = {"step": step, "sentence": str(failure), "field": failure.field}
        self._content["failure"] = said
        self._write()

    def part(self, step: str, again: Again) -> None:
        self._content["part"] = {"step": step, "detail": str(again), "part": again.part}
        self._content.pop("failure", None)
        self._write()

    def forget(self) -> None:
        """There is no plan any more."""
        self._content = {}
        self._write()

    def undo(self, *steps: str) -> None:
        for step in steps:
            self._content["steps"].pop(step, None)
        self._content.pop("failure", None)
        self._write()

    def detail(self, step: str) -> str:
        """What a step that is done has said; empty when it is not done."""
        return str(self._content.get("steps", {}).get(step, {}).get("detail", ""))

    def is_done(self, step: str) -> bool:
        return step in self._content.get("steps", {})

    def next(self) -> Optional[str]:
        """The first step of the plan that is not done."""
        return next((step for step in PLANS.get(self.plan, []) if not self.is_done(step)), None)

    def progress(self) -> tuple[int, str]:
        """How much is done, in percent, and what is being done."""
        steps = PLANS.get(self.plan, [])
        done = float(sum(self.is_done(step) for step in steps))
        part = self._content.get("part") or {}
        if part.get("step") == self.next():
            done += min(float(part.get("part", 0)), 0.99)
        return round(100 * done / max(len(steps), 1)), str(part.get("detail", ""))

    def _write(self) -> None:
        write_json(self.path, self._content)


# --- The archive --------------------------------------------------------------------------------


def version_key(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:4])


def find_archive(place: Place) -> Optional[Path]:
    """The archive that was named, or the newest one beside deploy.py."""
    if place.archive:
        return place.archive
    found = [path for path in place.web_folder.glob("taskmanager-*.zip") if path.is_file()]
    found.sort(key=lambda path: (version_key(path.name), path.stat().st_mtime))
    downloaded = place.home / "download" / "taskmanager.zip"
    return found[-1] if found else downloaded if downloaded.is_file() else None


class Archive:
    """A release archive whose list of files has been checked. Raises Failure for a bad one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        check_sum(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise Failure(damaged(path, "it is no zip archive")) from None
        except NotImplementedError as error:
            raise Failure(damaged(path, str(error))) from None
        self._members = {entry.filename: checked(entry, path) for entry in self._zip.infolist()}
        self._check_whole()
        content = self.read(MANIFEST, MANIFEST_BYTES)
        self.manifest = self._manifest(content)
        self.name = f"{self.manifest['version']}-{hashlib.sha256(content).hexdigest()[:12]}"
        self.content = content

    def close(self) -> None:
        self._zip.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    @property
    def vendor_fits(self) -> bool:
        """Whether the packages in the archive were made for this Python."""
        vendor = self.manifest.get("vendor")
        if not isinstance(vendor, dict):
            return False
        python = "{}.{}".format(*sys.version_info[:2])
        platform = vendor.get("platform")
        return vendor.get("python") == python and platform in ("any", sysconfig.get_platform())

    def files(self) -> dict[str, str]:
        """The SHA-256 of each file that is to be unpacked."""
        files: dict[str, str] = self.manifest["files"]
        if self.vendor_fits:
            return files
        return {name: digest for name, digest in files.items() if not name.startswith("vendor/")}

    def read(self, name: str, limit: int = UNPACKED_BYTES) -> bytes:
        """One file's content. Raises Failure when it is damaged."""
        if name not in self._members:
            raise Failure(damaged(self.path, f"{name} is missing in it"))
        if self._members[name].file_size > limit:
            raise Failure(damaged(self.path, f"{name} is too large"))
        try:
            return self._zip.read(self._members[name])
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as e:
            raise Failure(damaged(self.path, str(e))) from None
        except OSError as error:
            raise Failure(damaged(self.path, str(error))) from None
        except Exception as error:
            if type(error).__module__ in ("zlib", "_lzma"):
                raise Failure(damaged(self.path, str(error))) from None
            raise

    def _check_whole(self) -> None:
        entries = self._zip.infolist()
        lowered = {entry.filename.lower() for entry in entries}
        if len(lowered) != len(entries):
            raise Failure(unsafe(self.path, "a name is in it twice"))
        if len(entries) > ARCHIVE_FILES:
            raise Failure(unsafe(self.path, "it holds too many files"))
        if sum(entry.file_size for entry in entries) > UNPACKED_BYTES:
            raise Failure(unsafe(self.path, "unpacked it would fill the disk"))

    def _manifest(self, content: bytes) -> dict[str, Any]:
        try:
            manifest = json.loads(content)
            files = manifest["files"]
            good = (
                manifest["name"] == "taskmanager"
                and re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,39}", manifest["version"])
                and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in files.values())
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good:
            raise Failure(damaged(self.path, f"{MANIFEST} in it is not TaskManager's"))
        if set(files) != set(self._members) - {MANIFEST}:
            raise Failure(damaged(self.path, f"its files are not those that {MANIFEST} lists"))
        if "app/install/__main__.py" not in files:
            raise Failure(damaged(self.path, "it holds no installer (app/install)"))
        return dict(manifest)


def check_sum(path: Path) -> None:
    """Compare with the SHA-256 set in this file or lying beside. Raises Failure."""
    try:
        if path.stat().st_size > ARCHIVE_BYTES:
            raise Failure(unsafe(path, "it is too large"))
        wanted = RELEASE_SHA256.strip().lower()
        beside = path.with_name(path.name + ".sha256")
        if not wanted and beside.is_file():
            wanted = beside.read_text("ascii", "replace")[:64].lower()
        if wanted and not hmac.compare_digest(sha256_of(path).encode(), wanted.encode()):
            raise Failure(damaged(path, "its SHA-256 is not the one that it should have"))
    except FileNotFoundError:
        raise Failure(f"{path.name} is not there. Upload it beside deploy.py.") from None


def checked(entry: zipfile.ZipInfo, path: Path) -> zipfile.ZipInfo:
    """An entry of an archive that can do no harm when it is unpacked. Raises Failure."""
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.create_system == 3 and kind not in (0, stat.S_IFREG):
        raise Failure(unsafe(path, "it holds a link or another thing that is no file"))
    parts = name.split("/")
    plain = re.fullmatch(r"[^\x00-\x1f\\:]{1,400}", name)
    if not plain or any(part in ("", ".", "..") for part in parts) or entry.flag_bits & 1:
        raise Failure(unsafe(path, "a name in it leads out of the release's folder"))
    return entry


def damaged(path: Path, why: str) -> str:
    return (
        f"{path.name} is damaged: {why}. Download it again and upload it again, in binary mode. "
        "Nothing of it was installed."
    )


def unsafe(path: Path, why: str) -> str:
    return (
        f"{path.name} was refused: {why}. It is not an archive as the project makes them; get it "
        "from the project itself. Nothing of it was installed."
    )


def unpack(archive: Archive, releases: Path, deadline: float) -> Path:
    """The release's folder, whole. May raise Again, and goes on where it was. Raises Failure."""
    target = releases / archive.name
    files = archive.files()
    if target.is_dir() and is_whole(target, archive):
        return target
    draft = releases / f".unpacking-{archive.name}"
    remove_drafts(releases, draft.name)
    draft.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        for number, (name, digest) in enumerate(sorted(files.items())):
            unpack_file(archive, name, digest, draft)
            if time.monotonic() > deadline:
                raise Again(f"{number + 1} of {len(files)} files", (number + 1) / len(files))
        (draft / MANIFEST).write_bytes(archive.content)
    except (OSError, Failure):
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if target.is_dir():
        os.rename(target, releases / f".damaged-{archive.name}-{secrets.token_hex(4)}")
    os.rename(draft, target)
    return target


def unpack_file(archive: Archive, name: str, digest: str, folder: Path) -> None:
    path = folder / name
    if path.is_file() and sha256_of(path) == digest:
        return
    content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise Failure(damaged(archive.path, f"{name} in it is not the file that {MANIFEST} lists"))
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)


def is_whole(folder: Path, archive: Archive) -> bool:
    """Whether every file of the archive is in the folder as it was made."""
    return all(
        (folder / name).is_file() and sha256_of(folder / name) == digest
        for name, digest in archive.files().items()
    )


def remove_drafts(releases: Path, keep: str) -> None:
    for pattern in (".unpacking-*", ".damaged-*"):
        for path in releases.glob(pattern):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)


def remove_unused(place: Place, keep: str) -> None:
    """Delete releases that neither serve, nor served before, nor are being installed."""
    kept = {place.current(), place.previous(), keep}
    for path in place.releases.iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def download(place: Place, deadline: float) -> Path:
    """The release of RELEASE_URL. May raise Again, and goes on where it was. Raises Failure."""
    if not RELEASE_URL:
        raise Failure(
            "There is nothing to install. Upload taskmanager-….zip into the folder of "
            f"{SCRIPT.name}, and try again.",
            EXIT_MISSING,
        )
    if not RELEASE_URL.startswith("https://") and not RELEASE_SHA256:
        raise Failure("RELEASE_URL must begin with https://, or RELEASE_SHA256 must be set.")
    folder = place.home / "download"
    folder.mkdir(mode=0o700, exist_ok=True)
    draft, target = folder / "taskmanager.part", folder / "taskmanager.zip"
    have = draft.stat().st_size if draft.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(RELEASE_URL, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            copy_download(answer, draft, have if answer.status == 206 else 0, deadline)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise Failure(f"{RELEASE_URL} answers {error.code} {error.reason}.") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise Failure(
            f"{RELEASE_URL} cannot be reached from here ({error}). Download it with "
            f"your browser and upload it beside {SCRIPT.name}."
        ) from None
    os.replace(draft, target)
    return target


def copy_download(answer: Any, draft: Path, have: int, deadline: float) -> None:
    length = have + int(answer.headers.get("Content-Length") or 0)
    with draft.open("ab") as file:
        file.truncate(have)
        for block in iter(lambda: answer.read(1 << 16), b""):
            file.write(block)
            have += len(block)
            if have > ARCHIVE_BYTES:
                raise Failure(
                    f"What {RELEASE_URL} offers is too large to be a TaskManager archive."
                )
            if time.monotonic() > deadline:
                raise Again(f"{have // 1000} of {length // 1000} kB", have / max(length, have))


# --- Work that outlives a request ---------------------------------------------------------------


def outsource(
    home: Path,
    name: str,
    command: list[str],
    request: dict[str, Any],
    deadline: float,
    folder: Path,
) -> dict[str, Any]:
    """What a process of its own answers. It goes on when the host ends this request.

    It reads its request as JSON and leaves its answer in the file that the request names. Raises
    Again while it is at work, and Failure when it was ended without an answer.
    """
    answer, lock = home / f".htanswer-{name}", home / f".htlock-{name}"
    log = home / "logs" / f"{name}.log"
    began = is_locked(lock) or answer.exists()
    if not began:
        start_process(command, {**request, "answer": str(answer)}, lock, log, folder)
    while is_locked(lock):
        if time.monotonic() > deadline:
            raise Again(last_line(log), 0.5)
        time.sleep(0.05)
    content = read_json(answer)
    answer.unlink(missing_ok=True)
    if not content:
        raise Failure(sentence_of_end(home, log))
    return content


def sentence_of_end(home: Path, log: Path) -> str:
    """Why a process may have left no answer."""
    return sentence_of_disk(home) or (
        f"The process of this step was ended before it was done. {log} ends:\n{tail(log)}\n"
        "Try again; if it happens again, ask your host about limits of memory and time."
    )


KEPT_VARIABLES = {
    *("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}


def start_process(
    command: list[str], request: dict[str, Any], lock: Path, log: Path, folder: Path
) -> None:
    env = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith(("PIP_", "LC_"))
    }
    env.update(PYTHONDONTWRITEBYTECODE="1", PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    env["HOME"] = os.environ.get("HOME") or str(lock.parent)
    # Only a concurrent check can hold this lock, and only briefly.
    with locked(lock, wait=True) as descriptor, log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=str(folder),
            env=env,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(descriptor,),
            start_new_session=True,
        )
    assert process.stdin
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(json.dumps(request).encode())


def tail(path: Path, count: int = 12) -> str:
    try:
        return "\n".join(path.read_text("utf-8", "replace").rstrip().splitlines()[-count:])
    except OSError:
        return "(nothing)"


def last_line(path: Path) -> str:
    return tail(path, 1).strip()[:120]


# --- Steps --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Job:
    """An installation at work: where, what is done, until when this request may work on."""

    place: Place
    journal: Journal
    deadline: float
    answers: Optional[dict[str, str]] = None

    @property
    def folder(self) -> Path:
        return self.place.releases / self.journal.release


def step_checks(job: Job) -> str:
    """Everything that can be told before anything is made."""
    failed = [check for check in checks(job.place) if check.state == FAILED]
    if failed:
        sentences = " ".join(f"{check.title}: {check.found} {check.advice}" for check in failed)
        raise Failure(sentences, EXIT_MISSING)
    return "nothing is missing"


def step_files(job: Job) -> str:
    """The release, unpacked and compared with its list of checksums."""
    path = find_archive(job.place) or download(job.place, job.deadline)
    job.place.releases.mkdir(mode=0o755, exist_ok=True)
    try:
        with Archive(path) as archive:
            refuse_older(job, archive)
            unpack(archive, job.place.releases, job.deadline)
            job.journal.note("release", archive.name)
            remove_unused(job.place, archive.name)
            return f"{archive.version}: {len(archive.files())} files, checked"
    except Failure:
        # A download that fails its check is downloaded again.
        shutil.rmtree(job.place.home / "download", ignore_errors=True)
        raise


def refuse_older(job: Job, archive: Archive) -> None:
    if is_older(job.place, archive):
        raise Failure(sentence_of_older(job.place, archive), EXIT_USAGE)


def is_older(place: Place, archive: Archive) -> bool:
    serving = place.current()
    return bool(serving) and version_key(archive.version) < version_key(version_of(serving))


def sentence_of_older(place: Place, archive: Archive) -> str:
    """What to do about an archive that is older than what is installed."""
    sentence = (
        f"{archive.path.name} is older than what is installed ({version_of(place.current())}). "
        "Upload a newer archive and delete this one."
    )
    if place.previous() == archive.name:
        sentence += f" To use {archive.version} again, go back to it."
    return sentence


# Runs pip, then puts its result in place whole.
PIP_PROGRAM = """
import json, os, shutil, subprocess, sys
request = json.load(sys.stdin)
shutil.rmtree(request["draft"], ignore_errors=True)
code = subprocess.call(request["command"], stdin=subprocess.DEVNULL)
if code == 0:
    os.rename(request["draft"], request["target"])
with open(request["answer"] + ".draft", "w") as file:
    json.dump({"code": code}, file)
os.replace(request["answer"] + ".draft", request["answer"])
"""


def step_dependencies(job: Job) -> str:
    """The packages that the release needs, from its archive or by pip, in vendor/."""
    vendor = job.folder / "vendor"
    if vendor.is_dir() and not fits_this_python(vendor):
        shutil.rmtree(vendor)
    if vendor.is_dir():
        return "came with the archive" if in_archive(job.folder) else "installed by pip"
    draft = job.place.releases / f".unpacking-vendor-{job.journal.release}"
    pip = [sys.executable, "-m", "pip", "install", "--target", str(draft), "--no-compile"]
    pip += ["--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    pip += ["--progress-bar", "off", "--cache-dir", str(job.place.home / ".pip-cache")]
    request = {
        "command": [*pip, *requirements(job.folder)],
        "draft": str(draft),
        "target": str(vendor),
    }
    command = [sys.executable, "-c", PIP_PROGRAM]
    answer = outsource(job.place.home, "pip", command, request, job.deadline, job.place.home)
    if answer.get("code") != 0 or not vendor.is_dir():
        raise Failure(pip_sentence(tail(job.place.home / "logs" / "pip.log", 40)))
    shutil.rmtree(job.place.home / ".pip-cache", ignore_errors=True)
    return "installed by pip"


def fits_this_python(vendor: Path) -> bool:
    """Whether compiled packages are for this Python: a control panel may have changed it."""
    tag = f".{sys.implementation.cache_tag}-"
    return all(tag in path.name for path in vendor.rglob("*.cpython-*.so"))


def in_archive(folder: Path) -> bool:
    files = read_json(folder / MANIFEST).get("files", {})
    return any(name.startswith("vendor/") for name in files)


def requirements(folder: Path) -> list[str]:
    text = (folder / "setup.cfg").read_text("utf-8")
    block = re.search(r"^install_requires =\n((?:[ \t]+.*\n)+)", text, re.MULTILINE)
    return [line.strip() for line in block[1].splitlines()] if block else []


PIP_TROUBLE = [
    (r"No module named pip", "This Python comes without pip."),
    (
        r"NewConnectionError|Temporary failure in name resolution|Network is unreachable"
        r"|ConnectTimeout|Connection refused|ProxyError",
        "pip cannot reach the Python package index from here.",
    ),
    (r"No space left|Disk quota exceeded|File too large", "The disk or the quota is full."),
    (r"No matching distribution|Could not find a version", "A package has no fitting version."),
]


def pip_sentence(output: str) -> str:
    known = [sentence for pattern, sentence in PIP_TROUBLE if re.search(pattern, output)]
    lines = "\n".join(output.splitlines()[-8:])
    return (
        f"{known[0] if known else 'pip failed.'} Use the archive that brings the packages along "
        "(made on any machine with this Python's version by: python3 deploy.py --build "
        f"--with-vendor): upload it beside {SCRIPT.name}, and go on. pip said:\n{lines}"
    )


def step_compile(job: Job) -> str:
    """Bytecode for every module, so that no request has to make it."""
    modules = sorted(job.folder.rglob("*.py"))
    for number, path in enumerate(modules):
        compiled = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        if not compiled.is_file():
            # Unchecked: files that a host moves or restores from a backup get other times.
            py_compile.compile(
                str(path),
                str(compiled),
                quiet=2,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        if time.monotonic() > job.deadline and number + 1 < len(modules):
            raise Again(f"{number + 1} of {len(modules)} modules", (number + 1) / len(modules))
    return f"{len(modules)} modules"


def release_step(name: str) -> "Step":
    """A step that the release itself knows how to take, in a process of its own."""

    def take(job: Job) -> str:
        return ask_release(job, name, job.answers or {})

    return take


def ask_release(job: Job, name: str, answers: dict[str, str]) -> str:
    """What the release that is being installed answers. Raises Failure."""
    request = {"step": name, "site": job.place.for_release(job.journal.release)}
    request["form"] = answers
    request["before"] = job.journal.before
    command = [sys.executable, "-s", "-m", "app.install"]
    answer = outsource(job.place.home, name, command, request, job.deadline, job.folder)
    if not answer.get("ok"):
        said = str(answer.get("sentence") or "It failed without a message.")
        # Whatever the step says then, this is why.
        sentence = sentence_of_disk(job.place.home) or said
        raise Failure(sentence, field=str(answer.get("field", "")))
    return str(answer.get("detail", ""))


def step_database(job: Job) -> str:
    """The settings of the database: those of an installed site are kept, others are tried."""
    pending = (job.place.home / ".htanswer-database").exists()
    config = job.place.home / "config.py"
    if not pending and config.is_file() and (job.answers is None or job.journal.before):
        return "kept config.py"
    return take_database(job)


def step_selftest(job: Job) -> str:
    """The site as strangers see it. A newer release that fails here has gone back by itself."""
    return take_selftest(job)


def step_back(job: Job) -> str:
    """The release before serves again. The newer one does this, since it knows how."""
    return ask_release(job, "back", {"to": job.journal.target})


def discard_refused(job: Job) -> str:
    """Delete an upgrade's release that does not serve after it was tried: what was done."""
    name = job.journal.release
    is_refused = job.journal.plan == "upgrade" and name not in ("", job.place.current())
    if not is_refused or not job.journal.is_done("compile"):
        return ""
    freed = size_of(job.folder)
    if name != job.place.previous():
        shutil.rmtree(job.folder, ignore_errors=True)
    job.journal.undo("files", "dependencies", "compile", "upgrade", "entry", "selftest")
    return f" The files of {name} are deleted again ({freed / 1e6:.0f} MB freed)."


def step_finish(job: Job) -> str:
    """What the last page shows; and nothing half-written stays behind."""
    detail = take_finish(job)
    for name in ("download", ".pip-cache"):
        shutil.rmtree(job.place.home / name, ignore_errors=True)
    # The vault alone is written to without the lock that this step's caller holds.
    with locked(job.place.home / ".htlock-vault", wait=True):
        for folder in (job.place.home, job.place.web_folder):
            for draft in folder.glob(".ht-draft-*"):
                draft.unlink(missing_ok=True)
    return detail


Step = Callable[[Job], str]

take_database = release_step("database")
take_selftest = release_step("selftest")
take_finish = release_step("finish")

STEPS: dict[str, tuple[str, Step]] = {
    "checks": ("Checks", step_checks),
    "files": ("Files", step_files),
    "dependencies": ("Dependencies", step_dependencies),
    "compile": ("Bytecode", step_compile),
    "database": ("Database", step_database),
    "tables": ("Tables", release_step("tables")),
    "entry": ("Entry", release_step("entry")),
    "selftest": ("Self-test", step_selftest),
    "upgrade": ("Switch and self-test", release_step("upgrade")),
    "back": ("Switch back and self-test", step_back),
    "finish": ("Finish", step_finish),
}

PLANS: dict[str, list[str]] = {
    "install": [
        *("checks", "files", "dependencies", "compile", "database"),
        *("tables", "entry", "selftest", "finish"),
    ],
    "upgrade": [
        *("checks", "files", "dependencies", "compile"),
        *("upgrade", "entry", "selftest", "finish"),
    ],
    "back": ["back"],
}


def plan_for(place: Place) -> str:
    """Whether there is a site to upgrade to another release. Raises Failure for a bad archive."""
    shutil.rmtree(place.home / "download", ignore_errors=True)
    path = find_archive(place)
    if not place.is_installed():
        return "install"
    if path is None:
        return "upgrade" if RELEASE_URL else "install"
    with Archive(path) as archive:
        if is_older(place, archive):
            raise Failure(sentence_of_older(place, archive), EXIT_USAGE)
        return "install" if archive.name == place.current() else "upgrade"


def begin_back(place: Place, journal: Journal) -> None:
    """Plan to let the release before serve again. Raises Failure."""
    target = place.previous()
    if not place.is_installed() or target in ("", place.current()):
        raise Failure(
            "There is no earlier version to go back to: only the one before the last upgrade is "
            "kept.",
            EXIT_USAGE,
        )
    journal.begin("back", place.current())
    journal.note("release", place.current())
    journal.note("target", target)


def cancel(job: Job) -> None:
    """Give an upgrade up: what serves goes on, and nothing of the other release stays."""
    with locked(job.place.home / ".htlock-work", wait=False):
        remove_drafts(job.place.releases, "")
        remove_unused(job.place, "")
        for name in ("download", ".pip-cache"):
            shutil.rmtree(job.place.home / name, ignore_errors=True)
        job.journal.forget()


def run_steps(
    job: Job, tell: Callable[[str, str, str], None] = lambda *_: None, single: bool = False
) -> None:
    """Take the next steps until one needs answers, or the time is up. Raises Failure, Busy.

    `tell` hears of each step, its status and what it says. A `single` one is taken where
    somebody watches.
    """
    with locked(job.place.home / ".htlock-work", wait=False):
        job.journal = Journal(job.place.home)
        name = job.journal.next()
        while name is not None:
            if name == "database" and needs_answers(job):
                return
            try:
                detail = STEPS[name][1](job)
            except Again as again:
                job.journal.part(name, again)
                tell(name, "part", str(again))
                return
            except Failure as failure:
                told = Failure(f"{failure}{discard_refused(job)}", failure.exit_code, failure.field)
                job.journal.failed(name, told)
                raise told from None
            except OSError as error:
                trouble = Failure(sentence_of(error))
                with contextlib.suppress(OSError):
                    job.journal.failed(name, trouble)
                raise trouble from None
            job.journal.done(name, detail)
            tell(name, "done", detail)
            name = job.journal.next()
            if single or time.monotonic() > job.deadline:
                return


def needs_answers(job: Job) -> bool:
    home = job.place.home
    known = (home / ".htanswer-database").exists() or is_locked(home / ".htlock-database")
    return not (job.answers or known or (home / "config.py").is_file())


# --- Checks -------------------------------------------------------------------------------------

PASSED, WARNED, FAILED = "ok", "warning", "failed"


@dataclasses.dataclass
class Check:
    """One thing about the host: what was found, and what to do about it."""

    title: str
    state: str
    found: str
    advice: str = ""


def checks(place: Place) -> list[Check]:
    """Everything about the host that can be told before anything is installed."""
    found = [check_python(), check_processes(), check_web_folder(place), check_home(place)]
    found += [check_disk(place), check_archive(place), check_packages(place), check_modules()]
    return [*found, check_address(place)]


def check_python() -> Check:
    title, version = "Python", "{}.{}.{}".format(*sys.version_info[:3])
    if not sys.executable or not os.access(sys.executable, os.X_OK):
        return Check(
            title,
            FAILED,
            f"{version}, but its path is unknown.",
            "Write the path into the first line of deploy.py, for example #!/usr/bin/python3.",
        )
    return Check(title, PASSED, f"{version} ({sys.executable})")


def check_processes() -> Check:
    title = "Starting processes"
    try:
        subprocess.run(
            [sys.executable, "-c", "pass"], check=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check(title, FAILED, f"not possible ({error}).", "Ask your host to allow it.")
    return Check(title, PASSED, "possible")


def check_web_folder(place: Place) -> Check:
    return check_folder("Web folder", place.web_folder)


def check_home(place: Place) -> Check:
    check = check_folder("Private data folder", place.home)
    if check.state != PASSED or place.is_outside:
        return check
    found = f"{place.home}, inside the web folder"
    if is_served(place):
        return dataclasses.replace(
            check,
            state=FAILED,
            found=f"{found}, and anybody could download what is in it.",
            advice="The web server ignores .htaccess files: ask your host to allow them "
            "(AllowOverride All).",
        )
    advice = "An .htaccess closes it, and the self-test checks that each private file is refused."
    return dataclasses.replace(check, state=WARNED, found=found, advice=advice)


def is_served(place: Place) -> bool:
    """Whether the web server hands out a file in the home, as nobody may find out later."""
    probe = place.home / f"probe-{secrets.token_hex(8)}.txt"
    content = secrets.token_hex(16).encode()
    try:
        below = probe.relative_to(place.web_folder).as_posix()
        probe.write_bytes(content)
        with urllib.request.urlopen(f"{place.url}/{below}", timeout=5) as answer:
            return bool(answer.read(len(content)) == content)
    except (OSError, ValueError):
        return False  # refused, or not to be reached from here
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def check_folder(title: str, folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        return Check(title, FAILED, f"{folder}.", sentence_of(error))
    return Check(title, PASSED, f"{folder} can be written to")


def check_disk(place: Place) -> Check:
    title, needed = "Disk", f"{NEEDED_BYTES // 1_000_000} MB"
    numbers = os.statvfs(place.home)
    free = numbers.f_bavail * numbers.f_frsize
    try:
        probe_disk(place.home)
    except OSError as error:
        return Check(title, FAILED, "8 MB could not be written.", sentence_of(error))
    if free < NEEDED_BYTES:
        return Check(
            title, FAILED, f"{free // 1_000_000} MB are free.", f"Free {needed}, and try again."
        )
    if numbers.f_files and numbers.f_favail < 5000:
        return Check(title, WARNED, f"only {numbers.f_favail} more files may be made")
    return Check(title, PASSED, f"{free // 1_000_000} MB free, {needed} needed")


def check_archive(place: Place) -> Check:
    title = "Version to install"
    path = find_archive(place)
    if path is None:
        if not RELEASE_URL:
            return Check(
                title,
                FAILED,
                "There is none.",
                f"Upload taskmanager-….zip into the folder of {SCRIPT.name}.",
            )
        return Check(title, PASSED, f"will be downloaded from {RELEASE_URL}")
    try:
        with Archive(path) as archive:
            if is_older(place, archive):
                return Check(title, FAILED, sentence_of_older(place, archive))
            return Check(title, PASSED, f"{path.name}, version {archive.version}")
    except Failure as failure:
        return Check(title, FAILED, "It cannot be used.", str(failure))


def check_packages(place: Place) -> Check:
    """Whether the archive brings the packages, or pip can."""
    title = "Python packages"
    advice = (
        "Use the archive that brings the packages along (python3 deploy.py --build --with-vendor "
        "on any machine with this version of Python)."
    )
    path = find_archive(place)
    with contextlib.suppress(Failure):
        if path is not None:
            with Archive(path) as archive:
                if archive.vendor_fits:
                    return Check(title, PASSED, "come with the archive")
                if archive.manifest.get("vendor"):
                    made = archive.manifest["vendor"].get("python")
                    advice = f"Those in the archive are for Python {made}. {advice}"
    command = [sys.executable, "-m", "pip", "--version"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return Check(title, FAILED, "pip cannot be started.", advice)
    if done.returncode:
        return Check(title, FAILED, "This Python comes without pip.", advice)
    return Check(title, PASSED, "will be downloaded by pip")


def check_modules() -> Check:
    missing = []
    for name in ("sqlite3", "ssl", "zlib", "hashlib"):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if "zlib" in missing:
        advice = "Choose another Python: this one cannot unpack archives."
        return Check("Python's own parts", FAILED, f"lacks {', '.join(missing)}.", advice)
    if missing:
        return Check("Python's own parts", WARNED, f"lacks {', '.join(missing)}")
    return Check("Python's own parts", PASSED, "all there")


def check_address(place: Place) -> Check:
    title = "Address"
    if place.url.startswith("https://"):
        return Check(title, PASSED, place.url)
    return Check(
        title,
        WARNED,
        f"{place.url} is not encrypted.",
        "Others can read keys and tasks on their way. Most hosts offer a free certificate. Install "
        "it, then open this page with https://.",
    )


def support_text(place: Place, found: list[Check]) -> str:
    """What somebody who helps wants to know, without anything secret."""
    lines = [
        f"TaskManager's installer, {place.kind}, {place.server or 'unknown server'}",
        f"system: {' '.join(os.uname()[i] for i in (0, 2, 4))}",
    ]
    lines += [f"{check.title}: {check.state}: {check.found} {check.advice}" for check in found]
    return "\n".join(line.strip() for line in lines)


# --- Proof of ownership -------------------------------------------------------------------------

COOKIE = "taskmanager_installer"
VISITOR, OWNER = "visitor", "owner"
VISITOR_SECONDS = 24 * 3600
OWNER_SECONDS = 4 * 3600

FREE_TRIES = 3
LONGEST_DELAY = 300.0  # seconds between two tries of a password


class Throttled(Exception):
    """Too many wrong passwords: the next is not even looked at before `seconds` have passed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = int(seconds) + 1


class Vault:
    """What the installer must remember about its visitors: on disk, and never shown."""

    def __init__(self, home: Path) -> None:
        self._path = home / ".htinstaller"
        self._lock = home / ".htlock-vault"
        self._content = read_json(self._path)
        if "secret" not in self._content:
            with self._changing() as content:
                content.setdefault("secret", secrets.token_hex(32))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with locked(self._lock, wait=True):
            self._content = read_json(self._path)
            yield self._content
            write_json(self._path, self._content)

    def sign(self, *words: str) -> str:
        key = bytes.fromhex(self._content["secret"])
        return hmac.new(key, "|".join(words).encode(), hashlib.sha256).hexdigest()

    def try_password(self, given: str, right: str, now: float) -> bool:
        """Compare in constant time, slower and slower for the whole site. Raises Throttled."""
        with self._changing() as content:
            wait = min(float(content.get("next_try", 0.0)) - now, LONGEST_DELAY)
            if wait > 0:
                raise Throttled(wait)
            is_right = hmac.compare_digest(digest_of(given), digest_of(right))
            wrong = 0 if is_right else int(content.get("wrong", 0)) + 1
            content["wrong"] = wrong
            content["next_try"] = now + delay_after(wrong)
            return is_right

    @property
    def finisher(self) -> str:
        """The session that finished the installation and may still see how it went."""
        return str(self._content.get("finisher", ""))

    def is_locked(self, place: Place) -> bool:
        """Whether an installation was finished and nothing was uploaded since."""
        return self._content.get("locked") == fingerprint(place)

    def lock(self, place: Place, finisher: str) -> None:
        with self._changing() as content:
            content.update(locked=fingerprint(place), finisher=finisher, shown=False)

    def unlock(self) -> None:
        with self._changing() as content:
            content.pop("locked", None)

    def show_key_once(self) -> bool:
        """Whether the API key has not been shown yet; from now on it has."""
        with self._changing() as content:
            first = not content.get("shown", True)
            content["shown"] = True
            return first


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def delay_after(wrong: int) -> float:
    """Seconds before the next try: the first few are free, then each waits twice as long."""
    return 0.0 if wrong < FREE_TRIES else min(2.0 ** min(wrong - FREE_TRIES, 20), LONGEST_DELAY)


def fingerprint(place: Place) -> str:
    """Changes whenever the installer or an archive is uploaded: only an owner can do that."""
    seen = []
    for path in sorted([SCRIPT, *place.web_folder.glob("taskmanager-*.zip")]):
        with contextlib.suppress(OSError):
            status = path.stat()
            seen.append([path.name, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


@dataclasses.dataclass
class Session:
    """Who a browser is: a visitor, or somebody who has proven to be the owner."""

    level: str
    nonce: str
    expires: int
    vault: Vault

    @classmethod
    def new(cls, level: str, vault: Vault) -> "Session":
        seconds = OWNER_SECONDS if level == OWNER else VISITOR_SECONDS
        return cls(level, secrets.token_hex(16), int(time.time()) + seconds, vault)

    @classmethod
    def read(cls, cookie: str, vault: Vault) -> "Optional[Session]":
        """The session in a cookie; None for one that is not ours, or too old."""
        try:
            level, nonce, expires, signature = cookie.split(".")
            session = cls(level, nonce, int(expires), vault)
        except ValueError:
            return None
        if not hmac.compare_digest(signature.encode(), session._signature().encode()):
            return None
        return session if time.time() < session.expires else None

    def cookie(self) -> str:
        return f"{self.level}.{self.nonce}.{self.expires}.{self._signature()}"

    def csrf(self) -> str:
        return self.vault.sign("csrf", self.nonce)

    def proof_name(self) -> str:
        """The name of the file that proves that this visitor can write here."""
        return f"taskmanager-{self.vault.sign('file', self.nonce)[:32]}.txt"

    def _signature(self) -> str:
        return self.vault.sign("session", self.level, self.nonce, str(self.expires))


def admin_password() -> str:
    return ADMIN_PASSWORD or os.environ.get("DEPLOY_ADMIN_PASSWORD", "")


# --- Requests and answers -----------------------------------------------------------------------

FORM_BYTES = 64 * 1024


class Refused(Exception):
    """A request that is not answered as it asks: its status and a sentence."""

    def __init__(self, status: int, sentence: str, headers: Optional[dict[str, str]] = None):
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}


class Request:
    """One request, as WSGI has it."""

    def __init__(self, environ: dict[str, Any], kind: str) -> None:
        self.environ = environ
        self.kind = kind
        self.method = str(environ["REQUEST_METHOD"])
        script = str(environ.get("SCRIPT_NAME", ""))
        self.base = script.rpartition("/")[0] if kind == "cgi" else script.rstrip("/")
        self.own_path = script if kind == "cgi" else f"{self.base}/{SCRIPT.name}"
        self.wants_json = "application/json" in str(environ.get("HTTP_ACCEPT", ""))
        self._form: Optional[dict[str, str]] = None
        length = str(environ.get("CONTENT_LENGTH") or "0")
        self._unread = int(length) if length.isdigit() else 0

    def read_rest(self) -> None:
        """Some servers cut the answer of a program that leaves a body unread."""
        if self._unread:
            self.environ["wsgi.input"].read(min(self._unread, 1 << 20))

    @property
    def is_secure(self) -> bool:
        https = str(self.environ.get("HTTPS", "")).lower() in ("on", "1")
        scheme = self.environ.get("HTTP_X_FORWARDED_PROTO", self.environ.get("REQUEST_SCHEME"))
        return https or scheme == "https" or self.environ.get("wsgi.url_scheme") == "https"

    @property
    def host(self) -> str:
        host = self.environ.get("HTTP_HOST") or self.environ.get("SERVER_NAME", "localhost")
        return re.sub(r"[^0-9A-Za-z.:\[\]_-]", "", str(host))

    @property
    def url(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{self.host}{self.base}"

    def cookie(self) -> str:
        try:
            jar = SimpleCookie(str(self.environ.get("HTTP_COOKIE", "")))
        except CookieError:
            return ""
        return jar[COOKIE].value if COOKIE in jar else ""

    def form(self) -> dict[str, str]:
        """The fields of a form. Raises Refused for what is none."""
        if self._form is None:
            kind = str(self.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
            if kind != "application/x-www-form-urlencoded":
                raise Refused(415, "This page accepts only forms.")
            length = str(self.environ.get("CONTENT_LENGTH") or "0")
            if not length.isdigit() or int(length) > FORM_BYTES:
                raise Refused(413, "That is too much for a form.")
            raw = self.environ["wsgi.input"].read(int(length))
            self._unread = 0
            fields = urllib.parse.parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)
            self._form = {name: values[0] for name, values in fields.items()}
        return self._form

    def refuse_cross_site(self) -> None:
        """Raises Refused for a form that another site's page has sent."""
        environ = self.environ
        hosts = {self.host, str(environ.get("HTTP_X_FORWARDED_HOST", self.host))}
        origin = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
        other = environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in ("same-origin", "none")
        if other or (origin and urllib.parse.urlsplit(str(origin)).netloc not in hosts):
            raise Refused(
                403, "This form was sent by another site. Reload this page and try again."
            )

    def place(self) -> Place:
        """Where the installation is that this request is about."""
        root = str(self.environ.get("DOCUMENT_ROOT") or "")
        # Passenger may say nothing; what it serves as files is then the folder "public".
        served = SCRIPT.parent if self.kind == "cgi" else SCRIPT.parent / "public"
        document_root = Path(os.path.realpath(root)) if root else served
        if self.kind == "cgi" and document_root not in SCRIPT.parents:
            document_root = SCRIPT.parent  # an alias or a user's folder: what lies here is served
        home = choose_home(SCRIPT.parent, document_root)
        return Place(
            web_folder=SCRIPT.parent,
            home=home,
            kind=self.kind,
            url=self.url,
            document_root=document_root,
            server=str(self.environ.get("SERVER_SOFTWARE", "")),
            address=server_address(self.environ),
        )


def server_address(environ: dict[str, Any]) -> str:
    """Where this server can be reached when its name cannot be from here."""
    host, port = str(environ.get("SERVER_ADDR", "")), str(environ.get("SERVER_PORT", ""))
    return f"{f'[{host}]' if ':' in host else host}:{port}" if host and port.isdigit() else ""


@dataclasses.dataclass
class Answer:
    """What is sent back. A page's script and style carry `nonce`, and nothing else may run."""

    status: int
    body: bytes
    kind: str = "text/html; charset=utf-8"
    nonce: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def all_headers(self) -> list[tuple[str, str]]:
        allowed = f"'nonce-{self.nonce}'" if self.nonce else "'none'"
        policy = (
            f"default-src 'none'; script-src {allowed}; style-src {allowed}; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        fixed = {
            "Content-Type": self.kind,
            "Content-Length": str(len(self.body)),
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex, nofollow",
        }
        return list({**fixed, **self.headers}.items())


def see_other(path: str) -> Answer:
    return Answer(303, b"", headers={"Location": path})


# --- Pages --------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --dim: #5b6875; --paper: #fff; --edge: #d9e0e7;
  --back: #eef2f6; --main: #1f5fa8; --good: #1a7f47; --bad: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --dim: #9fadba; --paper: #1b232c;
  --edge: #35414d; --back: #11171d; --main: #6aa9ee; --good: #5ec48b; --bad: #ff8a80;
  --warn: #e0b050; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem 1rem; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; background: var(--paper); border-radius: 12px;
  border: 1px solid var(--edge); padding: 1.5rem; }
h1 { font-size: 1.45rem; margin: 0 0 .75rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
a { color: var(--main); } ol.steps i { font-style: normal; color: var(--dim); }
p { margin: .6rem 0; } .dim { color: var(--dim); }
label { display: block; margin: .9rem 0 .2rem; font-weight: 600; }
input[type=text], input[type=password], textarea { width: 100%; font: inherit; padding: .55rem;
  border: 1px solid var(--edge); border-radius: 8px; background: var(--paper); color: var(--ink); }
input[aria-invalid] { border-color: var(--bad); outline: 1px solid var(--bad); }
input:focus-visible, textarea:focus-visible, button:focus-visible, summary:focus-visible,
.error:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
fieldset { border: 0; margin: 1rem 0 0; padding: 0; } legend { padding: 0; font-weight: 600; }
fieldset .hint { margin: .2rem 0 0; font-size: .9rem; color: var(--dim); }
.choice { display: flex; gap: .6rem; align-items: baseline; margin: .6rem 0; }
.choice label { margin: 0; font-weight: 400; }
/* The fields of MySQL go when SQLite is chosen, without any script. */
form:has(#engine-sqlite:checked) .of-mysql { display: none; }
details { margin-top: 1rem; } summary { cursor: pointer; font-weight: 600; }
.copied { position: relative; } .copied button { margin: 0 0 .4rem; padding: .35rem .8rem;
  font-size: .9rem; }
.buttons { display: flex; flex-wrap: wrap; gap: 0 .7rem; }
textarea { font: .85rem/1.4 ui-monospace, monospace; }
button { font: inherit; font-weight: 600; margin-top: 1.1rem; padding: .65rem 1.3rem; border: 0;
  border-radius: 8px; background: var(--main); color: var(--paper); cursor: pointer; }
button[hidden] { display: none; }
button.quiet { background: none; color: var(--main); border: 1px solid var(--main); }
pre, code { font: .88rem/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--back); border: 1px solid var(--edge); border-radius: 8px; padding: .7rem;
  white-space: pre-wrap; margin: .4rem 0; user-select: all; }
.error { border-left: 4px solid var(--bad); padding: .5rem .8rem; background: var(--back);
  border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere; }
ol.steps, ul.checks { list-style: none; margin: 1rem 0; padding: 0; }
ol.steps li, ul.checks li { display: flex; gap: .7rem; padding: .45rem 0;
  border-top: 1px solid var(--edge); }
ol.steps li > span, ul.checks li > span { flex: 0 0 4.6rem; font-weight: 600; }
li > div { min-width: 0; overflow-wrap: anywhere; }
.ok { color: var(--good); } .failed { color: var(--bad); } .warning { color: var(--warn); }
progress { width: 100%; height: 1rem; accent-color: var(--main); }
"""

# Sends the form of the next step again and again, and shows how far the steps are.
WORK_SCRIPT = """
(function () {
  var form = document.getElementById("work");
  if (!form) return;
  var bar = document.getElementById("bar"), text = document.getElementById("now");
  var rows = document.querySelectorAll("ol.steps li");
  var serving = document.getElementById("serving");
  var button = form.querySelector("button"), troubles = 0;
  var here = form.getAttribute("action");
  button.hidden = true;
  function again(pause) { setTimeout(work, pause); }
  function show(state) {
    bar.value = state.percent;
    text.textContent = state.text;
    if (serving) serving.textContent = state.serving;
    state.steps.forEach(function (step, number) {
      var row = rows[number];
      if (!row) return;
      row.querySelector("span").className = step.state;
      row.querySelector("span").textContent = step.word;
      row.querySelector("i").textContent = step.detail;
    });
  }
  function work() {
    fetch(here, {method: "POST", headers: {Accept: "application/json"},
      body: new URLSearchParams(new FormData(form))
    }).then(function (answer) { return answer.json(); }).then(function (state) {
      troubles = 0;
      show(state);
      if (state.again) again(state.pause); else location.replace(here);
    }).catch(function () {
      troubles += 1;
      if (troubles < 6) again(1000 * troubles); else button.hidden = false;
    });
  }
  work();
})();
"""

# Shows the buttons that copy a text, which do nothing without script. Pages by http:// have no
# clipboard of their own: there the text is selected and copied as by hand.
COPY_SCRIPT = """
(function () {
  function select(node) {
    if (node.select) { node.select(); return; }
    var range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
  document.querySelectorAll("button[data-copy]").forEach(function (button) {
    var node = document.getElementById(button.getAttribute("data-copy"));
    var word = button.textContent;
    function say(text) {
      button.textContent = text;
      setTimeout(function () { button.textContent = word; }, 2000);
    }
    function byHand() {
      select(node);
      say(document.execCommand("copy") ? "Copied" : "Press Ctrl+C");
    }
    button.hidden = false;
    button.addEventListener("click", function () {
      var text = "value" in node ? node.value : node.textContent;
      if (!navigator.clipboard) { byHand(); return; }
      navigator.clipboard.writeText(text).then(function () { say("Copied"); }, byHand);
    });
  });
})();
"""

_ = html.escape


def page(title: str, body: str, status: int = 200, script: bool = False) -> Answer:
    nonce = secrets.token_urlsafe(16)
    scripts = (WORK_SCRIPT if script else "") + (COPY_SCRIPT if "data-copy" in body else "")
    code = f'<script nonce="{nonce}">{scripts}</script>' if scripts else ""
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{_(title)}</title><style nonce="{nonce}">{STYLE}</style></head>'
        f"<body><main><h1>{_(title)}</h1>\n{body}\n</main>{code}</body></html>\n"
    )
    return Answer(status, text.encode("utf-8", "replace"), nonce=nonce)


def form(
    request: Request, session: Session, action: str, inside: str, button: str, extra: str = ""
) -> str:
    return (
        f'<form method="post" action="{_(request.own_path)}" autocomplete="off" {extra}>'
        f'<input type="hidden" name="csrf" value="{session.csrf()}">'
        f'<input type="hidden" name="action" value="{_(action)}">{inside}'
        f"<button>{_(button)}</button></form>"
    )


def error_box(sentence: str) -> str:
    """What went wrong, with the focus: it is read aloud, and on a phone it is in sight."""
    if not sentence:
        return ""
    return f'<p class="error" role="alert" tabindex="-1" autofocus>{_(sentence)}</p>'


def copyable(name: str, text: str) -> str:
    """A text to take along, with a button that copies it where a script may run."""
    return (
        f'<div class="copied"><pre id="{name}">{_(text)}</pre>'
        f'<button type="button" class="quiet" data-copy="{name}" hidden>Copy</button></div>'
    )


def page_password(
    request: Request, session: Session, sentence: str = "", status: int = 200
) -> Answer:
    wrong = ' aria-invalid="true" aria-describedby="password-error"' if sentence else ""
    error = f'<p class="error" id="password-error" role="alert">{_(sentence)}</p>'
    inside = (
        '<label for="password">Password</label>'
        f'<input type="password" id="password" name="password"{wrong} autofocus>'
        + (error if sentence else "")
    )
    body = (
        f"<p>Enter the password that you set in {_(SCRIPT.name)} before you uploaded it.</p>"
        + form(request, session, "password", inside, "Continue")
    )
    return page("TaskManager: is this yours?", body, status)


def page_proof(request: Request, session: Session, sentence: str = "", status: int = 200) -> Answer:
    body = (
        "<p>Show that this web space is yours: create an empty file with this name in the folder "
        f"of {_(SCRIPT.name)}, with your FTP program or the control panel's file manager.</p>"
        + copyable("proof", session.proof_name())
        + error_box(sentence)
        + form(request, session, "proof", "", "I have created the file")
        + '<p class="dim">This name works only in this browser. The file is deleted afterwards.</p>'
    )
    return page("TaskManager: is this yours?", body, status)


def page_locked() -> Answer:
    body = (
        "<p>This installer has finished and is locked. Delete it from the web folder. To use it "
        "again, upload it again, with the archive to install.</p>"
    )
    return page("Locked", body, 403)


def page_checks(request: Request, session: Session, place: Place, sentence: str) -> Answer:
    found = checks(place)
    rows = "".join(
        f'<li><span class="{check.state}">{WORDS[check.state]}</span><div><b>{_(check.title)}</b>: '
        f"{_(check.found)} {_(check.advice)}</div></li>"
        for check in found
    )
    word = offer(place)
    if any(check.state == FAILED for check in found) or not word:
        button = form(request, session, "look", "", "Check again")
    else:
        button = form(request, session, "begin", "", word)
    body = (
        f"{serving(place)}{error_box(sentence)}"
        f'<ul class="checks">{rows}</ul><div class="buttons">{button}'
        + back_button(request, session, place)
        + '</div><h2>If you need help</h2><label for="support">Send this to your host or to '
        f'whoever helps you</label><textarea id="support" readonly rows="7">'
        f"{_(support_text(place, found))}</textarea>"
        '<button type="button" class="quiet" data-copy="support" hidden>Copy</button>'
    )
    return page("TaskManager: checks", body)


def serving(place: Place) -> str:
    """Which version answers while the installer is at work."""
    sentence = sentence_of_serving(place)
    return f'<p id="serving">{_(sentence)}</p>' if sentence else ""


def sentence_of_serving(place: Place) -> str:
    if not place.is_installed():
        return ""
    return f"Version {version_of(place.current())} serves this site now."


def offer(place: Place) -> str:
    """What can be done with the archive, as a button says it; empty when nothing can."""
    if not place.is_installed():
        return "Install"
    path = find_archive(place)
    if path is None:
        return "Upgrade" if RELEASE_URL else ""
    try:
        with Archive(path) as archive:
            word = "Reinstall" if archive.name == place.current() else "Upgrade to"
            return f"{word} {archive.version}"
    except Failure:
        return ""  # the checks say why


def back_button(request: Request, session: Session, place: Place) -> str:
    target = place.previous()
    if not place.is_installed() or target in ("", place.current()):
        return ""
    version, current = version_of(target), version_of(place.current())
    word = "Go back to" if version_key(version) <= version_key(current) else "Switch to"
    return quiet(form(request, session, "back", "", f"{word} {version}"))


def quiet(form_text: str) -> str:
    return form_text.replace("<button>", '<button class="quiet">')


def is_new_database(journal: Journal) -> bool:
    """Whether the settings of the database were made by this very installation."""
    return journal.plan == "install" and not journal.before and journal.is_done("database")


WORDS = {PASSED: "fine", WARNED: "note", FAILED: "to do", "waiting": "", "now": "now"}


def states_of_steps(journal: Journal) -> list[dict[str, str]]:
    """Each step of the plan: its state, the word for it, what it says."""
    current = journal.failure.get("step") or journal.next()
    rows = []
    for name in PLANS.get(journal.plan, []):
        state = PASSED if journal.is_done(name) else "waiting"
        if name == current:
            state = FAILED if journal.failure else "now"
        word = {PASSED: "done", FAILED: "failed"}.get(state, WORDS[state])
        rows.append({"state": state, "word": word, "detail": journal.detail(name)})
    return rows


def step_list(journal: Journal) -> str:
    rows = "".join(
        f'<li><span class="{row["state"]}">{row["word"]}</span>'
        f"<div>{number}. <b>{_(STEPS[name][0])}</b> <i>{_(row['detail'])}</i></div></li>"
        for number, (name, row) in enumerate(
            zip(PLANS.get(journal.plan, []), states_of_steps(journal)), 1
        )
    )
    return f'<ol class="steps">{rows}</ol>'


# What the page says while a plan is carried out, and when it was not.
TITLES = {
    "install": ("Installing TaskManager", "The installation stopped"),
    "upgrade": ("Upgrading TaskManager", "The upgrade failed"),
    "back": ("Going back", "Going back failed"),
}


def page_work(
    request: Request, session: Session, place: Place, journal: Journal, sentence: str = ""
) -> Answer:
    percent, detail = journal.progress()
    failure = sentence or journal.failure.get("sentence", "")
    button = "Try again" if failure else "Continue"
    # After a failure a person decides, not the script.
    extra = "" if failure else 'id="work"'
    name = journal.next()
    now = f"{STEPS[name][0]} {detail}".strip() if name else ""
    buttons = form(request, session, "work", "", button, extra)
    if failure:
        if journal.plan != "back":
            buttons += quiet(form(request, session, "over", "", "Start over"))
        if place.is_installed() and journal.before:
            keep = f"Keep version {version_of(place.current())}"
            buttons += quiet(form(request, session, "cancel", "", keep))
    if failure and is_new_database(journal):
        buttons += quiet(form(request, session, "other", "", "Use another database"))
    progress = (
        f'<label for="bar" id="now" class="dim" aria-live="polite">{_(now)}</label>'
        f'<progress id="bar" max="100" value="{percent}">{percent} %</progress>'
    )
    body = (
        f"{serving(place)}{error_box(failure) if failure else progress}"
        f'<div class="buttons">{buttons}</div>{step_list(journal)}'
    )
    title = TITLES.get(journal.plan, TITLES["install"])[1 if failure else 0]
    return page(title, body, script=not failure)


# Name, label, type, value at first, hint.
DATABASE_FIELDS = [
    (
        *("host", "Host", "text", "localhost"),
        "Usually localhost: the server's socket is tried first, then port 3306. With a port: "
        "localhost:3307",
    ),
    ("name", "Database name", "text", "", "Create the database in the control panel first"),
    ("user", "User", "text", "", "A user with all privileges on this database"),
    ("password", "Password", "password", "", ""),
]
PREFIX_FIELD = (
    *("prefix", "Table prefix (optional)", "text", ""),
    "Only if another program keeps tables named tasks, workers or settings in this database: up "
    "to 16 letters, digits and underscores, for example tm_",
)


def page_database(
    request: Request,
    session: Session,
    journal: Journal,
    typed: Optional[dict[str, str]] = None,
    failure: Optional[Failure] = None,
) -> Answer:
    typed = typed or {}
    engine = typed.get("engine") or "mysql"
    is_told = False  # beside the field that it is about
    inputs = []
    for field in (*DATABASE_FIELDS, PREFIX_FIELD):
        is_wrong = failure is not None and failure.field == field[0] and engine == "mysql"
        is_told = is_told or is_wrong
        inputs.append(text_input(field, typed, str(failure) if is_wrong else ""))
    prefix = inputs.pop()
    is_open = " open" if typed.get("prefix") or "aria-invalid" in prefix else ""
    choices = "".join(
        f'<div class="choice"><input type="radio" name="engine" value="{value}" '
        f'id="engine-{value}"{" checked" if value == engine else ""}>'
        f'<label for="engine-{value}">{label}</label></div>'
        for value, label in (
            ("mysql", "MySQL or MariaDB (better for many workers)"),
            ("sqlite", "SQLite: a file in the private data folder, nothing to fill in"),
        )
    )
    inside = (
        f"<fieldset><legend>Where should tasks be stored?</legend>{choices}</fieldset>"
        f'<fieldset class="of-mysql"><legend>MySQL or MariaDB, as the control panel shows it'
        f"</legend>{''.join(inputs)}<details{is_open}><summary>Other programs in the same database"
        f"</summary>{prefix}</details></fieldset>"
    )
    body = (
        error_box(str(failure) if failure and not is_told else "")
        + form(request, session, "database", inside, "Test and continue")
        + step_list(journal)
    )
    return page("TaskManager: database", body, 422 if failure else 200)


def text_input(field: tuple[str, ...], typed: dict[str, str], error: str) -> str:
    """A field with its label, its hint and what is wrong with it, which all belong together."""
    name, label, kind, default, hint = field
    # A password that was refused is typed again; one that was not asked for yet is kept.
    value = "" if name == "password" and error else typed.get(name, default)
    notes = []
    if hint:
        notes.append((f"{name}-hint", f'<p class="hint" id="{name}-hint">{_(hint)}</p>'))
    if error:
        box = f'<p class="error" id="{name}-error" role="alert">{_(error)}</p>'
        notes.insert(0, (f"{name}-error", box))
    about = " ".join(identity for identity, _html in notes)
    attributes = f' aria-describedby="{about}"' if about else ""
    attributes += ' aria-invalid="true" autofocus' if error else ""
    spelling = 'autocapitalize="none" autocorrect="off" spellcheck="false"'
    return (
        f'<label for="{name}">{label}</label><input type="{kind}" id="{name}" name="{name}" '
        f'value="{_(value)}" {spelling}{attributes}>' + "".join(text for _id, text in notes)
    )


def page_finish(request: Request, session: Session, place: Place, show_key: bool) -> Answer:
    journal = Journal(place.home)
    result = read_json(place.home / ".htfinish")
    forget_key(place, result)
    url = str(result.get("url", place.url))
    version = version_of(place.current())
    address = f'<a href="{_(url)}/">{_(url)}/</a>'
    body = f"<p>TaskManager {_(version)} serves {address}, and the self-test has passed.</p>"
    if journal.plan == "back":
        title = f"TaskManager is back at {version}"
        body += "<p>Settings, key and tasks are unchanged.</p>"
    elif journal.plan == "upgrade":
        title = "TaskManager is upgraded"
        body += "<p>Settings, key and tasks are unchanged.</p>" + lines_to_paste(result, "")
        body += undo_upgrade(request, session, place)
    else:
        title = "TaskManager is ready"
        key = str(result.get("api_key", "")) if show_key else ""
        body += shown_key(place, key) + lines_to_paste(result, key)
    body += (
        "<h2>Last step: delete the installer</h2><p>It is locked and no longer needed.</p>"
        + form(request, session, "delete", "", f"Delete {SCRIPT.name} and the archive")
    )
    return page(title, body)


def shown_key(place: Place, key: str) -> str:
    folder = f"<code>{_(str(place.home))}</code>"
    if not key:
        return (
            "<h2>Your API key</h2><p>The key was shown once. It is in config.py, in the folder "
            f"{folder}.</p>"
        )
    return (
        "<h2>Your API key</h2><p>Copy it now: it will not be shown again. It is also in config.py, "
        f"in the folder {folder}.</p>{copyable('key', key)}"
    )


def lines_to_paste(result: dict[str, Any], key: str) -> str:
    curl = str(result.get("curl", "")).replace("{api_key}", key or "YOUR_API_KEY")
    note = str(result.get("note", ""))
    return (
        f"<h2>Add a task</h2>{copyable('curl', curl)}"
        "<h2>Run the tasks by cron</h2><p>In the control panel, under “Cron jobs”. The five stars "
        "mean every minute; where the panel asks for the time itself, paste what follows them.</p>"
        + copyable("cron", str(result.get("cron", "")))
        + '<p class="dim">Its output goes to logs/cron.log. Cron mails you only what needs you.</p>'
        + (f"<p>{_(note)}</p>" if note else "")
    )


def undo_upgrade(request: Request, session: Session, place: Place) -> str:
    button = back_button(request, session, place)
    if not button:
        return ""
    return (
        "<h2>If something does not work</h2><p>The version before is kept until the next upgrade, "
        f"and works on the same tasks.</p>{button}"
    )


def forget_key(place: Place, result: dict[str, Any]) -> None:
    rest = {name: value for name, value in result.items() if name != "api_key"}
    if rest != result:
        write_json(place.home / ".htfinish", rest)


def page_deleted(url: str) -> Answer:
    body = (
        "<p>The installer and the archive are gone. To upgrade later, upload deploy.py again with "
        "a newer archive.</p>"
        f'<p><a href="{_(url)}/">{_(url)}/</a></p>'
    )
    return page("Deleted", body)


# --- The web ------------------------------------------------------------------------------------


def respond(request: Request) -> Answer:
    """Answer one request of the installer."""
    if request.method not in ("GET", "HEAD", "POST"):
        raise Refused(405, "This page takes GET and POST.", {"Allow": "GET, HEAD, POST"})
    if request.method == "POST":
        request.refuse_cross_site()
    place = request.place()
    try:
        prepare_home(place.home)
        vault = Vault(place.home)
    except OSError:
        raise Refused(
            500,
            "The installer cannot write anything here. Its folder must belong to your account and "
            "have the mode 755. Then reload this page.",
        ) from None
    session = Session.read(request.cookie(), vault)
    return respond_to_session(request, place, vault, session)


def respond_to_session(
    request: Request, place: Place, vault: Vault, session: Optional[Session]
) -> Answer:
    is_locked_now = vault.is_locked(place)
    if is_locked_now and (
        session is None or session.level != OWNER or session.nonce != vault.finisher
    ):
        return page_locked()
    if request.method == "POST":
        check_csrf(request, session)
    if session is None:
        session = Session.new(VISITOR, vault)
        return with_cookie(request, session, page_ownership(request, session))
    if session.level != OWNER:
        return prove(request, place, vault, session)
    if is_locked_now:
        return respond_to_finisher(request, place, vault, session)
    return respond_to_owner(request, place, vault, session)


def check_csrf(request: Request, session: Optional[Session]) -> None:
    given = request.form().get("csrf", "")
    if session is None or not hmac.compare_digest(given.encode(), session.csrf().encode()):
        raise Refused(
            403,
            "This form is too old, or your browser keeps no cookies for this site. Reload this "
            "page and try again.",
        )


def with_cookie(request: Request, session: Session, answer: Answer) -> Answer:
    secure = "; Secure" if request.is_secure else ""
    path = request.base + "/"
    answer.headers["Set-Cookie"] = (
        f"{COOKIE}={session.cookie()}; Path={path}; HttpOnly; SameSite=Strict{secure}"
    )
    return answer


def page_ownership(
    request: Request, session: Session, sentence: str = "", status: int = 200
) -> Answer:
    password = admin_password()
    if not password:
        return page_proof(request, session, sentence, status)
    if len(password) < 8:
        raise Refused(
            403,
            "The ADMIN_PASSWORD in this file is too short to protect anything. Set one of at "
            "least 8 characters, or none, and upload the file again.",
        )
    return page_password(request, session, sentence, status)


def prove(request: Request, place: Place, vault: Vault, session: Session) -> Answer:
    """The way from visitor to owner."""
    action = request.form().get("action", "") if request.method == "POST" else ""
    password = admin_password()
    if len(password) >= 8 and action == "password":
        given = request.form().get("password", "")
        try:
            proven = vault.try_password(given, password, time.time())
        except Throttled as throttled:
            sentence = (
                f"Too many wrong passwords. Wait {throttled.seconds} seconds before the next try."
            )
            answer = page_ownership(request, session, sentence, 429)
            answer.headers["Retry-After"] = str(throttled.seconds)
            return answer
        sentence = "That is not the password."
    elif not password and action == "proof":
        proven = take_proof(place.web_folder / session.proof_name())
        sentence = "There is no file with this name here yet. Check the folder and the ending .txt."
    else:
        return page_ownership(request, session)
    if not proven:
        return page_ownership(request, session, sentence, 403)
    # A new name for the session: the old one was given to somebody unknown.
    return with_cookie(request, Session.new(OWNER, vault), see_other(request.own_path))


def take_proof(path: Path) -> bool:
    try:
        found = stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
    if found:
        with contextlib.suppress(OSError):
            path.unlink()
    return found


def respond_to_owner(request: Request, place: Place, vault: Vault, session: Session) -> Answer:
    journal = Journal(place.home)
    if request.method != "POST":
        return page_of_state(request, place, vault, session, journal)
    action = request.form().get("action", "")
    job = Job(place, journal, time.monotonic() + STEP_SECONDS)
    if action in ("begin", "over", "back", "cancel"):
        return begin(request, place, session, job, action)
    if action == "work" and journal.plan:
        return work(request, vault, session, job)
    if action == "database" and journal.next() == "database":
        job.answers = {name: request.form().get(name, "") for name in ("engine", *FIELD_NAMES)}
        return work_on_database(request, session, job)
    if action == "other" and is_new_database(journal):
        return choose_other_database(request, job)
    return see_other(request.own_path)


FIELD_NAMES = [field[0] for field in (*DATABASE_FIELDS, PREFIX_FIELD)]


def page_of_state(
    request: Request, place: Place, vault: Vault, session: Session, journal: Journal
) -> Answer:
    """The page for where the installation stands."""
    if not journal.plan or (journal.is_finished and not is_to_be_locked(journal, place)):
        return page_checks(request, session, place, journal.failure.get("sentence", ""))
    if journal.is_finished:
        return finish(request, place, vault, session)
    job = Job(place, journal, 0.0)
    if journal.next() == "database" and needs_answers(job):
        said = journal.failure
        failure = Failure(said["sentence"], field=said.get("field", "")) if said else None
        return page_database(request, session, journal, None, failure)
    return page_work(request, session, place, journal)


def is_to_be_locked(journal: Journal, place: Place) -> bool:
    """Whether the last step was taken and the process killed before the lock was."""
    return not (place.home / ".htfinished").is_file() or (
        (place.home / ".htfinished").stat().st_mtime_ns < journal.path.stat().st_mtime_ns
    )


def finish(request: Request, place: Place, vault: Vault, session: Session) -> Answer:
    """Lock the installer; from now on only this session sees how it went."""
    vault.lock(place, session.nonce)
    write_whole(place.home / ".htfinished", b"")
    return see_other(request.own_path)


def begin(request: Request, place: Place, session: Session, job: Job, action: str) -> Answer:
    """Make the plan, unless there is one that was not carried out to its end. Or give it up."""
    is_new = not job.journal.plan or job.journal.is_finished
    try:
        if action == "cancel":
            if job.journal.failure and place.is_installed():
                cancel(job)
        elif action == "back" and is_new:
            begin_back(place, job.journal)
        elif action == "over" or is_new:
            job.journal.begin(plan_for(place), place.current())
    except Failure as failure:
        return page_checks(request, session, place, str(failure))
    return see_other(request.own_path)


def work(request: Request, vault: Vault, session: Session, job: Job) -> Answer:
    """Go on with the steps, and tell a script or a person how far they are."""
    pause = 50
    if request.wants_json:
        job.deadline = time.monotonic() + min(SCRIPT_SECONDS, STEP_SECONDS)
    try:
        run_steps(job, single=request.wants_json)
    except Busy:
        pause = 1000
    except Failure:
        pass
    journal = Journal(job.place.home)
    if not request.wants_json:
        return see_other(request.own_path)
    percent, detail = journal.progress()
    name = journal.next()
    title = STEPS[name][0] if name else ""
    again = not (name is None or journal.failure or (name == "database" and needs_answers(job)))
    state = {
        "percent": percent,
        "text": f"{title} {detail}".strip(),
        "again": again,
        "pause": pause,
        "steps": states_of_steps(journal),
        "serving": sentence_of_serving(job.place),
    }
    return Answer(200, json.dumps(state).encode(), kind="application/json")


def work_on_database(request: Request, session: Session, job: Job) -> Answer:
    (job.place.home / ".htanswer-database").unlink(missing_ok=True)
    job.deadline += STEP_SECONDS
    try:
        with locked(job.place.home / ".htlock-work", wait=False):
            job.journal.done("database", STEPS["database"][1](job))
    except (Busy, Again):
        return see_other(request.own_path)
    except Failure as failure:
        return page_database(request, session, Journal(job.place.home), job.answers, failure)
    return see_other(request.own_path)


def choose_other_database(request: Request, job: Job) -> Answer:
    """Back to the form: the settings that were tried do not work after all."""
    with locked(job.place.home / ".htlock-work", wait=False):
        (job.place.home / "config.py").unlink(missing_ok=True)
        job.journal.undo("database", "tables", "entry", "selftest")
    return see_other(request.own_path)


def respond_to_finisher(request: Request, place: Place, vault: Vault, session: Session) -> Answer:
    action = request.form().get("action") if request.method == "POST" else ""
    if action == "delete":
        return delete_installer(place)
    if action == "back" and back_button(request, session, place):
        vault.unlock()
        job = Job(place, Journal(place.home), 0.0)
        return begin(request, place, session, job, "back")
    return page_finish(request, session, place, vault.show_key_once())


def delete_installer(place: Place) -> Answer:
    (place.home / ".htfinish").unlink(missing_ok=True)
    try:
        for path in place.web_folder.glob("taskmanager-*.zip*"):
            path.unlink()
        SCRIPT.unlink()
    except OSError as error:
        raise Refused(500, f"{sentence_of(error)} Delete it with your FTP program.") from None
    return page_deleted(place.url)


def answer_request(request: Request) -> Answer:
    try:
        return respond(request)
    except Refused as refused:
        answer = page("TaskManager", error_box(str(refused)), refused.status)
        answer.headers.update(refused.headers)
        return answer
    except Busy:
        answer = page(
            "TaskManager", error_box("The installer is running. Reload in a moment."), 503
        )
        answer.headers["Retry-After"] = "2"
        return answer
    except Exception as error:
        # What it is goes to the log: a page may be read by anybody.
        print(f"deploy.py: {type(error).__name__}: {error}", file=sys.stderr)
        sentence = "The installer failed; the server's error log says why. Reload to try again."
        return page("TaskManager", error_box(sentence), 500)


def send(answer: Answer, method: str, start_response: Any) -> Iterable[bytes]:
    reason = HTTPStatus(answer.status).phrase
    start_response(f"{answer.status} {reason}", answer.all_headers())
    return [] if method == "HEAD" else [answer.body]


def run_cgi() -> int:
    from wsgiref.handlers import CGIHandler

    def installer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ, "cgi")
        answer = answer_request(request)
        request.read_rest()
        return send(answer, request.method, start_response)

    CGIHandler().run(installer)
    return 0


_site: list[Any] = []


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """For Passenger: the installer at its own address, the installed site at all others."""
    request = Request(environ, "passenger")
    path = str(environ.get("PATH_INFO", ""))
    if path == f"/{SCRIPT.name}":
        return send(answer_request(request), request.method, start_response)
    if not _site and request.place().current():
        _site.append(installed_application(request.place()))
    if _site:
        answer: Iterable[bytes] = _site[0](environ, start_response)
        return answer
    if path in ("", "/"):
        return send(see_other(request.own_path), request.method, start_response)
    return send(page("Not found", "<p>There is nothing here yet.</p>", 404), "GET", start_response)


def installed_application(place: Place) -> Any:
    """The site's own entry, until Passenger is told to start with it."""
    release = place.releases / place.current()
    os.environ.setdefault("TASKMANAGER_CONFIG", str(place.home / "config.py"))
    sys.path[:0] = [str(release), str(release / "vendor")]
    return importlib.import_module("app.entry").application


# --- The command line ---------------------------------------------------------------------------


def read_answers(path: str) -> dict[str, Any]:
    """What an unattended installation is told. Raises Failure."""
    try:
        answers = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", EXIT_USAGE) from None
    except ValueError as error:
        raise Failure(f"{path} is no JSON: {error}", EXIT_USAGE) from None
    known = {"url", "kind", "web_folder", "home", "document_root", "archive", "database"}
    known.add("examples")
    if not isinstance(answers, dict) or set(answers) - known:
        raise Failure(f"{path} must be an object with: {', '.join(sorted(known))}", EXIT_USAGE)
    if not re.fullmatch(r"https?://[^/\s]+(/[^\s?#]*)?", str(answers.get("url", ""))):
        raise Failure(f'{path}: "url" must be the address of the site, http…', EXIT_USAGE)
    if answers.setdefault("kind", "cgi") not in ("cgi", "passenger"):
        raise Failure(f'{path}: "kind" must be "cgi" or "passenger"', EXIT_USAGE)
    database = answers.setdefault("database", {"engine": "sqlite"})
    if not isinstance(database, dict) or database.get("engine") not in ("sqlite", "mysql"):
        raise Failure(f'{path}: "database" must say "engine": "sqlite" or "mysql"', EXIT_USAGE)
    return answers


def place_of(answers: dict[str, Any]) -> Place:
    web_folder = Path(os.path.realpath(answers.get("web_folder") or SCRIPT.parent))
    if not web_folder.is_dir():
        raise Failure(f"The web folder {web_folder} is not there.", EXIT_USAGE)
    named = [folder for folder in web_folder.parents if folder.name in WEB_ROOT_NAMES]
    guess = web_folder if web_folder.name in WEB_ROOT_NAMES or not named else named[0]
    if answers["kind"] == "passenger":
        guess = web_folder / "public"
    root = Path(os.path.realpath(answers.get("document_root") or guess))
    home = answers.get("home")
    archive = answers.get("archive")
    return Place(
        web_folder=web_folder,
        home=Path(os.path.realpath(home)) if home else choose_home(web_folder, root),
        kind=answers["kind"],
        url=str(answers["url"]).rstrip("/"),
        document_root=root,
        archive=Path(os.path.realpath(archive)) if archive else None,
        server="command line",
    )


class Teller:
    """Says how far an unattended installation is: numbered lines, or an object a line."""

    def __init__(self, as_json: bool, stream: IO[str]) -> None:
        self._as_json = as_json
        self._stream = stream
        self._number = 0

    def step(self, name: str, status: str, detail: str) -> None:
        if self._as_json:
            self._write(json.dumps({"step": name, "status": status, "detail": detail}))
        elif status == "done":
            self._number += 1
            self._write(f"[{self._number}] {STEPS[name][0]}: {detail}")

    def end(self, result: dict[str, Any]) -> None:
        if self._as_json:
            self._write(json.dumps(result))
            return
        version = version_of(str(result["release"]))
        lines = ["", f"TaskManager {version} is {result['status']}: {result.get('url')}/"]
        if result["status"] != "back":
            lines += self._lines_to_paste(result)
        lines += [f"Delete {SCRIPT} now."] if result.get("note") is None else []
        for line in [*lines, *([str(result["note"])] if result.get("note") else [])]:
            self._write(line)

    @staticmethod
    def _lines_to_paste(result: dict[str, Any]) -> list[str]:
        key = str(result.get("api_key", ""))
        curl = str(result.get("curl", "")).replace("{api_key}", key or "YOUR_API_KEY")
        lines = [f"API key (also in config.py): {key}"] if key else []
        return [*lines, "", "Add a task:", f"  {curl}", "Cron line:", f"  {result.get('cron')}", ""]

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def install(options: argparse.Namespace) -> int:
    """The whole installation, an upgrade or the way back, without anybody watching."""
    teller = Teller(options.json, sys.stdout)
    has_begun = False
    try:
        answers = read_answers(options.config)
        check_password()
        place = place_of(answers)
        prepare_home(place.home)
        journal = Journal(place.home)
        if options.back:
            if journal.plan != "back" or journal.is_finished:
                begin_back(place, journal)
        elif not journal.plan or journal.is_finished or is_stale(journal, place):
            journal.begin(plan_for(place), place.current())
        has_begun = True
        work_through(place, answers, teller)
        journal = Journal(place.home)
    except Failure as failure:
        step = ""
        if has_begun:
            journal = Journal(place.home)
            step = journal.failure.get("step") or str(journal.next() or "")
        return tell_failure(failure, step, options.json)
    except Busy:
        return tell_failure(Failure("Another run is at work. Try again later."), "", options.json)
    except OSError as error:
        return tell_failure(Failure(sentence_of(error)), "", options.json)
    Vault(place.home).lock(place, "")
    write_whole(place.home / ".htfinished", b"")
    result = read_json(place.home / ".htfinish")
    (place.home / ".htfinish").unlink(missing_ok=True)
    status = {"upgrade": "upgraded", "back": "back"}.get(journal.plan, "installed")
    if status != "installed":
        result.pop("api_key", None)
    result.setdefault("url", place.url)
    where = {"home": str(place.home), "release": place.current()}
    teller.end({"status": status, **result, **where})
    return EXIT_DONE


def work_through(place: Place, answers: dict[str, Any], teller: Teller) -> None:
    typed = {name: str(value) for name, value in answers["database"].items()}
    typed["password"] = os.environ.get("DEPLOY_DB_PASS", "")
    typed["api_key"] = os.environ.get("DEPLOY_API_KEY", "")
    typed["examples"] = "yes" if answers.get("examples") else ""
    while not Journal(place.home).is_finished:
        # A while at a time, so that the journal tells whoever looks how far it is.
        deadline = time.monotonic() + STEP_SECONDS
        run_steps(Job(place, Journal(place.home), deadline, typed), teller.step)


def is_stale(journal: Journal, place: Place) -> bool:
    """Whether another archive was brought since the installation was begun."""
    if journal.plan == "back":
        return True
    path = find_archive(place)
    if not journal.release or path is None:
        return False
    with Archive(path) as archive:
        return archive.name != journal.release


def check_password() -> None:
    """Whoever may set a password in the file may ask for it here too."""
    given = os.environ.get("DEPLOY_ADMIN_PASSWORD", "")
    if ADMIN_PASSWORD and not hmac.compare_digest(digest_of(given), digest_of(ADMIN_PASSWORD)):
        raise Failure(
            "This file sets ADMIN_PASSWORD, and DEPLOY_ADMIN_PASSWORD is not the same.", EXIT_USAGE
        )


def tell_failure(failure: Failure, step: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"status": "failed", "step": step, "error": str(failure)}), flush=True)
    title = f"{STEPS[step][0]}: " if step else ""
    print(f"deploy.py: {title}{failure}", file=sys.stderr)
    return failure.exit_code


def project_module(name: str) -> Any:
    """A module of app/ in the project beside this file. Raises Failure."""
    path = f"app/{name.replace('.', '/')}.py"
    if not (PROJECT / path).is_file():
        raise Failure(
            f"{path} is missing in {PROJECT}: this needs the whole project, not "
            "deploy.py alone. Get it again and run the deploy.py in it.",
            EXIT_MISSING,
        )
    sys.path.insert(0, str(PROJECT))
    return importlib.import_module(f"app.{name}")


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to 65535")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy.py",
        description=(
            "Installs and upgrades TaskManager. Uploaded into a web folder it does so in the "
            "browser; from a terminal it takes one of --local, --install, --back and --build."
        ),
        epilog=INSTALL_HELP + "\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--local",
        action="store_true",
        help="install into .venv and local/ here, serve on 127.0.0.1, run tasks, go on serving",
    )
    modes.add_argument(
        "--install", action="store_true", help="install or upgrade a site, unattended; see below"
    )
    modes.add_argument(
        "--back",
        action="store_true",
        help="let the version before the last upgrade serve again, unattended",
    )
    modes.add_argument(
        "--build", action="store_true", help="make the release archive of this project"
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="--local: end when the tasks are done instead of serving on",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8000,
        help="--local: the server's port (default: %(default)s)",
    )
    parser.add_argument(
        "--real",
        metavar="PATH",
        help="--local: instead of the demonstration: checksum, size and lines of every file "
        "below PATH",
    )
    parser.add_argument("--config", metavar="FILE", help="--install: the answers, as JSON")
    parser.add_argument(
        "--json", action="store_true", help="--install: print an object a line for programs"
    )
    parser.add_argument(
        "--with-vendor",
        action="store_true",
        help="--build: with the packages, for hosts without pip or network",
    )
    parser.add_argument("--output", metavar="FILE", help="--build: the archive's path")
    return parser


OPTIONS_OF = {
    "local": ("once", "real"),
    "install": ("config", "json"),
    "build": ("with_vendor", "output"),
}


def refuse_strangers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """An option of one mode given with another one is a mistake."""
    for mode, names in OPTIONS_OF.items():
        given = [name for name in names if getattr(options, name) not in (None, False)]
        is_mode = getattr(options, mode) or (mode == "install" and options.back)
        if given and not is_mode:
            words = " and ".join("--" + name.replace("_", "-") for name in names)
            parser.error(f"{words} go with --{mode}")


def main(arguments: Optional[list[str]] = None) -> int:
    parser = command_line()
    options = parser.parse_args(arguments)
    refuse_strangers(parser, options)
    try:
        if options.local:
            return int(project_module("local.bootstrap").main(options))
        if options.build:
            output = Path(options.output).resolve() if options.output else None
            releases = project_module("install.releases")
            return int(releases.build_command(PROJECT, output, options.with_vendor))
    except Failure as failure:
        return tell_failure(failure, "", False)
    if options.install or options.back:
        if not options.config:
            mode = "--back" if options.back else "--install"
            parser.error(f"{mode} needs --config answers.json")
        return install(options)
    parser.print_help()
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(run_cgi() if "GATEWAY_INTERFACE" in os.environ else main())
'''  # the end of PROGRAM

if sys.version_info[:2] >= OLDEST_PYTHON:
    # As many lines come first as are above it, so that errors name the right one.
    ABOVE = sys._getframe().f_lineno - PROGRAM.count("\n") - 5
    exec(compile("\n" * ABOVE + PROGRAM, __file__, "exec"), globals())
elif __name__ != "__main__":
    application = say_too_old
else:
    if "GATEWAY_INTERFACE" in os.environ:
        sys.stdout.write("Status: 500 Old Python\r\nContent-Type: text/plain\r\n\r\n")
        sys.stdout.write(TOO_OLD + "\n")
    else:
        sys.stderr.write(TOO_OLD + "\n")
    sys.exit(3)
