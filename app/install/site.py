"""The site that is being installed, as deploy.py describes it."""

from __future__ import annotations

from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config import Settings


class InstallationSite:
    """Where a site's parts are, how it is reached, and which release is being installed."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self.web_folder = Path(values["web_folder"])
        self.home = Path(values["home"])
        self.release = values["release"]
        self.interpreter = values["interpreter"]
        self.kind = values["kind"]
        self.url = values["url"]
        self.before = values.get("before", "")
        """The release that served when the installation was begun; empty when none did."""
        self.address = values.get("address", "")
        """``host:port`` by which this machine reaches itself when ``url`` does not."""

    @property
    def folder(self) -> Path:
        """The release's own folder."""
        return self.home / "releases" / self.release

    @property
    def config(self) -> Path:
        return self.home / "config.py"

    def settings(self) -> Settings:
        """As the site's own processes read them. Raises app.errors.ConfigError."""
        from app.config import load

        return load({"TASKMANAGER_CONFIG": str(self.config)})
