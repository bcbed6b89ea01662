"""What the owner uploaded: deploy.py, and the archive that it has verified."""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
import zipfile
from pathlib import Path

from app.install.errors import InstallError
from app.install.files import write_json
from app.install.versions import MANIFEST, version_key, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.install.installation import Installation


class Archive:
    """The archive to be installed, as deploy.py describes it. Raises InstallError when it is not
    the one any more that deploy.py has verified.
    """

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.path = Path(facts["path"])
        self.label = facts["label"]
        self.name = facts["name"]
        """The name of the build in it."""
        self.version = facts["version"]
        try:
            with zipfile.ZipFile(self.path) as opened:
                self.content = opened.read(MANIFEST)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise self.has_changed() from None
        if hashlib.sha256(self.content).hexdigest() != facts["manifest"]:
            raise self.has_changed()
        self._manifest: dict[str, Any] = json.loads(self.content)

    @property
    def vendor_fits(self) -> bool:
        """Whether the packages in the archive were made for this Python."""
        vendor = self._manifest.get("vendor")
        if not isinstance(vendor, dict):
            return False
        python = "{}.{}".format(*sys.version_info[:2])
        platform = vendor.get("platform")
        return vendor.get("python") == python and platform in ("any", sysconfig.get_platform())

    @property
    def vendor_python(self) -> str:
        """The version of Python that the packages in it were made for; empty without any."""
        return str((self._manifest.get("vendor") or {}).get("python", ""))

    def files(self) -> dict[str, str]:
        """The SHA-256 of each file that is to be unpacked."""
        files: dict[str, str] = self._manifest["files"]
        if self.vendor_fits:
            return files
        return {name: digest for name, digest in files.items() if not name.startswith("vendor/")}

    def is_older(self, installation: Installation) -> bool:
        serving = installation.current
        return bool(serving) and version_key(self.version) < version_key(version_of(serving))

    def sentence_of_older(self, installation: Installation) -> str:
        """What to do about an archive that is older than what is installed."""
        sentence = (
            f"{self.label} is older than what is installed ({version_of(installation.current)}). "
            "Upload a newer archive and delete this one."
        )
        if installation.previous == self.name:
            sentence += f" To use {self.version} again, go back to it."
        return sentence

    def has_changed(self) -> InstallError:
        return InstallError(f"{self.label} was changed while it was read. Try again.")


class Upload:
    """deploy.py, the archive beside it or inside it, and the lock that ends their work."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.script = Path(request["script"])
        facts = request.get("archive")
        self.archive = Archive(facts) if facts else None
        self._lock: dict[str, Any] = request["lock"]

    @property
    def lock_file(self) -> Path:
        return Path(self._lock["file"])

    def lock(self) -> None:
        """From now on deploy.py lets nobody in but whoever finished."""
        write_json(self.lock_file, self._lock["content"])

    def unlock(self) -> None:
        self.lock_file.unlink(missing_ok=True)
