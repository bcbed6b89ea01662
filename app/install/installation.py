"""One installation: where its parts are, how it is reached, and which build is being installed."""

from __future__ import annotations

import sys
from pathlib import Path

from app.install import versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config import Settings


class Installation:
    """Made of plain values, as deploy.py and the steps' requests have them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.web_folder = Path(values["web_folder"])
        self.home = Path(values["home"])
        """The private data folder: everything but the entry files."""
        self.kind = values["kind"]
        self.url = values["url"]
        self.address = values.get("address", "")
        """``host:port`` by which this machine reaches itself when ``url`` does not."""
        self.interpreter = values.get("interpreter") or sys.executable
        self.build = values.get("release", "")
        """The name of the build that is being installed."""
        self.before = values.get("before", "")
        """The build that served when the installation was begun; empty when none did."""
        self.document_root = Path(values.get("document_root") or self.web_folder)
        self.server = values.get("server", "")

    def values(self, build: str, before: str = "") -> dict[str, str]:
        """For a step's request: the same installation, with this build to be installed."""
        return {
            "web_folder": str(self.web_folder),
            "home": str(self.home),
            "release": build,
            "before": before,
            "interpreter": self.interpreter,
            "kind": self.kind,
            "url": self.url,
            "address": self.address,
        }

    @property
    def builds(self) -> Path:
        """The folder with a sub-folder for each build."""
        return self.home / versions.BUILDS

    @property
    def folder(self) -> Path:
        """The folder of the build that is being installed."""
        return self.builds / self.build

    @property
    def config(self) -> Path:
        return self.home / "config.py"

    @property
    def is_outside(self) -> bool:
        """Whether no address of the web server can reach the private data folder."""
        return self.document_root not in [self.home, *self.home.parents]

    @property
    def is_installed(self) -> bool:
        return bool(self.current) and self.config.is_file()

    @property
    def current(self) -> str:
        """The build that serves; empty before the first."""
        return versions.read_current(self.home) or ""

    @property
    def previous(self) -> str:
        """The build that served before the current one; empty where there is none to go to."""
        return versions.previous(self.home) or ""

    def settings(self) -> Settings:
        """As the site's own processes read them. Raises app.errors.ConfigError."""
        from app.config import load

        return load({"TASKMANAGER_CONFIG": str(self.config)})
