"""The hand-over: any deploy.py with any archive, and nothing of one version in another."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installer.contract import CONTRACTS
from tests.deploy.archives import PYTHON, VERSION, bundle, change, variant, without_installer
from tests.deploy.hosting_account import HostingAccount, installed_account, upload_bundle
from tests.deploy.visitor import Visitor, press_until
from tests.support.server import PROJECT

OWN_CONTRACTS = f"CONTRACTS = ({', '.join(map(str, CONTRACTS))},)"


@pytest.fixture(scope="module")
def shared() -> Iterator[HostingAccount]:
    with HostingAccount("cgi", "/queue") as account:
        yield account


@pytest.fixture
def account(shared: HostingAccount) -> Iterator[HostingAccount]:
    """An account with deploy.py and no archive, in which nothing may be installed."""
    shared.upload_installer()
    yield shared
    assert not (shared.home / "current").exists()
    assert not list(shared.home.glob("releases/*"))
    for path in shared.web_folder.glob("taskmanager-*"):
        path.unlink()


def owner(account: HostingAccount) -> Visitor:
    visitor = Visitor(account.page).get()
    account.create(visitor.proof())
    return visitor.post("proof")


class TestWithoutACommonContract:
    def said(self, account: HostingAccount) -> str:
        """By the page, and by the command."""
        done = account.install()
        assert done.returncode == 4, done
        visitor = owner(account)
        assert "<button>Check again</button>" in visitor.text
        shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", visitor.text))
        sentence = done.stderr.partition("deploy.py: ")[2].strip()
        assert sentence in shown
        return sentence

    def test_an_archive_from_before_the_hand_over(
        self, account: HostingAccount, tmp_path: Path
    ) -> None:
        account.upload(without_installer(tmp_path))
        said = self.said(account)
        assert f"taskmanager-{VERSION}.zip is from before this deploy.py" in said
        assert "Upload a newer archive instead of it, or the deploy.py that was built with" in said

    def test_an_archive_of_a_later_contract(self, account: HostingAccount, tmp_path: Path) -> None:
        account.upload(variant(tmp_path, "9.1.0", contracts=[98, 99]))
        said = self.said(account)
        assert "taskmanager-9.1.0.zip needs a newer deploy.py than this one" in said
        assert "Upload the deploy.py that was built with it" in said

    def test_a_deploy_py_of_later_contracts_only(
        self, account: HostingAccount, tmp_path: Path
    ) -> None:
        change(account.installer, OWN_CONTRACTS, "CONTRACTS = (98, 99)")
        account.upload(variant(tmp_path))
        assert "is from before this deploy.py" in self.said(account)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [([*CONTRACTS, 98, 99], OWN_CONTRACTS), (list(CONTRACTS), OWN_CONTRACTS[:-1] + " 98, 99)")],
    ids=["newer archive", "newer deploy.py"],
)
def test_one_that_both_speak_is_enough(tmp_path: Path, theirs: list[int], ours: str) -> None:
    """Side by side, an older and a newer one install a site."""
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        change(account.installer, OWN_CONTRACTS, ours)
        account.upload(variant(tmp_path, "9.1.0", of=bundle(), contracts=theirs))
        done = account.install()
        assert done.returncode == 0, done
        assert account.call("GET", "/health")[1]["version"] == "9.1.0"
        assert json.loads(manifest(account).read_bytes())["contracts"] == theirs


def manifest(account: HostingAccount) -> Path:
    (build,) = account.home.glob("releases/*")
    return build / "MANIFEST.json"


# As deploy.py sent it when contract 1 was made. This text stays, whatever becomes of the code.
REQUEST_1: dict[str, Any] = {
    "contract": 1,
    "mode": "page",
    "site": {
        "kind": "cgi",
        "url": "http://127.0.0.1:9/queue",
        "server": "Apache",
        "address": "127.0.0.1:9",
    },
    "archive": None,
    "seconds": 12.0,
    "page": {
        "method": "GET",
        "form": {},
        "own_path": "/queue/deploy.py",
        "csrf": "0123456789abcdef",
        "wants_json": False,
        "is_finished": False,
    },
}
START_1 = (
    "import sys; sys.path.insert(0, sys.argv[1]); from installer.contract import main; "
    "sys.exit(main())"
)


class TestContract1:
    """Requests and responses as they were written down, for whoever meets them later."""

    @pytest.fixture
    def request_1(self, tmp_path: Path) -> dict[str, Any]:
        web_folder, home = tmp_path / "public_html", tmp_path / "home"
        web_folder.mkdir()
        (home / "logs").mkdir(parents=True)
        folders = {"web_folder": web_folder, "home": home, "document_root": web_folder}
        site = {**REQUEST_1["site"], **{name: str(path) for name, path in folders.items()}}
        lock = {"file": str(home / ".htfinished"), "content": {"upload": "…", "session": "…"}}
        return {**REQUEST_1, "site": site, "script": str(web_folder / "deploy.py"), "lock": lock}

    def ask(self, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        command = [PYTHON, "-I", "-B", "-X", "utf8", "-c", START_1, str(PROJECT)]
        return subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            cwd=request["site"]["home"],
        )

    def page(self, request: dict[str, Any], **page: Any) -> dict[str, Any]:
        done = self.ask({**request, "page": {**request["page"], **page}})
        assert done.returncode == 0, done
        response: dict[str, Any] = json.loads(done.stdout)
        return response

    def test_a_page(self, request_1: dict[str, Any]) -> None:
        response = self.page(request_1)
        assert response["status"] == 200
        assert response["title"] == "TaskManager: checks"
        assert 'action="/queue/deploy.py"' in response["body"]
        assert 'name="csrf" value="0123456789abcdef"' in response["body"]
        assert "There is none." in response["body"]
        assert {"style", "script"} <= set(response)

    def test_a_reload(self, request_1: dict[str, Any]) -> None:
        form = {"action": "look"}
        assert self.page(request_1, method="POST", form=form) == {"reload": True}

    def test_data_for_the_pages_script(self, request_1: dict[str, Any], tmp_path: Path) -> None:
        journal = {"plan": "back", "before": "x", "release": "x", "target": "y", "steps": {}}
        (tmp_path / "home" / "journal.json").write_text(json.dumps(journal))
        (tmp_path / "home" / "releases" / "x").mkdir(parents=True)
        form = {"action": "work"}
        response = self.page(request_1, method="POST", form=form, wants_json=True)
        assert set(response) == {"status", "data"}
        assert response["data"]["again"] is False

    def test_unattended(self, request_1: dict[str, Any]) -> None:
        command = {
            "config": {"url": "http://127.0.0.1:9/queue"},
            "config_file": "answers.json",
            "secrets": {},
            "as_json": True,
            "is_back": False,
        }
        done = self.ask({**request_1, "mode": "unattended", "unattended": command})
        assert done.returncode == 3
        assert json.loads(done.stdout)["status"] == "failed"
        assert "There is nothing to install" in done.stderr

    def test_another_contract_is_refused(self, request_1: dict[str, Any]) -> None:
        done = self.ask({**request_1, "contract": 99})
        assert done.returncode == 4
        assert "does not speak contract 99" in done.stderr


def test_a_warm_site_and_a_newer_installer_do_not_mix(tmp_path: Path) -> None:
    """Under Passenger, both run on behalf of one process: the site's modules stay its own."""
    checks_page = (PROJECT / "installer" / "checks_page.py").read_text("utf-8")
    old = 'page("TaskManager: checks", body)'
    assert old in checks_page
    said = 'page(f"TaskManager: checks, by {VERSION}", body)'
    edit = {
        "installer/checks_page.py": checks_page.replace(old, said).replace(
            "\nTYPE_CHECKING", "\nfrom app.version import VERSION\n\nTYPE_CHECKING", 1
        ),
        "app/queue/listing.py": "raise RuntimeError('of another version')\n",
    }
    with installed_account("passenger", "/queue") as account:
        account.upload_installer()
        account.upload(variant(tmp_path, "9.1.0", edit))
        # The process is warm and has not loaded what lists are made with.
        assert account.call("GET", "/health")[1]["version"] == VERSION
        assert "TaskManager: checks, by 9.1.0" in owner(account).text
        assert account.call("GET", "/tasks")[0] == 200
        assert account.call("GET", "/health")[1]["version"] == VERSION


def test_a_site_from_before_the_hand_over_upgrades_and_goes_back(tmp_path: Path) -> None:
    """Its build has no installer, its installer's files are those of the deploy.py of then."""
    with installed_account("cgi", "/queue") as account:
        make_it_old(account, tmp_path)
        key = account.api_key()
        kind = {"name": "kept.task", "version": "1", "param_schema": {}}
        account.call("POST", "/task-types/register", kind)
        kept = account.call("POST", "/tasks", {"type": "kept.task", "params": {}})[1]["data"]["id"]

        account.upload_installer()
        account.upload(variant(tmp_path, "0.0.9"))
        assert "is older than what is installed" in owner(account).text
        (account.web_folder / "taskmanager-0.0.9.zip").unlink()
        upload_bundle(account, variant(tmp_path, "9.1.0"))
        visitor = owner(account)
        assert "<button>Upgrade to 9.1.0</button>" in visitor.text
        visitor.post("begin")
        press_until(visitor, "TaskManager is upgraded")
        visitor.post("back")
        press_until(visitor, f"TaskManager is back at {VERSION}")
        assert account.call("GET", "/health")[1]["version"] == VERSION
        assert account.call("GET", f"/tasks/{kept}")[0] == 200
        # deploy.py alone: the installer is the one of the version that served before.
        for path in account.web_folder.glob("taskmanager-*"):
            path.unlink()
        account.upload_installer()
        assert '<button class="quiet">Switch to 9.1.0</button>' in owner(account).text
        done = account.install(None, mode="--back")
        assert done.returncode == 0, done
        assert account.call("GET", "/health")[1]["version"] == "9.1.0"
        assert account.api_key() == key


def make_it_old(account: HostingAccount, folder: Path) -> None:
    """The installed site as an installer without hand-over would have left it."""
    for path in account.web_folder.glob("taskmanager-*"):
        path.unlink()
    (build,) = account.home.glob("releases/*")
    for path in (build / "installer").rglob("*"):
        if path.is_file():
            path.unlink()
    with zipfile.ZipFile(without_installer(folder)) as opened:
        (build / "MANIFEST.json").write_bytes(opened.read("MANIFEST.json"))
    state = account.home / ".htinstaller"
    locked = {**json.loads(state.read_bytes()), "locked": "0" * 64, "finisher": "", "shown": True}
    locked.pop("verified")
    state.write_text(json.dumps(locked))
    (account.home / ".htfinished").write_bytes(b"")
    account.own()
