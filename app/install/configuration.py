"""Writing a site's config.py."""

from __future__ import annotations

import os
import secrets
import tempfile

from app.errors import ConfigError
from app.install.refusal import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.install.site import InstallationSite

HEADER = '''\
"""TaskManager's settings, written by its installer. You may change them.

config.example.py in the release's folder explains every setting.
"""

'''


def sqlite_values(site: InstallationSite) -> dict[str, str]:
    """The database settings of a queue in a file in the home."""
    from urllib.parse import quote

    return {"DATABASE_URL": f"sqlite:///{quote(str(site.home / 'data' / 'queue.sqlite3'))}"}


def write_config(site: InstallationSite, database: Mapping[str, str], api_key: str = "") -> None:
    """Write config.py, for its owner alone. A key that it has already stays, unless one is given.

    Raises Refusal when the given key cannot be one, OSError.
    """
    key = api_key or _known_key(site) or secrets.token_urlsafe(32)
    values = {**database, "API_KEY": key}
    try:
        from app.config import from_values

        from_values(values, str(site.home))
    except ConfigError as error:
        raise Refusal(f"{error}.") from None
    text = HEADER + "".join(f"{name} = {value!a}\n" for name, value in values.items())
    write_private(site.config, text)


def _known_key(site: InstallationSite) -> str:
    try:
        return site.settings().api_key
    except ConfigError:
        return ""


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole, readable by its owner alone."""
    descriptor, draft = tempfile.mkstemp(prefix=".ht-draft-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
