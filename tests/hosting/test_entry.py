"""The entry that the installer writes: which release it finds, and what it says without one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.install import entry
from tests.hosting.conftest import FOLDER, Hosted
from tests.support.apache import Apache
from tests.support.http_client import Response
from tests.support.net import wait_until
from tests.support.server import API_KEY
from tests.support.site import INTERPRETER, RELEASE, InstalledSite

SQLITE = {"DATABASE_URL": "sqlite:///data/queue.sqlite3"}

# In the place of deploy.py.
INSTALLER = """
ADMIN_PASSWORD = "in the file"
print("Content-Type: text/plain")
print()
print("it runs")
"""

# Front controllers as other installers and panels write them.
PATH_INFO_STYLE = """\
RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteRule ^index\\.cgi(/|$) - [L]
RewriteRule ^(.*)$ index.cgi/$1 [QSA,L]
"""
AUTHORIZATION_ON_THE_ROUTE = """\
RewriteEngine On
RewriteRule ^index\\.cgi(/|$) - [L]
RewriteRule ^ index.cgi [E=HTTP_AUTHORIZATION:%{HTTP:Authorization},L]
"""
FALLBACK = "FallbackResource {base}/index.cgi\nCGIPassAuth On\n"


@pytest.fixture
def site(base: str) -> Iterator[InstalledSite]:
    """A site of the test's own, that it may spoil."""
    with InstalledSite(entry.CGI, base, SQLITE) as made:
        yield made


@pytest.fixture
def hosted(site: InstalledSite) -> Iterator[Hosted]:
    """By mod_cgi in the root, by mod_cgid in a folder."""
    with Apache(site.document_root, "cgid" if site.base else "cgi", site.base) as apache:
        yield Hosted(site, apache)


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size, path.stat().st_ino)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _use_all_of_it(hosted: Hosted) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    kind = {"name": "entry.task", "version": "1", "param_schema": schema}
    assert hosted.api("POST", "/task-types/register", kind).status in (200, 201)
    task = {"type": "entry.task", "params": {"n": os.getpid()}}
    assert hosted.api("POST", "/tasks", task).status in (200, 201)
    assert hosted.api("POST", "/tasks/claim", {"worker_id": "w", "limit": 1}).status == 200
    assert hosted.api("GET", "/tasks").status == 200
    assert hosted.apache.request("GET", f"{hosted.site.base}/").status == 200


def test_no_request_compiles_or_writes_into_the_release(hosted: Hosted) -> None:
    before = _files(hosted.site.release)
    assert any(name.endswith(".pyc") for name in before)
    _use_all_of_it(hosted)
    assert _files(hosted.site.release) == before


def test_no_module_of_a_request_is_without_its_bytecode(hosted: Hosted) -> None:
    """Nor would it be compiled and thrown away, as where the folder is read-only."""
    _give_away(hosted.site.release)
    text = (hosted.site.web_folder / "index.cgi").read_text("utf-8")
    first, _, rest = text.partition("\n")
    hosted.site.web_folder.joinpath("index.cgi").write_text(f"{first}v\n{rest}", "utf-8")
    _use_all_of_it(hosted)
    lines = hosted.apache.log().splitlines()
    release = str(hosted.site.release)
    assert any(f"matches {release}" in line for line in lines)
    compiled = [line for line in lines if f"code object from '{release}" in line]
    assert [line for line in lines if "wrote" in line and release in line] == []
    assert [line for line in compiled if "__pycache__" not in line] == []


def _give_away(folder: Path) -> None:
    """To a user that the web server's programs are not, and read-only."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "root:", str(folder)], check=True)
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(folder)], check=True)


def test_without_a_release_the_response_is_503_and_the_reason_is_logged(hosted: Hosted) -> None:
    current = hosted.site.home / "current"
    for name in ("", "1.0.0-nowhere", "../../../etc"):
        current.write_text(name, "utf-8")
        _is_unavailable(hosted)
    current.unlink()
    _is_unavailable(hosted)
    assert "no version can be served: FileNotFoundError" in hosted.apache.log()


def test_a_broken_release_is_503_and_the_reason_is_logged(hosted: Hosted) -> None:
    for name in ("app/server/entry.py", "app/server/wsgi.py", "app/db/sqlite.py"):
        path = hosted.site.release / name
        text = path.read_text("utf-8")
        path.write_text("this is no Python\n", "utf-8")
        _is_unavailable(hosted)
        path.write_text(text, "utf-8")
    assert "no version can be served: SyntaxError" in hosted.apache.log()
    assert hosted.api("GET", "/health").status == 200


def _is_unavailable(hosted: Hosted) -> None:
    large = {"type": "any.task", "params": {"text": "x" * 2_000_000}}
    for method, path, body in (("GET", "/health", None), ("POST", "/tasks", large)):
        _says_unavailable(hosted, hosted.api(method, path, body))


def _says_unavailable(hosted: Hosted, response: Response) -> None:
    assert (response.status, response.json["code"]) == (503, "unavailable"), response
    assert response.json["success"] is False
    assert int(response.headers["retry-after"]) > 0
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert str(hosted.site.home) not in response.raw.decode()


def test_another_release_serves_when_current_names_it(hosted: Hosted) -> None:
    old, new = hosted.site.release, hosted.site.home / "releases" / "9.9.9-999999999999"
    subprocess.run(["cp", "-a", str(old), str(new)], check=True)
    (new / "app" / "version.py").write_text('VERSION = "9.9.9"\nSCHEMA_VERSION = 1\n', "utf-8")
    before = hosted.api("GET", "/health").json["version"]
    for name, version in ((new.name, "9.9.9"), (RELEASE, before)):
        (hosted.site.home / "current").write_text(name + "\n", "utf-8")
        assert hosted.api("GET", "/health").json["version"] == version


def test_what_goes_wrong_is_in_the_sites_own_log(hosted: Hosted) -> None:
    site = hosted.site
    config = site.home / "config.py"
    config.write_text(config.read_text("utf-8") + "RETRY_DELAY = 'soon'\n", "utf-8")
    response = hosted.api("GET", "/health")
    assert (response.status, response.json["code"]) == (500, "internal")
    log = site.home / "logs" / "taskmanager.log"
    (line,) = log.read_text("utf-8").splitlines()
    assert line.startswith("20")
    assert "Z taskmanager: RETRY_DELAY must be a number of seconds" in line
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "RETRY_DELAY must be a number of seconds" in hosted.apache.log()
    assert "RETRY_DELAY" not in response.raw.decode()


def test_a_log_that_cannot_be_written_costs_no_response(hosted: Hosted) -> None:
    shutil.rmtree(hosted.site.home / "logs")
    (hosted.site.home / "config.py").write_text("RETRY_DELAY = 'soon'\n", "utf-8")
    assert hosted.api("GET", "/health").status == 500


def test_the_installer_runs_while_it_is_there_and_never_shows_its_text(hosted: Hosted) -> None:
    program = hosted.site.web_folder / "deploy.py"
    program.write_text(f"#!{INTERPRETER}\n{INSTALLER}", "utf-8")
    program.chmod(0o755)
    address = f"{hosted.site.base}/deploy.py"
    assert hosted.apache.request("GET", address).raw == b"it runs\n"
    for spelling in ("/%64eploy.py", "/./deploy.py", "//deploy.py", "/deploy.py?x", "/deploy.py/x"):
        response = hosted.apache.request("GET", hosted.site.base + spelling)
        assert b"ADMIN_PASSWORD" not in response.raw, spelling
    for spelling in ("/deploy.py~", "/deploy.py.bak", "/deploy.py%20", "/deploy"):
        assert hosted.apache.request("GET", hosted.site.base + spelling).status == 404
    program.chmod(0o644)
    assert b"ADMIN_PASSWORD" not in hosted.apache.request("GET", address).raw
    program.unlink()
    assert hosted.apache.request("GET", address).json["code"] == "not_found"


@pytest.mark.parametrize(
    "rules",
    [PATH_INFO_STYLE, AUTHORIZATION_ON_THE_ROUTE, FALLBACK],
    ids=["path-info", "authorization-on-the-route", "fallback"],
)
def test_other_front_controllers_lead_to_the_same_responses(hosted: Hosted, rules: str) -> None:
    base = hosted.site.base
    (hosted.site.web_folder / ".htaccess").write_text(rules.replace("{base}", base), "utf-8")
    bearer = f"Bearer {API_KEY}"
    assert hosted.api("GET", "/health").json["status"] == "healthy"
    assert hosted.api("GET", "/task-types", Authorization=bearer).status == 200
    assert hosted.api("GET", "/tasks?limit=3", Authorization=bearer).json["data"]["limit"] == 3
    named = hosted.api("GET", "/task-types/gr%C3%B6%C3%9Fe", Authorization=bearer)
    assert "'größe'" in named.json["error"]


def test_a_domain_that_hides_its_folder(base: str) -> None:
    """Panels map a domain to a folder by rewriting in the document root."""
    rules = "RewriteEngine On\nRewriteRule ^(?!sites/)(.*)$ /sites/queue.example.net/$1 [L]\n"
    with InstalledSite(entry.CGI, "/sites/queue.example.net", SQLITE) as site:
        (site.document_root / ".htaccess").write_text(rules, "utf-8")
        with Apache(site.document_root, "cgi") as apache:
            for address in ("/api/health", "/sites/queue.example.net/api/health"):
                assert apache.request("GET", address).json["status"] == "healthy"
            assert apache.request("GET", "/").status == 200
            assert apache.request("GET", f"{base}/taskmanager/config.py").status >= 400


def test_the_host_can_still_renew_its_certificate(hosted: Hosted) -> None:
    folder = hosted.site.web_folder / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "a-token_1").write_text("the answer", "utf-8")
    (folder.parent / "other").write_text("not for the web", "utf-8")
    address = f"{hosted.site.base}/.well-known"
    assert hosted.apache.request("GET", f"{address}/acme-challenge/a-token_1").raw == b"the answer"
    for name in ("other", "acme-challenge/../other", "acme-challenge/%2e%2e/other"):
        assert hosted.apache.request("GET", f"{address}/{name}").status == 404, name


def test_few_things_need_be_allowed(site: InstalledSite) -> None:
    allowed = "FileInfo Indexes Options"
    with Apache(site.document_root, "cgi", site.base, allow_override=allowed) as apache:
        assert apache.api("GET", "/health").status == 200
        bearer = {"Authorization": f"Bearer {API_KEY}"}
        assert apache.api("GET", "/task-types", headers=bearer).status == 200
        response = apache.request("GET", f"{site.base}/taskmanager/config.py")
        assert response.status >= 400
        assert b"API_KEY" not in response.raw


def test_the_home_may_lie_outside_the_web() -> None:
    with (
        InstalledSite(entry.CGI, FOLDER, SQLITE, home_outside=True) as site,
        Apache(site.document_root, "cgid", FOLDER) as apache,
    ):
        assert apache.api("GET", "/health").status == 200
        assert apache.api("GET", "/tasks").status == 200


@pytest.mark.parametrize("folder", ["with a space", "it's", "long" * 40, "größe"])
def test_an_interpreter_may_have_any_path(hosted: Hosted, folder: str) -> None:
    interpreter = hosted.site.root / folder / "python3"
    interpreter.parent.mkdir()
    interpreter.symlink_to(INTERPRETER)
    site = hosted.site
    entry.write_entry(site.web_folder, site.home, str(interpreter), entry.CGI)
    assert hosted.api("GET", "/health").status == 200


def test_writing_the_entry_again_changes_nothing_else(tmp_path: Path) -> None:
    web, home = tmp_path / "web", tmp_path / "höme 'x'"
    web.mkdir()
    others = "# of the host\nAddType text/x-own .own\n"
    (web / ".htaccess").write_text(others, "utf-8")
    texts = []
    for _ in range(2):
        entry.write_entry(web, home, "/usr/bin/python3", entry.CGI)
        texts.append((web / ".htaccess").read_text("utf-8"))
    assert texts[0] == texts[1]
    assert texts[0].endswith(f"{entry.END}\n{others}")
    assert sorted(path.name for path in web.iterdir()) == [".htaccess", "index.cgi"]
    assert stat.S_IMODE((web / "index.cgi").stat().st_mode) == 0o755
    assert "denied" in (home / ".htaccess").read_text("utf-8")
    compile((web / "index.cgi").read_bytes(), "index.cgi", "exec")


def test_an_unknown_kind_of_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind must be one of cgi, passenger"):
        entry.write_entry(tmp_path, tmp_path, "/usr/bin/python3", "scgi")


def test_the_sqlite_file_alone_is_a_whole_backup(hosted: Hosted, tmp_path: Path) -> None:
    """People copy one file by FTP, while nothing is running."""
    kind = {"name": "entry.kept", "version": "1", "param_schema": {}}
    assert hosted.api("POST", "/task-types/register", kind).status == 201
    data = hosted.site.home / "data"
    wait_until(lambda: len(list(data.iterdir())) == 1, 30, "the end of the program")
    backup = shutil.copy2(data / "queue.sqlite3", tmp_path)
    with contextlib.closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT name FROM task_types").fetchall() == [("entry.kept",)]
