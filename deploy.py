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
# It needs Python 3.9 or newer, and nothing else. What follows is the program itself.
"""Install TaskManager, or upgrade it. `python3 deploy.py --help` tells how.

Runs as a CGI program, as a Passenger startup file (`application`), and from the command line, with
the standard library only. It does what must work before there is anything else: it proves that the
visitor owns the site, finds the archive and verifies it, and hands over to `installer/` in it.

The program is a string, which a Python that is new enough compiles. Everything around it runs on
Python 2.7 too, so that an old Python can say that it is too old.
"""

import os
import sys

# --- What you may set before you upload this file ----------------------------------------------

# The password that the page asks for: at least 8 characters between the quotes. Left empty, the
# page asks you to create a file with a random name instead.
ADMIN_PASSWORD = ""

# Where to download the archive when no taskmanager-….zip lies beside this file, and its SHA-256.
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
    """Passenger's `application` on an old Python."""
    start_response("500 Old Python", [("Content-Type", "text/plain; charset=utf-8")])
    return [TOO_OLD.encode("utf-8")]


# --- The program --------------------------------------------------------------------------------

PROGRAM = r'''
# A web folder must not get files of bytecode from this program.
sys.dont_write_bytecode = True

import argparse
import base64
import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import hmac
import importlib
import json
import re
import secrets
import stat
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from html import escape
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, Optional

SCRIPT = Path(__file__).resolve()
PROJECT = SCRIPT.parent

EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_FAILED = 4

STEP_SECONDS = 12.0  # of work in one request; many hosts end a request after 30


class DeployError(Exception):
    """Something cannot be done. The message tells a person why and what to do about it."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


# --- Files --------------------------------------------------------------------------------------

DENY_ALL = """\
<IfModule mod_authz_core.c>
    Require all denied
</IfModule>
<IfModule !mod_authz_core.c>
    Order deny,allow
    Deny from all
</IfModule>
"""


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError."""
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


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def advice_for(error: OSError) -> str:
    """What a person can do about an error of the system."""
    where = str(error.filename or "the folder")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full, or the account's quota is used up. Free some space and go on."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where} cannot be written to. Let its folder belong to your account with the mode "
            "755 (control panel, file manager, permissions), and go on."
        )
    return f"{error.strerror or error} ({where})"


# --- Where the installation is ------------------------------------------------------------------

WEB_ROOT_NAMES = {"public_html", "www", "htdocs", "html", "httpdocs", "web", "public", "wwwroot"}
BUILD_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")


@dataclasses.dataclass
class Location:
    """The folder that the web serves, the private data folder, the address."""

    web_folder: Path
    home: Path
    kind: str
    url: str
    document_root: Path
    server: str = ""
    address: str = ""

    def build(self, which: str) -> Optional[Path]:
        """The folder of the installed version that is `current`, or `previous`."""
        try:
            name = (self.home / which).read_text("utf-8").strip()
        except OSError:
            return None
        folder = self.home / "releases" / name
        return folder if BUILD_NAME.fullmatch(name) and folder.is_dir() else None


def version_of(build: str) -> str:
    """The version in a build's name, which is VERSION-CHECKSUM."""
    return build.rpartition("-")[0] or build


def version_key(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:4])


def choose_home(web_folder: Path, document_root: Path) -> Path:
    """A folder outside the web root if the account has one, else a folder in the web folder."""
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
    """Make the private data folder. Its .htaccess is written first, so that Apache never serves
    what comes after it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / ".htaccess").is_file():
        write_whole(home / ".htaccess", DENY_ALL.encode(), 0o644)
    (home / "logs").mkdir(mode=0o700, exist_ok=True)


# --- The archive --------------------------------------------------------------------------------

ARCHIVE_BYTES = 100_000_000
UNPACKED_BYTES = 250_000_000
ARCHIVE_FILES = 20_000
MANIFEST = "MANIFEST.json"
MANIFEST_BYTES = 5_000_000

ARCHIVE_INSIDE = b"\n# --- The archive: "


class NoArchive(DeployError):
    """There is nothing to install."""

    def __init__(self) -> None:
        super().__init__(
            "There is nothing to install. Upload taskmanager-….zip into the folder of "
            f"{SCRIPT.name}, or the {SCRIPT.name} with the archive inside, and try again.",
            EXIT_MISSING,
        )


class Archive:
    """An archive whose list of files has been checked. Raises DeployError for a bad one."""

    def __init__(self, path: Path, label: str = "", wanted: str = "") -> None:
        self.path = path
        self.label = label or path.name
        check_sum(path, self.label, wanted)
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise DeployError(damaged(self.label, "it is no zip archive")) from None
        except NotImplementedError as error:
            raise DeployError(damaged(self.label, str(error))) from None
        self._members = {
            entry.filename: checked(entry, self.label) for entry in self._zip.infolist()
        }
        self._check_whole()
        content = self.read(MANIFEST, MANIFEST_BYTES)
        self.manifest = self._manifest(content)
        self.digest = hashlib.sha256(content).hexdigest()
        self.version = str(self.manifest["version"])

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def facts(self) -> dict[str, Any]:
        """What the installer needs to know of it."""
        return {
            "path": str(self.path),
            "label": self.label,
            "name": f"{self.version}-{self.digest[:12]}",
            "version": self.version,
            "manifest": self.digest,
        }

    def verify(self) -> None:
        """Compare every file with its checksum in the manifest. Raises DeployError."""
        for name, digest in self.manifest["files"].items():
            if hashlib.sha256(self.read(name)).hexdigest() != digest:
                reason = f"{name} in it is not the file that {MANIFEST} lists"
                raise DeployError(damaged(self.label, reason))

    def read(self, name: str, limit: int = UNPACKED_BYTES) -> bytes:
        """One file's content. Raises DeployError when it is damaged."""
        if name not in self._members:
            raise DeployError(damaged(self.label, f"{name} is missing in it"))
        if self._members[name].file_size > limit:
            raise DeployError(damaged(self.label, f"{name} is too large"))
        try:
            return self._zip.read(self._members[name])
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as e:
            raise DeployError(damaged(self.label, str(e))) from None
        except OSError as error:
            raise DeployError(damaged(self.label, str(error))) from None
        except Exception as error:
            if type(error).__module__ in ("zlib", "_lzma"):
                raise DeployError(damaged(self.label, str(error))) from None
            raise

    def _check_whole(self) -> None:
        entries = self._zip.infolist()
        lowered = {entry.filename.lower() for entry in entries}
        if len(lowered) != len(entries):
            raise DeployError(unsafe(self.label, "a name is in it twice"))
        if len(entries) > ARCHIVE_FILES:
            raise DeployError(unsafe(self.label, "it holds too many files"))
        if sum(entry.file_size for entry in entries) > UNPACKED_BYTES:
            raise DeployError(unsafe(self.label, "unpacked it would fill the disk"))

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
            raise DeployError(damaged(self.label, f"{MANIFEST} in it is not TaskManager's"))
        if set(files) != set(self._members) - {MANIFEST}:
            raise DeployError(damaged(self.label, f"its files are not those that {MANIFEST} lists"))
        if "app/install/__main__.py" not in files:
            raise DeployError(damaged(self.label, "it holds no installer (app/install)"))
        return dict(manifest)


def check_sum(path: Path, label: str, wanted: str = "") -> None:
    """Compare with the SHA-256 wanted, set in this file or lying beside. Raises DeployError."""
    try:
        if path.stat().st_size > ARCHIVE_BYTES:
            raise DeployError(unsafe(label, "it is too large"))
        wanted = wanted or RELEASE_SHA256.strip().lower()
        beside = path.with_name(path.name + ".sha256")
        if not wanted and beside.is_file():
            wanted = beside.read_text("ascii", "replace")[:64].lower()
        if wanted and not hmac.compare_digest(sha256_of(path).encode(), wanted.encode()):
            raise DeployError(damaged(label, "its SHA-256 is not the one that it should have"))
    except FileNotFoundError:
        raise DeployError(f"{label} is not there. Upload it beside deploy.py.") from None


def checked(entry: zipfile.ZipInfo, label: str) -> zipfile.ZipInfo:
    """An entry of an archive that can do no harm when it is unpacked. Raises DeployError."""
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.create_system == 3 and kind not in (0, stat.S_IFREG):
        raise DeployError(unsafe(label, "it holds a link or something else that is not a file"))
    parts = name.split("/")
    plain = re.fullmatch(r"[^\x00-\x1f\\:]{1,400}", name)
    if not plain or any(part in ("", ".", "..") for part in parts) or entry.flag_bits & 1:
        raise DeployError(unsafe(label, "a name in it leads out of the version's folder"))
    return entry


def damaged(label: str, why: str) -> str:
    return (
        f"{label} is damaged: {why}. Download it again and upload it again, in binary mode. "
        "Nothing of it was installed."
    )


def unsafe(label: str, why: str) -> str:
    return (
        f"{label} was refused: {why}. It is not an archive as the project makes them; get it "
        "from the project itself. Nothing of it was installed."
    )


@dataclasses.dataclass
class Candidate:
    """An archive that was found: its path, its name for people, the SHA-256 that it must have."""

    path: Path
    label: str = ""
    wanted: str = ""


def find_archive(location: Location, named: str = "") -> Candidate:
    """The archive that was named; or the newest of those beside this file and the one inside it;
    or the one that was downloaded. Raises NoArchive, OSError.
    """
    if named:
        return Candidate(Path(os.path.realpath(named)))
    found = [path for path in location.web_folder.glob("taskmanager-*.zip") if path.is_file()]
    ages = [(version_key(path.name), path.stat().st_mtime, path) for path in found]
    inside = archive_inside()
    if inside:
        ages.append((version_key(inside[0]), SCRIPT.stat().st_mtime, SCRIPT))
    if ages:
        path = max(ages)[2]
        return take_out(location.home, *inside) if inside and path == SCRIPT else Candidate(path)
    path = download_path(location.home)
    if RELEASE_URL and path.is_file():
        return Candidate(path, RELEASE_URL.rpartition("/")[2], RELEASE_SHA256.strip().lower())
    raise NoArchive


def archive_inside() -> Optional[tuple[str, str, bytes]]:
    """The archive that this very file carries as comments: its name, its SHA-256, its text."""
    _program, mark, rest = SCRIPT.read_bytes().rpartition(ARCHIVE_INSIDE)
    if not mark:
        return None
    title, _, text = rest.partition(b"\n")
    name, _, digest = title.decode("ascii", "replace").strip().partition(" ")
    return name, digest, text


def take_out(home: Path, name: str, digest: str, text: bytes) -> Candidate:
    """The archive inside this file, written to the private data folder unless it is there."""
    folder = home / "download"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"inside-{digest[:12]}.zip"
    if not path.is_file():
        import zlib  # which not every Python has

        try:
            content = zlib.decompress(base64.b64decode(re.sub(rb"[#\s]", b"", text)))
        except (ValueError, zlib.error) as error:
            raise DeployError(damaged(SCRIPT.name, f"the archive inside it ({error})")) from None
        write_whole(path, content)
    return Candidate(path, f"{name} (inside {SCRIPT.name})", digest)


def download_path(home: Path) -> Path:
    """Each address has its own file, so that a changed one is downloaded again."""
    return home / "download" / f"{hashlib.sha256(RELEASE_URL.encode()).hexdigest()[:12]}.zip"


def download(home: Path, deadline: float) -> bool:
    """Download the archive of RELEASE_URL, from where an earlier try got to: whether it is all
    there. Raises DeployError, OSError.
    """
    if not RELEASE_URL.startswith("https://") and not RELEASE_SHA256:
        raise DeployError("RELEASE_URL must begin with https://, or RELEASE_SHA256 must be set.")
    target = download_path(home)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    draft = target.with_suffix(".part")
    have = draft.stat().st_size if draft.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(RELEASE_URL, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            offset = have if response.status == 206 else 0
            if not copy_download(response, draft, offset, deadline):
                return False
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise DeployError(f"{RELEASE_URL} answers {error.code} {error.reason}.") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise DeployError(
            f"{RELEASE_URL} cannot be reached from here ({error}). Download it with "
            f"your browser and upload it beside {SCRIPT.name}."
        ) from None
    os.replace(draft, target)
    return True


def copy_download(response: Any, draft: Path, have: int, deadline: float) -> bool:
    with draft.open("ab") as file:
        file.truncate(have)
        for block in iter(lambda: response.read(1 << 16), b""):
            file.write(block)
            have += len(block)
            if have > ARCHIVE_BYTES:
                raise DeployError(
                    f"What {RELEASE_URL} offers is too large to be a TaskManager archive."
                )
            if time.monotonic() > deadline:
                return False
    return True


# --- The hand-over ------------------------------------------------------------------------------

# The contracts that this file speaks. installer/contract.py says what each of them is; the list of
# an archive is in its manifest. What is frozen is all of this section.
CONTRACTS = (1,)

START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from installer.contract import main; "
    "sys.exit(main())"
)


@dataclasses.dataclass
class Installer:
    """The code to hand over to: an archive, or an installed version's folder."""

    path: Path
    contract: int
    archive: Optional[dict[str, Any]]


def find_installer(
    location: Location, state: "InstallerState", named: str = "", is_finished: bool = False
) -> Installer:
    """The installer in the archive; where that is missing, older than what is installed or not
    needed any more, the one of an installed version. Raises NoArchive, DeployError, OSError.
    """
    if is_finished:
        with contextlib.suppress(NoArchive):
            return find_installed(location, None)
    try:
        candidate = find_archive(location, named)
    except NoArchive:
        if RELEASE_URL:
            raise
        return find_installed(location, None)
    try:
        with Archive(candidate.path, candidate.label, candidate.wanted) as archive:
            if not state.is_verified(archive):
                archive.verify()
                state.keep_verified(archive)
            facts, contracts = archive.facts(), archive.manifest.get("contracts")
    except DeployError:
        if candidate.path.parent == location.home / "download":
            candidate.path.unlink()  # the next try takes it out, or downloads it, again
        raise
    current = location.build("current")
    if current and version_key(facts["version"]) < version_key(version_of(current.name)):
        try:
            return find_installed(location, facts)
        except NoArchive:
            sentence = f"{facts['label']} is older than what is installed. Upload a newer archive."
            raise DeployError(sentence, EXIT_USAGE) from None
    contract = common_contract(contracts)
    if contract is None:
        raise DeployError(sentence_of_contracts(facts["label"], contracts))
    return Installer(candidate.path, contract, facts)


def find_installed(location: Location, archive: Optional[dict[str, Any]]) -> Installer:
    """The installer of the version that serves, or of the one before. Raises NoArchive."""
    for which in ("current", "previous"):
        folder = location.build(which)
        if folder:
            contract = common_contract(read_json(folder / MANIFEST).get("contracts"))
            if contract:
                return Installer(folder, contract, archive)
    raise NoArchive


def common_contract(theirs: object) -> Optional[int]:
    """The newest contract that both sides speak."""
    both = set(CONTRACTS) & set(theirs if isinstance(theirs, list) else [])
    return max(both, default=None)


def sentence_of_contracts(label: str, theirs: object) -> str:
    known = [each for each in theirs if isinstance(each, int)] if isinstance(theirs, list) else []
    if known and min(known) > max(CONTRACTS):
        return (
            f"{label} needs a newer {SCRIPT.name} than this one. Upload the deploy.py that was "
            "built with it, and go on. Nothing of it was installed."
        )
    return (
        f"{label} is from before this {SCRIPT.name}, which cannot install it. Upload a newer "
        "archive instead of it, or the deploy.py that was built with it, and go on. Nothing of it "
        "was installed."
    )


KEPT_VARIABLES = {
    *("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}


def environment(home: Path) -> dict[str, str]:
    """The variables of the installer's process: none of those that describe the request."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith(("PIP_", "LC_"))
    }
    kept.update(PYTHONDONTWRITEBYTECODE="1", PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    return {**kept, "HOME": os.environ.get("HOME") or str(home)}


def hand_over_request(
    installer: Installer, location: Location, lock: dict[str, str], mode: str
) -> dict[str, Any]:
    """The part of a request to the installer that is the same for pages and commands."""
    site = {name: str(value) for name, value in dataclasses.asdict(location).items()}
    return {
        "contract": installer.contract,
        "mode": mode,
        "site": site,
        "script": str(SCRIPT),
        "archive": installer.archive,
        "lock": {"file": str(lock_path(location.home)), "content": lock},
        "seconds": STEP_SECONDS,
    }


def hand_over(installer: Installer, request: dict[str, Any], home: Path) -> dict[str, Any]:
    """The installer's response to a request. Both are plain data, and the installer runs in a
    Python of its own: nothing of this process, whatever it has loaded, meets the code in the
    archive. Raises DeployError.
    """
    try:
        done = subprocess.run(
            installer_command(installer),
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            cwd=str(home),
            env=environment(home),
            check=False,
        )
    except OSError as error:
        raise DeployError(
            f"No program can be started here ({error.strerror or error}). Ask your host to allow "
            "it."
        ) from None
    try:
        response: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise DeployError(
            "The installer failed; the server's error log says why. Reload to try again."
        ) from None
    return response


def hand_over_for_good(installer: Installer, request: dict[str, Any], home: Path) -> None:
    """Become the installer, which reports to whoever started this program. Raises OSError."""
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(request).encode())
        file.seek(0)
        os.dup2(file.fileno(), 0)
    os.chdir(home)
    command = installer_command(installer)
    os.execve(command[0], command, environment(home))


def installer_command(installer: Installer) -> list[str]:
    if not sys.executable or not os.access(sys.executable, os.X_OK):
        raise DeployError(
            "The path of this Python is unknown. Write it into the first line of deploy.py, for "
            "example #!/usr/bin/python3, and go on."
        )
    return [sys.executable, "-I", "-B", "-X", "utf8", "-c", START, str(installer.path)]


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


class InstallerState:
    """What is remembered about visitors and archives, in a file that is never shown."""

    def __init__(self, home: Path) -> None:
        self._path = home / ".htinstaller"
        self._lock = home / ".htlock-state"
        self._content = read_json(self._path)
        if "secret" not in self._content:
            with self._changing() as content:
                content.setdefault("secret", secrets.token_hex(32))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with self._lock.open("ab") as lock:
            os.chmod(self._lock, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._content = read_json(self._path)
            yield self._content
            write_whole(self._path, json.dumps(self._content).encode())

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

    def is_verified(self, archive: Archive) -> bool:
        """Whether every file in it was compared before, and it was not touched since."""
        return self._content.get("verified") == identity_of(archive)

    def keep_verified(self, archive: Archive) -> None:
        with self._changing() as content:
            content["verified"] = identity_of(archive)


def identity_of(archive: Archive) -> list[Any]:
    status = archive.path.stat()
    times = [status.st_mtime_ns, status.st_ctime_ns]
    return [str(archive.path), archive.digest, status.st_size, *times]


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def delay_after(wrong: int) -> float:
    """Seconds before the next try: the first few are free, then each waits twice as long."""
    return 0.0 if wrong < FREE_TRIES else min(2.0 ** min(wrong - FREE_TRIES, 20), LONGEST_DELAY)


def fingerprint(location: Location) -> str:
    """Changes whenever this file or an archive is uploaded, which only an owner can do."""
    seen = []
    for path in sorted([SCRIPT, *location.web_folder.glob("taskmanager-*.zip")]):
        with contextlib.suppress(OSError):
            status = path.stat()
            seen.append([path.name, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def lock_path(home: Path) -> Path:
    """The installer writes this file when it has finished: who finished, and what lay here."""
    return home / ".htfinished"


@dataclasses.dataclass
class Session:
    """Who a browser is: a visitor, or somebody who has proven to be the owner."""

    level: str
    nonce: str
    expires: int
    state: InstallerState

    @classmethod
    def new(cls, level: str, state: InstallerState) -> "Session":
        seconds = OWNER_SECONDS if level == OWNER else VISITOR_SECONDS
        return cls(level, secrets.token_hex(16), int(time.time()) + seconds, state)

    @classmethod
    def read(cls, cookie: str, state: InstallerState) -> "Optional[Session]":
        """The session in a cookie; None for one that is not ours, or too old."""
        try:
            level, nonce, expires, signature = cookie.split(".")
            session = cls(level, nonce, int(expires), state)
        except ValueError:
            return None
        if not hmac.compare_digest(signature.encode(), session._signature().encode()):
            return None
        return session if time.time() < session.expires else None

    def cookie(self) -> str:
        return f"{self.level}.{self.nonce}.{self.expires}.{self._signature()}"

    def csrf(self) -> str:
        return self.state.sign("csrf", self.nonce)

    def proof_name(self) -> str:
        """The name of the file that proves that this visitor can write here."""
        return f"taskmanager-{self.state.sign('file', self.nonce)[:32]}.txt"

    def _signature(self) -> str:
        return self.state.sign("session", self.level, self.nonce, str(self.expires))


def admin_password() -> str:
    return ADMIN_PASSWORD or os.environ.get("DEPLOY_ADMIN_PASSWORD", "")


# --- Requests and responses ---------------------------------------------------------------------

FORM_BYTES = 64 * 1024


class Refused(Exception):
    """A request is refused, with this status and sentence."""

    def __init__(self, status: int, sentence: str, headers: Optional[dict[str, str]] = None):
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}


class PageRequest:
    """One request of a browser, as WSGI has it."""

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
        """Some servers cut the response of a program that leaves a body unread."""
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
        """The fields of a form; none for a GET. Raises Refused for anything but a form."""
        if self.method != "POST":
            return {}
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

    @property
    def action(self) -> str:
        return self.form().get("action", "")

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

    def location(self) -> Location:
        """Where the installation is that this request is about."""
        root = str(self.environ.get("DOCUMENT_ROOT") or "")
        # Passenger may say nothing; what it serves as files is then the folder "public".
        served = SCRIPT.parent if self.kind == "cgi" else SCRIPT.parent / "public"
        document_root = Path(os.path.realpath(root)) if root else served
        if self.kind == "cgi" and document_root not in SCRIPT.parents:
            document_root = SCRIPT.parent  # an alias or a user's folder: what lies here is served
        return Location(
            web_folder=SCRIPT.parent,
            home=choose_home(SCRIPT.parent, document_root),
            kind=self.kind,
            url=self.url,
            document_root=document_root,
            server=str(self.environ.get("SERVER_SOFTWARE", "")),
            address=server_address(self.environ),
        )


def server_address(environ: dict[str, Any]) -> str:
    """The server's own address and port, for when its name does not resolve here."""
    host, port = str(environ.get("SERVER_ADDR", "")), str(environ.get("SERVER_PORT", ""))
    return f"{f'[{host}]' if ':' in host else host}:{port}" if host and port.isdigit() else ""


@dataclasses.dataclass
class PageResponse:
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


def see_other(path: str) -> PageResponse:
    return PageResponse(303, b"", headers={"Location": path})


# --- Pages --------------------------------------------------------------------------------------

# What every page has, the installer's own as well: they are put into this frame.
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
a { color: var(--main); } p { margin: .6rem 0; } .dim { color: var(--dim); }
label { display: block; margin: .9rem 0 .2rem; font-weight: 600; }
input[type=text], input[type=password], textarea { width: 100%; font: inherit; padding: .55rem;
  border: 1px solid var(--edge); border-radius: 8px; background: var(--paper); color: var(--ink); }
input[aria-invalid] { border-color: var(--bad); outline: 1px solid var(--bad); }
input:focus-visible, textarea:focus-visible, button:focus-visible, summary:focus-visible,
.error:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
.copied { position: relative; } .copied button { margin: 0 0 .4rem; padding: .35rem .8rem;
  font-size: .9rem; }
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


def page(
    title: str, body: str, status: int = 200, style: str = "", script: str = ""
) -> PageResponse:
    nonce = secrets.token_urlsafe(16)
    scripts = script + (COPY_SCRIPT if "data-copy" in body else "")
    code = f'<script nonce="{nonce}">{scripts}</script>' if scripts else ""
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style nonce="{nonce}">{STYLE}{style}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>\n{body}\n</main>{code}</body></html>\n"
    )
    return PageResponse(status, text.encode("utf-8", "replace"), nonce=nonce)


def form(request: PageRequest, session: Session, action: str, inside: str, button: str) -> str:
    return (
        f'<form method="post" action="{escape(request.own_path)}" autocomplete="off">'
        f'<input type="hidden" name="csrf" value="{session.csrf()}">'
        f'<input type="hidden" name="action" value="{escape(action)}">{inside}'
        f"<button>{escape(button)}</button></form>"
    )


def error_box(sentence: str) -> str:
    """What went wrong, with the focus: it is read aloud, and on a phone it is in sight."""
    if not sentence:
        return ""
    return f'<p class="error" role="alert" tabindex="-1" autofocus>{escape(sentence)}</p>'


def page_error(sentence: str, status: int) -> PageResponse:
    return page("TaskManager", error_box(sentence), status)


def page_password(
    request: PageRequest, session: Session, sentence: str = "", status: int = 200
) -> PageResponse:
    wrong = ' aria-invalid="true" aria-describedby="password-error"' if sentence else ""
    error = f'<p class="error" id="password-error" role="alert">{escape(sentence)}</p>'
    inside = (
        '<label for="password">Password</label>'
        f'<input type="password" id="password" name="password"{wrong} autofocus>'
        + (error if sentence else "")
    )
    body = (
        f"<p>Enter the password that you set in {escape(SCRIPT.name)} before you uploaded it.</p>"
        + form(request, session, "password", inside, "Continue")
    )
    return page("TaskManager: is this yours?", body, status)


def page_proof(
    request: PageRequest, session: Session, sentence: str = "", status: int = 200
) -> PageResponse:
    body = (
        "<p>Show that this site is yours: create an empty file with this name in the folder "
        f"of {escape(SCRIPT.name)}, with your FTP program or the control panel's file manager.</p>"
        f'<div class="copied"><pre id="proof">{session.proof_name()}</pre>'
        '<button type="button" class="quiet" data-copy="proof" hidden>Copy</button></div>'
        + error_box(sentence)
        + form(request, session, "proof", "", "I have created the file")
        + '<p class="dim">This name works only in this browser. The file is deleted afterwards.</p>'
    )
    return page("TaskManager: is this yours?", body, status)


def page_locked() -> PageResponse:
    body = (
        "<p>This installer has finished and is locked. Delete it from the web folder. To use it "
        "again, upload it again, with the archive to install.</p>"
    )
    return page("Locked", body, 403)


def page_archive(request: PageRequest, session: Session, error: DeployError) -> PageResponse:
    """There is no archive that the installer could be taken from yet."""
    found, advice = "It cannot be used.", str(error)
    button = form(request, session, "look", "", "Check again")
    if isinstance(error, NoArchive):
        found = "There is none."
        advice = (
            f"Upload taskmanager-….zip into the folder of {SCRIPT.name}, or the {SCRIPT.name} with "
            "the archive inside."
        )
        if RELEASE_URL:
            advice = f"It will be downloaded from {RELEASE_URL}."
            button = form(request, session, "download", "", "Download and continue")
    body = (
        '<ul class="checks"><li><span class="failed">to do</span><div><b>Version to install</b>: '
        f"{escape(found)} {escape(advice)}</div></li></ul>{button}"
    )
    return page("TaskManager: checks", body)


# --- The web ------------------------------------------------------------------------------------


def respond(request: PageRequest) -> PageResponse:
    """The response to one request of a browser."""
    if request.method not in ("GET", "HEAD", "POST"):
        raise Refused(405, "This page takes GET and POST.", {"Allow": "GET, HEAD, POST"})
    if request.method == "POST":
        request.refuse_cross_site()
    location = request.location()
    try:
        prepare_home(location.home)
        state = InstallerState(location.home)
    except OSError:
        raise Refused(
            500,
            "The installer cannot write anything here. Its folder must belong to your account and "
            "have the mode 755. Then reload this page.",
        ) from None
    session = Session.read(request.cookie(), state)
    return respond_to_session(request, location, state, session)


def respond_to_session(
    request: PageRequest, location: Location, state: InstallerState, session: Optional[Session]
) -> PageResponse:
    is_owner = session is not None and session.level == OWNER
    lock = read_json(lock_path(location.home))
    is_finished = lock.get("upload") == fingerprint(location)
    if is_finished and not (session and is_owner and session.nonce == lock.get("session")):
        return page_locked()
    if request.method == "POST":
        check_csrf(request, session)
    if session is None:
        session = Session.new(VISITOR, state)
        return with_cookie(request, session, page_ownership(request, session))
    if not is_owner:
        return prove(request, location, state, session)
    return respond_to_owner(request, location, session, is_finished)


def check_csrf(request: PageRequest, session: Optional[Session]) -> None:
    given = request.form().get("csrf", "")
    if session is None or not hmac.compare_digest(given.encode(), session.csrf().encode()):
        raise Refused(
            403,
            "This form is too old, or your browser keeps no cookies for this site. Reload this "
            "page and try again.",
        )


def with_cookie(request: PageRequest, session: Session, response: PageResponse) -> PageResponse:
    secure = "; Secure" if request.is_secure else ""
    path = request.base + "/"
    response.headers["Set-Cookie"] = (
        f"{COOKIE}={session.cookie()}; Path={path}; HttpOnly; SameSite=Strict{secure}"
    )
    return response


def page_ownership(
    request: PageRequest, session: Session, sentence: str = "", status: int = 200
) -> PageResponse:
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


def prove(
    request: PageRequest, location: Location, state: InstallerState, session: Session
) -> PageResponse:
    """Check the proof that a visitor gives; with a valid one they become the owner."""
    password = admin_password()
    if len(password) >= 8 and request.action == "password":
        given = request.form().get("password", "")
        try:
            proven = state.try_password(given, password, time.time())
        except Throttled as throttled:
            return page_throttled(request, session, throttled.seconds)
        sentence = "That is not the password."
    elif not password and request.action == "proof":
        proven = take_proof(location.web_folder / session.proof_name())
        sentence = "There is no file with this name here yet. Check the folder and the ending .txt."
    else:
        return page_ownership(request, session)
    if not proven:
        return page_ownership(request, session, sentence, 403)
    # A new session: somebody else may know the old one.
    return with_cookie(request, Session.new(OWNER, state), see_other(request.own_path))


def page_throttled(request: PageRequest, session: Session, seconds: int) -> PageResponse:
    wait = "1 second" if seconds == 1 else f"{seconds} seconds"
    sentence = f"Too many wrong passwords. Wait {wait} before the next try."
    response = page_ownership(request, session, sentence, 429)
    response.headers["Retry-After"] = str(seconds)
    return response


def take_proof(path: Path) -> bool:
    try:
        found = stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
    if found:
        with contextlib.suppress(OSError):
            path.unlink()
    return found


def respond_to_owner(
    request: PageRequest, location: Location, session: Session, is_finished: bool
) -> PageResponse:
    """Hand over to the installer; until there is one, show what is missing."""
    try:
        if request.action == "download":
            download(location.home, time.monotonic() + STEP_SECONDS)
            return see_other(request.own_path)
        installer = find_installer(location, session.state, is_finished=is_finished)
    except DeployError as error:
        return page_archive(request, session, error)
    except OSError as error:
        return page_archive(request, session, DeployError(advice_for(error)))
    lock = {"upload": fingerprint(location), "session": session.nonce}
    content = hand_over_request(installer, location, lock, "page")
    content["page"] = {
        "method": request.method,
        "form": request.form(),
        "own_path": request.own_path,
        "csrf": session.csrf(),
        "wants_json": request.wants_json,
        "is_finished": is_finished,
    }
    return in_frame(request, hand_over(installer, content, location.home))


def in_frame(request: PageRequest, response: dict[str, Any]) -> PageResponse:
    """The installer's response as it is sent to the browser."""
    if response.get("reload"):
        return see_other(request.own_path)
    status = int(response.get("status", 200))
    if "data" in response:
        data = json.dumps(response["data"]).encode()
        return PageResponse(status, data, kind="application/json")
    parts = {name: str(response.get(name, "")) for name in ("title", "body", "style", "script")}
    framed = page(status=status, **parts)
    framed.headers.update(response.get("headers", {}))
    return framed


def respond_to_any(request: PageRequest) -> PageResponse:
    """The response to any request. Never raises."""
    try:
        return respond(request)
    except Refused as refused:
        response = page_error(str(refused), refused.status)
        response.headers.update(refused.headers)
        return response
    except DeployError as error:
        return page_error(str(error), 500)
    except Exception as error:
        # The details go to the log only: anybody may read a page.
        print(f"deploy.py: {type(error).__name__}: {error}", file=sys.stderr)
        sentence = "The installer failed; the server's error log says why. Reload to try again."
        return page_error(sentence, 500)


def send(response: PageResponse, method: str, start_response: Any) -> Iterable[bytes]:
    reason = HTTPStatus(response.status).phrase
    start_response(f"{response.status} {reason}", response.all_headers())
    return [] if method == "HEAD" else [response.body]


def run_cgi() -> int:
    from wsgiref.handlers import CGIHandler

    # A CGI program finds the header "Proxy" of a request there, and no setting of its host.
    os.environ.pop("HTTP_PROXY", None)

    def installer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = PageRequest(environ, "cgi")
        response = respond_to_any(request)
        request.read_rest()
        return send(response, request.method, start_response)

    CGIHandler().run(installer)
    return 0


_site: list[Any] = []


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """For Passenger: the installer at its own address, the installed site at all others."""
    request = PageRequest(environ, "passenger")
    path = str(environ.get("PATH_INFO", ""))
    if path == f"/{SCRIPT.name}":
        return send(respond_to_any(request), request.method, start_response)
    folder = None if _site else request.location().build("current")
    if folder:
        _site.append(installed_application(request.location().home, folder))
    if _site:
        body: Iterable[bytes] = _site[0](environ, start_response)
        return body
    if path in ("", "/"):
        return send(see_other(request.own_path), request.method, start_response)
    return send(page("Not found", "<p>There is nothing here yet.</p>", 404), "GET", start_response)


def installed_application(home: Path, folder: Path) -> Any:
    """The installed site, served from here until Passenger starts its own entry file."""
    os.environ.setdefault("TASKMANAGER_CONFIG", str(home / "config.py"))
    sys.path[:0] = [str(folder), str(folder / "vendor")]
    return importlib.import_module("app.entry").application


# --- The command line ---------------------------------------------------------------------------

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
    archive        the archive; default: the newest taskmanager-*.zip beside deploy.py
    database       {"engine": "sqlite"} (default), or
                   {"engine": "mysql", "host": …, "name": …, "user": …}; "prefix": "tm_" keeps
                   the tables apart from another program's
    examples       true: install all example handlers; some read any file that a task names
  and secrets come from the environment: DEPLOY_DB_PASS, DEPLOY_ADMIN_PASSWORD (when the file
  sets ADMIN_PASSWORD), DEPLOY_API_KEY (default: a random one), DEPLOY_DASHBOARD_PASSWORD (at
  least 10 characters; default: none, the API key signs in).

  --json prints one object a step, {"step", "status", "detail"}, and at the end one with
  "status": "installed", "upgraded", "back" or "failed". Run again, it goes on where it was; with a
  newer archive it upgrades.

going back to the version before the last upgrade:
  python3 deploy.py --back --config answers.json [--json]
"""


def read_config(path: str) -> dict[str, Any]:
    """The answers for an unattended installation. The installer checks them. Raises DeployError."""
    try:
        config = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise DeployError(f"{path} cannot be read: {error.strerror}", EXIT_USAGE) from None
    except ValueError as error:
        raise DeployError(f"{path} is not JSON: {error}", EXIT_USAGE) from None
    if not isinstance(config, dict):
        raise DeployError(f"{path} must be an object, as --help shows it", EXIT_USAGE)
    return config


def location_of(config: dict[str, Any]) -> Location:
    web_folder = Path(os.path.realpath(str(config.get("web_folder") or SCRIPT.parent)))
    if not web_folder.is_dir():
        raise DeployError(f"The web folder {web_folder} is not there.", EXIT_USAGE)
    kind = str(config.get("kind") or "cgi")
    named = [folder for folder in web_folder.parents if folder.name in WEB_ROOT_NAMES]
    guess = web_folder if web_folder.name in WEB_ROOT_NAMES or not named else named[0]
    if kind == "passenger":
        guess = web_folder / "public"
    root = Path(os.path.realpath(str(config.get("document_root") or guess)))
    home = config.get("home")
    return Location(
        web_folder=web_folder,
        home=Path(os.path.realpath(str(home))) if home else choose_home(web_folder, root),
        kind=kind,
        url=str(config.get("url", "")).rstrip("/"),
        document_root=root,
        server="command line",
    )


def install(options: argparse.Namespace) -> int:
    """The whole installation, an upgrade or the way back, without anybody watching."""
    try:
        config = read_config(options.config)
        check_password()
        location = location_of(config)
        prepare_home(location.home)
        installer = installer_for_command(location, str(config.get("archive") or ""))
        lock = {"upload": fingerprint(location), "session": ""}
        content = hand_over_request(installer, location, lock, "unattended")
        secrets_given = {k: v for k, v in os.environ.items() if k.startswith("DEPLOY_")}
        content["unattended"] = {
            "config": config,
            "config_file": options.config,
            "secrets": secrets_given,
            "as_json": options.json,
            "is_back": options.back,
        }
        hand_over_for_good(installer, content, location.home)
    except DeployError as error:
        return report_failure(error, options.json)
    except OSError as error:
        return report_failure(DeployError(advice_for(error)), options.json)
    return EXIT_FAILED


def installer_for_command(location: Location, named: str) -> Installer:
    state = InstallerState(location.home)
    try:
        return find_installer(location, state, named)
    except NoArchive:
        if not RELEASE_URL:
            raise
    while not download(location.home, time.monotonic() + STEP_SECONDS):
        pass
    return find_installer(location, state)


def check_password() -> None:
    """Raises DeployError if this file sets a password and the environment has another one."""
    given = os.environ.get("DEPLOY_ADMIN_PASSWORD", "")
    if ADMIN_PASSWORD and not hmac.compare_digest(digest_of(given), digest_of(ADMIN_PASSWORD)):
        raise DeployError(
            "This file sets ADMIN_PASSWORD, and DEPLOY_ADMIN_PASSWORD is not the same.", EXIT_USAGE
        )


def report_failure(error: DeployError, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"status": "failed", "step": "", "error": str(error)}), flush=True)
    print(f"deploy.py: {error}", file=sys.stderr)
    return error.exit_code


def project_module(name: str) -> Any:
    """A module of app/ in the project beside this file. Raises DeployError."""
    path = f"app/{name.replace('.', '/')}.py"
    if not (PROJECT / path).is_file():
        raise DeployError(
            f"{path} is missing in {PROJECT}: this needs the whole project, not "
            "deploy.py alone. Get it again and run the deploy.py in it.",
            EXIT_MISSING,
        )
    sys.path.insert(0, str(PROJECT))
    return importlib.import_module(f"app.{name}")


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
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
        "--build",
        action="store_true",
        help="make the archive of this project, and a deploy.py with the archive inside",
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


def refuse_options_of_other_modes(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> None:
    """Ends the program with a message if an option belongs to another mode."""
    for mode, names in OPTIONS_OF.items():
        given = [name for name in names if getattr(options, name) not in (None, False)]
        is_mode = getattr(options, mode) or (mode == "install" and options.back)
        if given and not is_mode:
            words = " and ".join("--" + name.replace("_", "-") for name in names)
            parser.error(f"{words} go with --{mode}")


def main(arguments: Optional[list[str]] = None) -> int:
    parser = command_line()
    options = parser.parse_args(arguments)
    refuse_options_of_other_modes(parser, options)
    try:
        if options.local:
            return int(project_module("local.bootstrap").main(options))
        if options.build:
            output = Path(options.output).resolve() if options.output else None
            build = project_module("install.build")
            return int(build.build_command(PROJECT, output, options.with_vendor))
    except DeployError as error:
        return report_failure(error, False)
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
