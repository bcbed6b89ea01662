"""The archive that a site is installed from, and deploy.py with that archive inside."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.install import build, versions
from app.version import VERSION
from tests.support.checkout import copy_project


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a commit of a repository of its own."""
    folder = copy_project(tmp_path_factory.mktemp("project") / "checkout")
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    _git(folder, *author, "commit", "--quiet", "--message", "All")
    return folder


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def _content(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_same_commit_gives_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    """Elsewhere, at another time, with other modes, after a run, and without git."""
    first = build.build(checkout, tmp_path / "first.zip").read_bytes()
    clone = tmp_path / "elsewhere"
    _git(tmp_path, "clone", "--quiet", str(checkout), str(clone))
    for path in clone.rglob("*.py"):
        os.utime(path, (10**9, 10**9))
        path.chmod(0o600)
    (clone / "app" / "__pycache__").mkdir()
    (clone / "app" / "__pycache__" / "config.pyc").write_bytes(b"made by a run")
    assert build.build(clone, tmp_path / "second.zip").read_bytes() == first
    shutil.rmtree(clone / ".git")
    before = os.umask(0o077)
    try:
        assert build.build(clone, tmp_path / "third.zip").read_bytes() == first
    finally:
        os.umask(before)


def test_the_manifest_names_every_file_with_its_checksum(checkout: Path, tmp_path: Path) -> None:
    archive = build.build(checkout, tmp_path / "r.zip")
    content = _content(archive)
    manifest = json.loads(content.pop("MANIFEST.json"))
    assert (manifest["name"], manifest["version"]) == ("taskmanager", VERSION)
    assert manifest["vendor"] is None
    assert manifest["files"] == {
        name: hashlib.sha256(data).hexdigest() for name, data in content.items()
    }
    for name, data in content.items():
        assert (checkout / name).read_bytes() == data


def test_the_archive_has_what_a_site_needs_and_no_more(checkout: Path, tmp_path: Path) -> None:
    (checkout / "app" / "forgotten.py").write_text("'''Not added to the commit.'''\n", "utf-8")
    try:
        names = set(_content(build.build(checkout, tmp_path / "r.zip")))
    finally:
        (checkout / "app" / "forgotten.py").unlink()
    for needed in (
        "app/server/wsgi.py",
        "app/db/sqlite.sql",
        "schema.sql",
        "worker.py",
        "setup.cfg",
    ):
        assert needed in names
    modules = {p.relative_to(checkout).as_posix() for p in (checkout / "app").rglob("*.py")}
    assert modules <= names
    assert "app/forgotten.py" not in names
    assert not [name for name in names if name.startswith(("tests/", "bench/", ".", "deploy"))]


def test_an_unpacked_archive_serves(checkout: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(build.build(checkout, tmp_path / "r.zip")) as opened:
        opened.extractall(unpacked)
    assert _health(unpacked, tmp_path, []) == VERSION


def test_an_archive_with_vendor_serves_without_any_other_package(
    checkout: Path, tmp_path: Path
) -> None:
    archive = build.build(checkout, tmp_path / "v.zip", with_vendor=True)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(unpacked)
    names = set(versions.read_manifest(unpacked)["files"])
    assert names == set(_content(archive)) - {"MANIFEST.json"}
    assert "vendor/flask/__init__.py" in names
    notes = ("/RECORD", "/INSTALLER", "/direct_url.json", ".pyc")
    assert not [name for name in names if name.endswith(notes)]
    needs = versions.read_manifest(unpacked)["vendor"]
    assert needs["python"] == "{}.{}".format(*sys.version_info)
    # -S: the packages of the interpreter that runs the tests are not to be seen.
    assert _health(unpacked, tmp_path, ["-S"], str(unpacked / "vendor")) == VERSION


def _health(build_folder: Path, folder: Path, options: list[str], packages: str = "") -> str:
    """The version that the build's health tells, asked through both of its ways."""
    script = (
        "import io, json, passenger_wsgi\n"
        "for path in ('/api/health', '/api/tasks'):\n"
        "    environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': path, 'HTTP_X_API_KEY': 'k' * 24,\n"
        "               'SERVER_NAME': 'here', 'SERVER_PORT': '80', 'wsgi.url_scheme': 'http',\n"
        "               'wsgi.input': io.BytesIO()}\n"
        "    body = b''.join(passenger_wsgi.application(environ, lambda status, headers: None))\n"
        "    answer = json.loads(body)\n"
        "    assert answer['success'], answer\n"
        "    print(answer.get('version', 'listed'))\n"
    )
    settings = {
        "TASKMANAGER_DATABASE_URL": f"sqlite:///{folder}/queue.sqlite3",
        "TASKMANAGER_API_KEY": "k" * 24,
        "PYTHONPATH": packages,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, *options, "-c", script],
        capture_output=True,
        text=True,
        cwd=build_folder,
        env=settings,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, listed = done.stdout.split()
    assert listed == "listed"
    return version


def test_the_command_tells_the_archives_checksum(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "out" / "r.zip"
    assert build.build_command(checkout, archive) == 0
    printed = capsys.readouterr()
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest = _content(archive)["MANIFEST.json"]
    name = f"{VERSION}-{hashlib.sha256(manifest).hexdigest()[:12]}"
    *lines, last = printed.out.splitlines()
    assert lines == [str(archive), f"SHA-256 {checksum}", f"release {name}"]
    assert last == f"one file to upload instead: {archive.with_name('r-deploy.py')}"
    assert printed.err == ""
    subprocess.run(["sha256sum", "--check", "r.zip.sha256"], cwd=archive.parent, check=True)


def test_the_command_says_when_files_differ_from_the_commit(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = tmp_path / "clone"
    _git(tmp_path, "clone", "--quiet", str(checkout), str(clone))
    (clone / "worker.py").write_text("print('changed')\n", "utf-8")
    (clone / "app" / "new.py").write_text("'''Not added.'''\n", "utf-8")
    (clone / "tests" / "new.py").write_text("'''Not of the archive.'''\n", "utf-8")
    assert build.build_command(clone, tmp_path / "r.zip") == 0
    assert "2 of its files differ from the last commit (app/new.py, worker.py)" in (
        capsys.readouterr().err
    )
    assert _content(tmp_path / "r.zip")["worker.py"] == b"print('changed')\n"


def test_what_cannot_be_built_is_said(
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    assert build.build_command(tmp_path / "empty", tmp_path / "r.zip") != 0
    assert "lacks examples/handlers.py, passenger_wsgi.py" in capsys.readouterr().err
    (tmp_path / "file").write_text("no folder", "utf-8")
    assert build.build_command(checkout, tmp_path / "file" / "r.zip") != 0
    assert "r.zip cannot be written" in capsys.readouterr().err
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert build.build_command(checkout, tmp_path / "r.zip", with_vendor=True) != 0
    assert "pip could not bring the packages; it says: " in capsys.readouterr().err
    assert not (tmp_path / "r.zip").exists()
