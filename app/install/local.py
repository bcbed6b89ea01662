"""`deploy.py --local`: a queue in the project's own folder, for trying it and for tests.

Standard library only: this makes the environment that everything else is then run with.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import contextlib
import dataclasses
import datetime
import errno
import hashlib
import http.client
import importlib
import json
import os
import runpy
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 9)

PROJECT_FILES = ("setup.cfg", "passenger_wsgi.py", "worker.py", "examples/handlers.py")
FOLDER_ADVICE = "Copy the project into a folder that you may write to, and run it there."

EXIT_DONE = 0
EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_FAILED = 4

HOST = "127.0.0.1"
START_PATIENCE = 60.0  # seconds for the server's first answer
STOP_PATIENCE = 10.0  # seconds for a process to end by itself
RETRY_PATIENCE = 600.0  # seconds, all waiting for retries together

TASKS_PER_CALL = 500
BYTES_PER_CALL = 500_000  # the server takes 1 MiB
TASKS_PER_PAGE = 100
FINISHED = ("completed", "failed", "cancelled")

Task = dict[str, Any]


class Failure(Exception):
    """A step cannot be done. The message tells a person why and what to do about it."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


# --- Words for people -------------------------------------------------------------------------


class Console:
    """Numbered steps and a progress line. Redraws on a terminal, writes plain lines elsewhere."""

    SECONDS_BETWEEN_LINES = 5.0
    INDENT = "      "

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._title_is_open = False
        self._progress_is_open = False
        self._last_progress = 0.0

    @property
    def width(self) -> int | None:
        """How many characters fit on a line; None where no terminal limits it."""
        return shutil.get_terminal_size((100, 24)).columns if self._is_terminal else None

    def line(self, text: str = "") -> None:
        """One whole line, on a line of its own."""
        self.close()
        self._write(text + "\n")

    def begin(self, title: str) -> None:
        """The title of a step, whose line `end` completes."""
        self.close()
        self._write(title)
        self._title_is_open = True

    def end(self, detail: str) -> None:
        """What the step did: on its title's line if that is still the last one."""
        if self._title_is_open:
            self._title_is_open = False
            self._write(f" {detail}\n")
        else:
            self.line(self.INDENT + detail)

    def progress(self, text: str, now: bool = False) -> None:
        """Replace the progress line; without a terminal, add one `now` or when it is time."""
        text = self.INDENT + text
        if self._is_terminal:
            self.close(keep_progress=True)
            room = (self.width or 100) - 1
            self._write("\r" + text[:room].ljust(room))
            self._progress_is_open = True
        elif now or time.monotonic() - self._last_progress >= self.SECONDS_BETWEEN_LINES:
            self.line(text)
            self._last_progress = time.monotonic()

    def close(self, keep_progress: bool = False) -> None:
        """End the line that is open, if one is."""
        if self._title_is_open or (self._progress_is_open and not keep_progress):
            self._write("\n")
            self._progress_is_open = False
        self._title_is_open = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def printable(text: str) -> str:
    """The text with everything escaped that could confuse a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shell_word(path: bytes) -> str:
    """The path as one word for a POSIX shell; bytes that are no printable text as in $'\\ooo'."""
    text = os.fsdecode(path)
    if text.isprintable():
        return shlex.quote(text)
    octal = "".join(
        chr(byte) if 32 < byte < 127 and byte not in b"'\\" else f"\\{byte:03o}" for byte in path
    )
    return f"$'{octal}'"


def table(rows: list[list[str]], width: int | None) -> Iterator[str]:
    """The rows as aligned lines, the last column cut at the width if there is one."""
    columns = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(length) for cell, length in zip(row, columns)]
        line = "  ".join(cells).rstrip()
        yield shortened(line, width) if width else line


# --- Processes --------------------------------------------------------------------------------


class Signals:
    """Turns the first SIGINT, SIGTERM or SIGHUP into Interrupted, and hands on those after it."""

    def __init__(self) -> None:
        self._held = False
        self._received: int | None = None
        self._again: Callable[[], None] = lambda: None

    def install(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup has SIGHUP ignored, and means it.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._receive)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A signal that comes inside the block is raised at its end."""
        before = self._received
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._received is not None and before is None:
            raise Interrupted(self._received)

    def from_now(self, again: Callable[[], None]) -> None:
        """Call `again` for a signal instead of raising: the end has begun."""
        self._again = again
        self._held = True

    def _receive(self, signum: int, _frame: object) -> None:
        first = self._received is None
        self._received = signum
        if first and not self._held:
            raise Interrupted(signum)
        self._again()


class Children:
    """The processes that deploy.py started. Leaving the `with` block ends every one of them."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self._signals.from_now(self.kill)
        for process in reversed(self._running[:]):
            self.stop(process)

    def start(
        self, command: list[str], output: int | IO[bytes], env: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a command in the project's folder, standard error joined to its output."""
        # A session of its own keeps a terminal's Ctrl-C away: deploy.py ends it in good order.
        with self._signals.held():
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.append(process)
        return process

    def run(self, command: list[str], env: dict[str, str]) -> tuple[int, str]:
        """Run a command to its end: its exit code and what it printed."""
        process = self.start(command, subprocess.PIPE, env)
        output, _ = process.communicate()
        self._running.remove(process)
        return process.returncode, output.decode("utf-8", "replace")

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ask a process to end, and end it if it does not."""
        self._signal(process, signal.SIGTERM)
        try:
            process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._signal(process, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()
        self._running.remove(process)

    def kill(self) -> None:
        for process in self._running:
            self._signal(process, signal.SIGKILL)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], signum: int) -> None:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signum)


def last_lines(text: str, count: int = 12) -> str:
    lines = text.rstrip().splitlines()[-count:]
    return "\n".join("    " + printable(line) for line in lines) or "    (it printed nothing)"


def log_tail(path: Path) -> str:
    try:
        return last_lines(path.read_text("utf-8", "replace"))
    except OSError:
        return "    (no log)"


FOREIGN_VARIABLES = {
    *("PYTHONHOME", "PYTHONPATH"),
    *("WORKER_ID", "TASK_TYPE_PATTERN", "TASK_TYPES", "POLL_INTERVAL", "MAX_RUNS"),
    *("DEBUG", "HANDLERS", "BATCH"),
}


def child_environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would turn the children's settings around."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TASKMANAGER_", "FLASK_")) and name not in FOREIGN_VARIABLES
    }
    # A run must not add bytecode files to a tree whose files it is just counting.
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["PYTHONUNBUFFERED"] = "1"
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, [env.get(name), HOST]))
    env.update(variables)
    return env


# --- The server's API -------------------------------------------------------------------------


class Refused(Exception):
    """The server answered with an error, or not at all."""


class Api:
    """Calls to a TaskManager server. Repeats a call while the server says that it is busy."""

    TRIES = 5
    TIMEOUT = 30.0

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        # The server is on this machine; a proxy from the environment would be in the way.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def health(self) -> str:
        """The server's own word for its state, `healthy` when all is well. Raises Refused."""
        return str(self._request("GET", "/health", None).get("status"))

    def get(self, path: str) -> dict[str, Any]:
        """The `data` of a GET. Raises Refused."""
        return self._data("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The `data` of a POST. Raises Refused."""
        return self._data("POST", path, body)

    def _data(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        data = self._request(method, path, body).get("data")
        return data if isinstance(data, dict) else {}

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        tries_left = self.TRIES
        while True:
            tries_left -= 1
            try:
                return self._send(method, path, body)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code not in (429, 503) or not tries_left:
                        raise Refused(f"{method} {path}: {self._sentence(error)}") from None
                    pause = float(error.headers.get("Retry-After") or 1)
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise Refused(f"{method} {path}: {error}") from None
            time.sleep(min(pause, 10.0))

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        payload = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, payload, headers, method=method)
        with self._opener.open(request, timeout=self.TIMEOUT) as answer:
            document = json.load(answer)
        if not isinstance(document, dict):
            raise ValueError("the answer is no JSON object")
        return document

    @staticmethod
    def _sentence(error: urllib.error.HTTPError) -> str:
        try:
            document = json.load(error)
            details = "".join(
                f"; {detail.get('path')}: {detail.get('message')}"
                for detail in document.get("details") or []
            )
            return f"{document['error']} (HTTP {error.code}{details})"
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"HTTP {error.code} {error.reason}"


# --- What there is to do ----------------------------------------------------------------------


class Demonstration:
    """A handful of tasks of each example type."""

    type_filter = "example.%"

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def tasks(self) -> Iterator[Task]:
        for message in ("hello", "a queue on cheap hosting", "¡olé!", "naïve café", ""):
            yield {"type": "example.echo", "params": {"message": message}}
        for text in ("quiet", "louder", "straße", "ångström", "done"):
            yield {"type": "example.uppercase", "params": {"text": text}}
        for a, b in ((1, 2), (40, 2), (-5, 5), (0.5, 0.25), (10**9, 1)):
            yield {"type": "example.math.add", "params": {"a": a, "b": b}}
        for seconds in (0.2, 0.3, 0.5, 0.7):
            yield {"type": "example.sleep", "params": {"seconds": seconds}}

    def report(self, tasks: list[Task], console: Console) -> None:
        """Print one line a task, as a table."""
        rows = [["type", "params", "status", "result"]]
        for task in tasks:
            params = json.dumps(task["params"], ensure_ascii=False)
            rows.append(
                [task["type"], shortened(printable(params), 40), task["status"], outcome(task)]
            )
        for line in table(rows, console.width):
            console.line(line)


def outcome(task: Task) -> str:
    """A task's result, or why there is none, on one line."""
    if task["status"] == "completed":
        return printable(json.dumps(task["result"], ensure_ascii=False))
    return printable(str(task["error"] or ""))


class FileDigests:
    """One task for every regular file below a folder, as `find FOLDER -type f` sees it."""

    type_filter = "files.digest"
    FAILURES_SHOWN = 10

    def __init__(self, folder: str, workplace: Path) -> None:
        self._given = os.fsencode(folder)
        self._folder = os.path.realpath(self._given)
        self._shown = printable(folder)
        self._workplace = os.path.realpath(os.fsencode(workplace))
        self._files: list[bytes] = []
        self._unreadable: list[OSError] = []

    def check(self) -> None:
        """Raises Failure for a path that cannot be walked, or holds nothing to do."""
        if not os.path.exists(self._given):
            raise Failure(f"--real {self._shown}: there is no such path", EXIT_USAGE)
        if not os.path.isdir(self._folder):
            raise Failure(f"--real {self._shown} is a file; name the folder around it", EXIT_USAGE)
        if is_inside(self._workplace, self._folder) or is_inside(self._folder, self._workplace):
            raise Failure(
                f"--real {self._shown} holds {os.fsdecode(self._workplace)}, which changes while "
                "the tasks run: choose another folder",
                EXIT_USAGE,
            )
        if next(self._walk(), None) is None:
            raise Failure(f"--real {self._shown}: no regular file in it to read", EXIT_USAGE)

    def tasks(self) -> Iterator[Task]:
        self._unreadable.clear()
        self._files = sorted(self._walk())
        for path in self._files:
            yield {"type": "files.digest", "params": path_params(path)}

    def report(self, tasks: list[Task], console: Console) -> None:
        """Print the totals and how to verify them, and write the checksums to SHA256SUMS."""
        done = [(p, t["result"]) for p, t in zip(self._files, tasks) if t["status"] == "completed"]
        for name, total in (
            ("files", len(done)),
            ("bytes", sum(result["size"] for _, result in done)),
            ("lines", sum(result["lines"] for _, result in done)),
            ("failed", len(tasks) - len(done)),
        ):
            console.line(f"  {name:<8}{total:>16}")
        self._report_failures(tasks, console)
        sums = os.path.join(self._workplace, b"SHA256SUMS")
        write_whole(sums, b"".join(sum_line(path, result["sha256"]) for path, result in done))
        console.line("Anyone can check that:")
        for command in self._verification(sums):
            console.line("  " + command)

    def _walk(self) -> Iterator[bytes]:
        for folder, _, names in os.walk(self._folder, onerror=self._unreadable.append):
            for name in names:
                path = os.path.join(folder, name)
                if is_regular_file(path):
                    yield path

    def _report_failures(self, tasks: list[Task], console: Console) -> None:
        failed = [(p, t) for p, t in zip(self._files, tasks) if t["status"] != "completed"]
        for path, task in failed[: self.FAILURES_SHOWN]:
            name = printable(os.fsdecode(path))
            console.line(f"    {task['status']}: {name}: {outcome(task)}")
        if len(failed) > self.FAILURES_SHOWN:
            console.line(f"    ... and {len(failed) - self.FAILURES_SHOWN} more")
        for error in self._unreadable[: self.FAILURES_SHOWN]:
            console.line(f"    not looked into: {printable(str(error))}")

    def _verification(self, sums: bytes) -> list[str]:
        folder = shell_word(self._folder)
        # A name with a newline in it would count as two lines.
        odd = any(b"\n" in path for path in self._files)
        count = "-printf . | wc -c" if odd else "| wc -l"
        return [
            f"find {folder} -type f {count}",
            f"find {folder} -type f -print0 | xargs -0 cat | wc -lc",
            f"sha256sum --check --quiet {shell_word(sums)}",
        ]


def is_inside(path: bytes, folder: bytes) -> bool:
    return os.path.commonpath([path, folder]) == folder


def is_regular_file(path: bytes) -> bool:
    return os.path.isfile(path) and not os.path.islink(path)


def path_params(path: bytes) -> dict[str, str]:
    """A path as `files.digest` takes it: as text where it is UTF-8, else in Base64."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path_base64": base64.b64encode(path).decode("ascii")}


def sum_line(path: bytes, digest: str) -> bytes:
    """A line of GNU sha256sum; a leading backslash marks a name that had to be escaped."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b"%s%s  %s\n" % (b"\\" if escaped != path else b"", digest.encode("ascii"), escaped)


def write_whole(path: bytes | Path, content: bytes) -> None:
    """Write a file that only its owner can read, so that it is there whole or not at all."""
    name = os.fsencode(path)
    descriptor, draft = tempfile.mkstemp(prefix=b".draft-", dir=os.path.dirname(name))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(draft, name)
    except BaseException:
        os.unlink(draft)
        raise


def batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """The tasks in lists that the server takes in one call, in order."""
    batch: list[Task] = []
    size = 0
    for task in tasks:
        length = len(json.dumps(task)) + 2
        if batch and (len(batch) == TASKS_PER_CALL or size + length > BYTES_PER_CALL):
            yield batch
            batch, size = [], 0
        batch.append(task)
        size += length
    if batch:
        yield batch


# --- Steps ------------------------------------------------------------------------------------


@dataclasses.dataclass
class LocalInstallation:
    """A queue in the project's own folder, with all that the steps find out on their way."""

    workload: Demonstration | FileDigests
    port: int
    console: Console
    children: Children
    api: Api
    server: subprocess.Popen[bytes] | None = None
    task_ids: list[int] = dataclasses.field(default_factory=list)
    tasks: dict[int, Task] = dataclasses.field(default_factory=dict)

    venv = PROJECT / ".venv"
    folder = PROJECT / "local"

    @property
    def python(self) -> str:
        return str(self.venv / "bin" / "python")

    @property
    def config(self) -> Path:
        return self.folder / "config.py"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def unfinished(self) -> list[Task]:
        tasks = (self.tasks.get(task_id) for task_id in self.task_ids)
        return [task for task in tasks if task and task["status"] not in FINISHED]

    def all_completed(self) -> bool:
        tasks = (self.tasks.get(task_id) for task_id in self.task_ids)
        return all(task and task["status"] == "completed" for task in tasks)


Step = Callable[[LocalInstallation], str]


def check_machine(site: LocalInstallation) -> str:
    """What can be told before anything is made: the port, the path, Python's own parts."""
    check_project()
    site.workload.check()
    check_port(site.port)
    for module in ("venv", "ensurepip"):
        try:
            importlib.import_module(module)
        except ImportError:
            raise Failure(venv_advice(module), EXIT_MISSING) from None
    return f"Python {sys.version.split()[0]}, port {site.port} is free"


def check_project() -> None:
    """Raises Failure unless the whole project is here, in a folder that can be written to."""
    for name in PROJECT_FILES:
        if not (PROJECT / name).is_file():
            raise Failure(
                f"{name} is missing in {PROJECT}: --local needs the whole project, not "
                "deploy.py alone. Get it again and run the deploy.py in it.",
                EXIT_MISSING,
            )
    if not os.access(PROJECT, os.W_OK):
        raise Failure(f"{PROJECT} cannot be written to. {FOLDER_ADVICE}")


def check_port(port: int) -> None:
    """Raises Failure when the server could not listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Failure(port_advice(port, error)) from None


def port_advice(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        why = "is in use by another program"
    elif error.errno == errno.EACCES:
        why = "is reserved for the system's administrator"
    else:
        why = f"cannot be used ({error.strerror})"
    other = port + 1 if 1024 <= port < 65535 else 8000
    return (
        f"Port {port} on {HOST} {why}. Choose another one with --port, for example: "
        f"python3 deploy.py --local --port {other}"
    )


def venv_advice(module: str) -> str:
    package = debian_venv_package()
    sudo = "" if os.geteuid() == 0 else "sudo "
    install = f"{sudo}apt install {package}"
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        install = f"{sudo}apt update && {install}"
    return (
        f"This Python comes without its {module} module, which makes virtual environments. "
        f"On Debian and Ubuntu this line brings it:\n\n    {install}\n\n"
        "Then run deploy.py again."
    )


def debian_venv_package() -> str:
    """The package of the venv module; only the system's own version has one without a number."""
    own = "python{}.{}".format(*sys.version_info[:2])
    system = os.path.basename(os.path.realpath("/usr/bin/python3"))
    return "python3-venv" if own == system else f"{own}-venv"


def make_environment(site: LocalInstallation) -> str:
    """A virtual environment in .venv; one that is broken or of an older Python is made again."""
    probe = f"import sys, pip; sys.exit(sys.version_info[:2] < {OLDEST_PYTHON})"
    if os.path.exists(site.python):
        code, _ = site.children.run([site.python, "-c", probe], child_environment())
        if code == 0:
            return "kept"
    command = [sys.executable, "-m", "venv", "--clear", str(site.venv)]
    code, output = site.children.run(command, child_environment())
    if code:
        raise Failure(f"{shlex.join(command)} failed:\n{last_lines(output)}")
    return "made"


def install_dependencies(site: LocalInstallation) -> str:
    """What setup.cfg names, by pip; nothing when the same list was installed before."""
    requirements = read_requirements()
    stamp = site.venv / ".installed"
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()
    if stamp.exists() and stamp.read_text("ascii", "replace") == digest:
        return "kept"
    command = [site.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    site.console.progress("pip is fetching them; the first time this takes a while", now=True)
    env = child_environment(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    code, output = site.children.run([*command, *requirements], env)
    if code:
        raise Failure(
            f"pip could not install {', '.join(requirements)}. It said:\n{last_lines(output)}\n"
            "Check the network (a proxy is named by HTTPS_PROXY) and run deploy.py again."
        )
    write_whole(stamp, digest.encode())
    return f"installed {counted(len(requirements), 'package')} and what they need"


def read_requirements() -> list[str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(PROJECT / "setup.cfg", encoding="utf-8")
        lines = parser.get("options", "install_requires").splitlines()
    except configparser.Error as error:
        raise Failure(f"setup.cfg is damaged ({error}): get the project again") from None
    return [line.strip() for line in lines if line.strip()]


def make_config(site: LocalInstallation) -> str:
    """The folder local/ and the settings in it, with a random API key; kept if they exist."""
    site.folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("server", "worker"):
        site.log(name).write_bytes(b"")
    known = site.config.exists()
    if not known:
        write_whole(site.config, CONFIG.format(key=secrets.token_urlsafe(24)).encode())
    site.api.key = read_api_key(site.config)
    return "kept local/config.py" if known else "made local/config.py with a new API key"


CONFIG = '''\
"""Settings of the queue that `deploy.py --local` made. config.example.py explains all."""

DATABASE_URL = "sqlite:///queue.sqlite3"  # beside this file
API_KEY = "{key}"
RETRY_DELAY = 2  # seconds: somebody is watching
'''


def read_api_key(config: Path) -> str:
    advice = "Mend it, or delete it and run deploy.py again for a new one."
    try:
        key = runpy.run_path(str(config)).get("API_KEY")
    except Exception as error:
        raise Failure(f"{config} cannot be read as Python: {error}. {advice}") from None
    if not isinstance(key, str) or not key:
        raise Failure(f"{config} sets no API_KEY. {advice}")
    return key


def make_tables(site: LocalInstallation) -> str:
    """The queue's tables; those that an older release made are brought up to date."""
    command = [site.python, "-m", "flask", "--app", "passenger_wsgi", "upgrade-db"]
    env = child_environment(TASKMANAGER_CONFIG=str(site.config))
    code, output = site.children.run(command, env)
    if code:
        raise Failure(f"The tables could not be made:\n{last_lines(output)}")
    return printable(output.strip())


def start_server(site: LocalInstallation) -> str:
    """Flask's own server in the background, until it answers a health check."""
    check_port(site.port)
    flask = [site.python, "-m", "flask", "--app", "passenger_wsgi", "run"]
    address = ["--host", HOST, "--port", str(site.port)]
    env = child_environment(TASKMANAGER_CONFIG=str(site.config))
    with site.log("server").open("ab") as log:
        site.server = site.children.start([*flask, *address], log, env)
    wait_for_health(site)
    return f"answers at {site.api.url}/health, log in local/server.log"


def wait_for_health(site: LocalInstallation) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        check_server(site)
        try:
            if site.api.health() == "healthy":
                return
            said = "unhealthy"
        except Refused as refusal:
            said = str(refusal)
        if time.monotonic() > deadline:
            tail = log_tail(site.log("server"))
            raise Failure(f"The server started but is not healthy ({said}). Its log ends:\n{tail}")
        time.sleep(0.1)


def check_server(site: LocalInstallation) -> None:
    """Raises Failure when the server is gone."""
    if site.server and site.server.poll() is not None:
        raise Failure(
            f"The server ended with exit code {site.server.returncode}. "
            f"Its log (local/server.log) ends:\n{log_tail(site.log('server'))}\n"
            "If a module is missing there, delete the folder .venv and run deploy.py again."
        )


def register_types(site: LocalInstallation) -> str:
    """The task types that examples/handlers.py can work on."""
    types = example_types(site)
    for task_type in types:
        site.api.post("/task-types/register", task_type)
    return ", ".join(task_type["name"] for task_type in types)


def example_types(site: LocalInstallation) -> list[dict[str, Any]]:
    # Read by the environment's Python, since the handlers may import what is installed there.
    program = (
        "import json, runpy; "
        "print(json.dumps(runpy.run_path('examples/handlers.py')['TASK_TYPES']))"
    )
    code, output = site.children.run([site.python, "-c", program], child_environment())
    try:
        types: list[dict[str, Any]] = json.loads(output)
    except ValueError:
        code = code or 1
    if code:
        raise Failure(f"The task types of examples/handlers.py: \n{last_lines(output)}")
    return types


def add_tasks(site: LocalInstallation) -> str:
    """Every task of the workload, many a call."""
    # A task left from an interrupted run is taken up, one that was done is done again.
    for batch in batches({**task, "dedupe": "active"} for task in site.workload.tasks()):
        answer = site.api.post("/tasks", {"tasks": batch})
        site.task_ids += [task["id"] for task in answer["tasks"]]
    return f"added {counted(len(site.task_ids), 'task')}"


def run_worker(site: LocalInstallation) -> str:
    """Workers, one after another, until no task is left that may still be done."""
    waited = 0.0
    started = time.monotonic()
    while True:
        work_until_empty(site, started)
        collect_tasks(site)
        pause = seconds_to_wait(site)
        if pause is None or waited + pause > RETRY_PATIENCE:
            break
        wait_for_retries(site, pause)
        waited += pause
    return f"ended after {time.monotonic() - started:.1f} s, log in local/worker.log"


def work_until_empty(site: LocalInstallation, started: float) -> None:
    status_file = site.folder / "worker-status.json"
    status_file.unlink(missing_ok=True)
    with site.log("worker").open("ab") as log:
        command = worker_command(site, status_file)
        worker = site.children.start(command, log, child_environment(**worker_variables(site)))
    while worker.poll() is None:
        show_progress(site, status_file, started)
        check_server(site)
        time.sleep(0.1)
    site.children.stop(worker)
    show_progress(site, status_file, started, last=True)
    if worker.returncode:
        raise Failure(
            f"The worker ended with exit code {worker.returncode}. "
            f"Its log (local/worker.log) ends:\n{log_tail(site.log('worker'))}"
        )


def worker_command(site: LocalInstallation, status_file: Path) -> list[str]:
    command = [site.python, "worker.py", "--handlers", "examples/handlers.py", "--until-empty"]
    return [*command, "--batch", "50", "--status-file", str(status_file)]


def worker_variables(site: LocalInstallation) -> dict[str, str]:
    return {"TASKMANAGER_API_URL": site.api.url, "TASKMANAGER_API_KEY": site.api.key}


def show_progress(
    site: LocalInstallation, status_file: Path, started: float, last: bool = False
) -> None:
    try:
        status = json.loads(status_file.read_bytes())
        completed, failed = int(status["completed"]), int(status["failed"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    before = sum(task["status"] == "completed" for task in site.tasks.values())
    # Tasks that an earlier run left in the queue are done as well.
    done, total = before + completed, len(site.task_ids)
    total = max(total, done)
    rate = done / max(time.monotonic() - started, 0.001)
    bar = ("#" * (30 * done // total)).ljust(30, ".")
    text = f"[{bar}] {done}/{total} done, {failed} failed, {rate:.0f}/s"
    site.console.progress(text, last)


def collect_tasks(site: LocalInstallation) -> None:
    """Read the tasks of this run, newest first, page by page."""
    wanted = set(site.task_ids) - {i for i, t in site.tasks.items() if t["status"] in FINISHED}
    before_id: int | None = max(wanted, default=0) + 1
    while wanted and before_id is not None:
        query = {"type": site.workload.type_filter, "limit": TASKS_PER_PAGE, "before_id": before_id}
        page = site.api.get("/tasks?" + urllib.parse.urlencode(query))
        for task in page["tasks"]:
            if task["id"] in wanted:
                site.tasks[task["id"]] = essence(task)
                wanted.remove(task["id"])
        before_id = page["next_before_id"]


def essence(task: Task) -> Task:
    """What of a task is needed here: a large tree has many of them."""
    kept = {name: task[name] for name in ("id", "type", "params", "status", "result")}
    ready_at = task["lease_expires_at"] if task["status"] == "claimed" else task["run_at"]
    return {**kept, "error": task["error_message"], "ready_at": ready_at}


def seconds_to_wait(site: LocalInstallation) -> float | None:
    """How long until a task can be tried again; None when no waiting would help."""
    times = [parse_time(task["ready_at"]) for task in site.unfinished() if task["ready_at"]]
    if not times:
        return None
    return max(min(times) - time.time(), 0.0) + 0.5


def parse_time(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_for_retries(site: LocalInstallation, pause: float) -> None:
    number = counted(len(site.unfinished()), "task")
    end = time.monotonic() + pause
    left = pause
    while left > 0:
        text = f"{number} waiting to be tried again, in {left:.0f} s"
        site.console.progress(text, now=left == pause)
        check_server(site)
        time.sleep(min(left, 0.5))
        left = end - time.monotonic()


def print_results(site: LocalInstallation) -> str:
    """What became of the tasks, in the order in which they were added."""
    missing = {"status": "missing", "result": None, "error": "the server no longer lists it"}
    site.console.close()
    tasks = [site.tasks.get(task_id) or missing for task_id in site.task_ids]
    site.workload.report(tasks, site.console)
    completed = sum(task["status"] == "completed" for task in tasks)
    return f"{completed} of {counted(len(tasks), 'task')} completed"


LOCAL_STEPS: list[tuple[str, Step]] = [
    ("Checks", check_machine),
    ("Python environment (.venv)", make_environment),
    ("Dependencies", install_dependencies),
    ("Settings (local/)", make_config),
    ("Database", make_tables),
    ("Server", start_server),
    ("Task types", register_types),
    ("Tasks", add_tasks),
    ("Worker", run_worker),
    ("Results", print_results),
]


def take_steps(steps: list[tuple[str, Step]], site: LocalInstallation) -> None:
    """Take the steps one by one, each on a numbered line. Raises Failure naming the step."""
    for number, (title, step) in enumerate(steps, 1):
        site.console.begin(f"[{number}/{len(steps)}] {title}:")
        try:
            detail = step(site)
        except Refused as refusal:
            check_server(site)
            raise Failure(f"The server refused a call. {refusal}") from None
        except BrokenPipeError:
            raise
        except PermissionError as error:
            raise Failure(f"{error}. {FOLDER_ADVICE}") from None
        except OSError as error:
            raise Failure(str(error)) from None
        site.console.end(detail)


# --- From the command line --------------------------------------------------------------------


def deploy_locally(options: argparse.Namespace, console: Console) -> int:
    """Set up a queue in the project's own folder, run tasks through it, and serve it."""
    # As the children do: see child_environment.
    sys.dont_write_bytecode = True
    signals = Signals()
    signals.install()
    folder = LocalInstallation.folder
    workload = FileDigests(options.real, folder) if options.real is not None else Demonstration()
    with Children(signals) as children:
        api = Api(f"http://{HOST}:{options.port}/api", "")
        site = LocalInstallation(workload, options.port, console, children, api)
        take_steps(LOCAL_STEPS, site)
        if options.once:
            return EXIT_DONE if site.all_completed() else EXIT_INCOMPLETE
        return serve(site)


def serve(site: LocalInstallation) -> int:
    """Go on serving until a signal comes. Raises Failure when the server ends by itself."""
    for line in serving_lines(site):
        site.console.line(line)
    try:
        while True:
            check_server(site)
            time.sleep(0.5)
    except Interrupted:
        site.console.line()
        site.console.line("Stopping.")
        return EXIT_DONE


def serving_lines(site: LocalInstallation) -> list[str]:
    url, key = site.api.url, site.api.key
    body = json.dumps({"type": "example.echo", "params": {"message": "my first task"}})
    variables = " ".join(f"{name}={value}" for name, value in worker_variables(site).items())
    worker = f"{shell_word(os.fsencode(site.python))} worker.py --handlers examples/handlers.py"
    return [
        "",
        f"Serving on http://{HOST}:{site.port} until Ctrl-C.",
        f"API key (kept in local/config.py): {key}",
        "",
        "Check that it runs:",
        f"  curl {url}/health",
        "Add a task:",
        f"  curl {url}/tasks -H 'X-API-Key: {key}' -d '{body}'",
        "Run the waiting tasks:",
        f"  cd {shell_word(os.fsencode(PROJECT))} && {variables} {worker} --until-empty",
    ]


def main(options: argparse.Namespace) -> int:
    """What `deploy.py --local` does, with its options; the exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    console = Console(sys.stdout)
    try:
        return deploy_locally(options, console)
    except Failure as failure:
        console.close()
        print(f"deploy.py: {failure}", file=sys.stderr)
        return failure.exit_code
    except Interrupted as interruption:
        console.close()
        print("deploy.py: interrupted; run it again to go on", file=sys.stderr)
        return 128 + interruption.signum
    except BrokenPipeError:
        # Whoever read the output is gone; so is the reason to go on. Python must not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
