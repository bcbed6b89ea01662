"""Archives that must not be installed, and disks that cannot take them."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from installer import upload
from installer.detached import IncompleteStep
from installer.disk import advice_for
from installer.packages import fits_this_python
from installer.unpacking import unpack
from tests.deploy.archives import PYTHON, bundle
from tests.deploy.hosting_account import HostingAccount
from tests.deploy.support import without_root_powers
from tests.support.disk import fill
from tests.support.net import wait_until
from tests.support.server import PROJECT

FILES = {"app/install/__main__.py": b"print('here')\n", "worker.py": b"pass\n"}

Edit = Callable[[zipfile.ZipFile], None]


@pytest.fixture(scope="module")
def deploy() -> Iterator[ModuleType]:
    """deploy.py, imported as Passenger does it."""
    spec = importlib.util.spec_from_file_location("deploy_under_test", PROJECT / "deploy.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def manifest(contents: dict[str, bytes], **more: object) -> bytes:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    content = {"name": "taskmanager", "version": "1.2.3", "vendor": None, "files": digests}
    return json.dumps({**content, **more}).encode()


def write(path: Path, files: dict[str, bytes], listed: bytes, edit: Edit = lambda _: None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
        opened.writestr("MANIFEST.json", listed)
        edit(opened)
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "taskmanager-1.2.3.zip", FILES, manifest(FILES))


def verified(deploy: ModuleType, path: Path) -> upload.Archive:
    """The archive as the installer gets it, once deploy.py has verified it."""
    with deploy.Archive(path) as archive:
        archive.verify()
        return upload.Archive(archive.facts())


def unpacked(deploy: ModuleType, path: Path) -> Path:
    builds = path.parent / "releases"
    builds.mkdir(exist_ok=True)
    return unpack(verified(deploy, path), builds, time.monotonic() + 60)


def refusal(deploy: ModuleType, path: Path) -> str:
    """What is said of an archive; nothing of it may be left."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(deploy.DeployError) as caught:
        unpacked(deploy, path)
    left = set(path.parent.rglob("*")) - set(before) - {path.parent / "releases"}
    assert left == set()
    assert "Nothing of it was installed" in str(caught.value)
    return str(caught.value)


class TestUnpacking:
    def test_a_good_one_is_unpacked_whole(self, deploy: ModuleType, archive: Path) -> None:
        folder = unpacked(deploy, archive)
        assert folder.name.startswith("1.2.3-")
        assert {name: (folder / name).read_bytes() for name in FILES} == FILES
        assert stat.S_IMODE((folder / "worker.py").stat().st_mode) == 0o644

    def test_it_goes_on_where_it_was(self, deploy: ModuleType, archive: Path) -> None:
        builds = archive.parent / "releases"
        builds.mkdir()
        opened = verified(deploy, archive)
        with pytest.raises(IncompleteStep) as caught:
            unpack(opened, builds, 0.0)
        assert "1 of 2 files" in str(caught.value)
        assert [path.name for path in builds.iterdir()] == [f".unpacking-{opened.name}"]
        assert (unpacked(deploy, archive) / "worker.py").is_file()

    def test_a_build_that_was_changed_is_made_whole(
        self, deploy: ModuleType, archive: Path
    ) -> None:
        folder = unpacked(deploy, archive)
        (folder / "worker.py").write_text("tampered")
        assert (unpacked(deploy, archive) / "worker.py").read_bytes() == FILES["worker.py"]

    def test_packages_for_another_python_are_left_out(
        self, deploy: ModuleType, tmp_path: Path
    ) -> None:
        files = {**FILES, "vendor/pymysql.py": b""}
        listed = manifest(files, vendor={"python": "2.7", "platform": "any"})
        folder = unpacked(deploy, write(tmp_path / "taskmanager-1.2.3.zip", files, listed))
        assert not (folder / "vendor").exists()


@pytest.mark.parametrize(("tag", "fits"), [(None, True), ("cpython-27", False), ("abi3", True)])
def test_packages_of_another_python_are_fetched_again(
    tmp_path: Path, tag: str | None, fits: bool
) -> None:
    (tmp_path / "regex").mkdir()
    (tmp_path / "regex" / "__init__.py").touch()
    own = tag or sys.implementation.cache_tag
    suffix = "so" if own == "abi3" else "x86_64-linux-gnu.so"
    separator = "." if own == "abi3" else "-"
    (tmp_path / "regex" / f"_regex.{own}{separator}{suffix}").touch()
    assert fits_this_python(tmp_path) is fits


def add(name: str, data: bytes = b"") -> Edit:
    return lambda opened: opened.writestr(name, data)


def add_link(opened: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("link")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    opened.writestr(entry, "/etc/passwd")


class TestRefusals:
    @pytest.mark.parametrize(
        "name",
        ["../evil.py", "app/../../evil.py", "/etc/evil", "app//x", "./x", "a\\b", "C:evil", "x\ny"],
    )
    def test_a_name_that_leads_elsewhere(
        self, deploy: ModuleType, tmp_path: Path, name: str
    ) -> None:
        # Listed as any other file, too: the list is the archive's own word.
        files = {**FILES, name: b"evil"}
        path = write(tmp_path / "taskmanager-1.2.3.zip", files, manifest(files))
        assert "leads out of the version's folder" in refusal(deploy, path)

    def test_a_link(self, deploy: ModuleType, tmp_path: Path) -> None:
        path = write(tmp_path / "taskmanager-1.2.3.zip", FILES, manifest(FILES), add_link)
        assert "link" in refusal(deploy, path)

    @pytest.mark.parametrize("name", ["worker.py", "WORKER.py"])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_a_name_twice(self, deploy: ModuleType, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / "taskmanager-1.2.3.zip", FILES, manifest(FILES), add(name))
        assert "twice" in refusal(deploy, path)

    def test_a_bomb(self, deploy: ModuleType, tmp_path: Path) -> None:
        files = {**FILES, "zeros": b"\0" * 260_000_000}
        path = write(tmp_path / "taskmanager-1.2.3.zip", files, manifest(files))
        assert path.stat().st_size < 1_000_000
        assert "fill the disk" in refusal(deploy, path)

    def test_too_many_files(self, deploy: ModuleType, tmp_path: Path) -> None:
        files = {**FILES, **{f"f{number}": b"" for number in range(20_001)}}
        path = write(tmp_path / "taskmanager-1.2.3.zip", files, manifest(files))
        assert "too many files" in refusal(deploy, path)

    def test_a_file_that_no_list_has(self, deploy: ModuleType, tmp_path: Path) -> None:
        path = write(tmp_path / "taskmanager-1.2.3.zip", FILES, manifest(FILES), add("more.py"))
        assert "not those that MANIFEST.json lists" in refusal(deploy, path)

    def test_a_file_that_is_not_as_listed(self, deploy: ModuleType, tmp_path: Path) -> None:
        listed = manifest({**FILES, "worker.py": b"another"})
        path = write(tmp_path / "taskmanager-1.2.3.zip", FILES, listed)
        assert "worker.py in it is not the file" in refusal(deploy, path)

    def test_a_byte_that_was_flipped(self, deploy: ModuleType, archive: Path) -> None:
        content = bytearray(archive.read_bytes())
        content[content.index(b"worker.py") + len(b"worker.py") + 2] ^= 0xFF
        archive.write_bytes(content)
        assert "damaged" in refusal(deploy, archive)

    def test_half_an_upload(self, deploy: ModuleType, archive: Path) -> None:
        content = archive.read_bytes()
        archive.write_bytes(content[: len(content) // 2])
        assert "no zip archive" in refusal(deploy, archive)

    def test_a_wrong_checksum_beside_it(self, deploy: ModuleType, archive: Path) -> None:
        archive.with_name(archive.name + ".sha256").write_text(f"{'0' * 64}  {archive.name}\n")
        assert "SHA-256" in refusal(deploy, archive)

    def test_a_right_checksum_beside_it(self, deploy: ModuleType, archive: Path) -> None:
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.with_name(archive.name + ".sha256").write_text(f"{digest}  {archive.name}\n")
        assert unpacked(deploy, archive).is_dir()

    @pytest.mark.parametrize(
        "listed",
        [
            b"no json",
            b"[]",
            manifest(FILES, name="another"),
            manifest(FILES, version="../.."),
            manifest(FILES, files={"app/install/__main__.py": "00"}),
        ],
    )
    def test_a_list_that_is_not_ours(
        self, deploy: ModuleType, tmp_path: Path, listed: bytes
    ) -> None:
        path = write(tmp_path / "taskmanager-1.2.3.zip", FILES, listed)
        assert "MANIFEST.json in it is not TaskManager's" in refusal(deploy, path)

    def test_another_program(self, deploy: ModuleType, tmp_path: Path) -> None:
        path = write(tmp_path / "taskmanager-1.2.3.zip", {}, manifest({}))
        assert "no installer" in refusal(deploy, path)

    def test_an_encrypted_one(self, deploy: ModuleType, archive: Path) -> None:
        content = bytearray(archive.read_bytes())
        # The flag, in the list at the archive's end.
        content[content.index(b"PK\x01\x02") + 8] |= 1
        archive.write_bytes(content)
        assert "leads out" in refusal(deploy, archive)


class TestDisks:
    def test_a_full_one(self, tmp_path: Path) -> None:
        """A file may have no more than so many bytes, which answers like a quota."""
        with HostingAccount() as account:
            account.upload_installer()
            account.upload(bundle())
            limit = 300_000
            process = subprocess.run(
                [
                    *(PYTHON, "-c", LIMITED, str(limit)),
                    str(account.web_folder / "deploy.py"),
                    *("--install", "--json", "--config", str(config_in(account))),
                ],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
            assert process.returncode == 3, process
            assert "The disk is full" in process.stderr
            assert not (account.home / "current").exists()
            assert not list(account.home.glob("releases/*"))
            account.own()
            done = account.install()
            assert done.returncode == 0, done

    @pytest.mark.parametrize("step", ["checks", "compile"])
    def test_one_that_is_full_all_of_a_sudden(self, step: str) -> None:
        """To the last byte, after this step. Once there is room again, it goes on."""
        with HostingAccount(disk=170) as account:
            account.upload_installer()
            account.upload(bundle())
            process = account.start_install()
            wait_until(lambda: step in account.journal().get("steps", {}), 300, f"the step {step}")
            filler = account.root / "filler"
            fill(filler)
            _, said = process.communicate(timeout=300)
            assert process.returncode == 4, said
            assert "The disk is full, or the account's quota is used up" in said
            assert not (account.home / "current").exists()
            assert not (account.web_folder / "index.cgi").exists()
            filler.unlink()
            done = account.install()
            assert done.returncode == 0, done
            assert account.call("GET", "/tasks")[0] == 200

    def test_one_that_fills_up_while_unpacking(self, deploy: ModuleType, tmp_path: Path) -> None:
        content = os.urandom(200_000)
        files = {**FILES, "large": content}
        path = write(tmp_path / "taskmanager-1.2.3.zip", files, manifest(files))
        builds = tmp_path / "releases"
        builds.mkdir()
        opened = verified(deploy, path)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(OSError) as caught:  # noqa: PT011
                unpack(opened, builds, time.monotonic() + 60)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "The disk is full" in advice_for(caught.value)
        assert list(builds.iterdir()) == []
        assert (unpacked(deploy, path) / "large").read_bytes() == content

    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        folder = tmp_path / "public_html"
        folder.mkdir()
        shutil.copy(PROJECT / "deploy.py", folder)
        config = tmp_path / "answers.json"
        config.write_text(json.dumps({"url": "http://example.org", "web_folder": str(folder)}))
        folder.chmod(0o555)
        tmp_path.chmod(0o555)
        command = [sys.executable, str(folder / "deploy.py"), "--install", "--config", str(config)]
        try:
            done = subprocess.run(
                [*without_root_powers(), *command], capture_output=True, text=True, check=False
            )
        finally:
            folder.chmod(0o755)
            tmp_path.chmod(0o755)
        assert done.returncode == 4, done
        assert "cannot be written to" in done.stderr
        assert "755" in done.stderr


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def config_in(account: HostingAccount) -> Path:
    path = account.root / "limited.json"
    path.write_text(json.dumps({"url": account.url}))
    return path


def test_bytes_like_zip_are_no_zip(deploy: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "taskmanager-1.2.3.zip"
    path.write_bytes(b"PK\x03\x04" + io.BytesIO(b"x" * 100).read())
    assert "no zip archive" in refusal(deploy, path)
