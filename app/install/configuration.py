"""Writing a site's config.py."""

from __future__ import annotations

import secrets

from app.errors import ConfigError
from app.install.errors import InstallError
from app.install.files import write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.install.installation import Installation

HEADER = '''\
"""TaskManager's settings, written by its installer. You may change them.

config.example.py in the installed version's folder explains every setting.
"""

'''


def sqlite_values(installation: Installation) -> dict[str, str]:
    """The database settings of a queue in a file in the home."""
    from urllib.parse import quote

    return {"DATABASE_URL": f"sqlite:///{quote(str(installation.home / 'data' / 'queue.sqlite3'))}"}


def write_config(
    installation: Installation, database: Mapping[str, str], api_key: str = ""
) -> None:
    """Write config.py, for its owner alone. The key and the token of web runs that it has already
    stay, unless a key is given.

    Raises InstallError when the given key cannot be one, OSError.
    """
    known_key, known_token = _known(installation)
    values = {
        **database,
        "API_KEY": api_key or known_key or secrets.token_urlsafe(32),
        "RUN_TOKEN": known_token or secrets.token_urlsafe(32),
    }
    try:
        from app.config import from_values

        from_values(values, str(installation.home))
    except ConfigError as error:
        raise InstallError(f"{error}.") from None
    text = HEADER + "".join(f"{name} = {value!a}\n" for name, value in values.items())
    write_whole(installation.config, text)


def _known(installation: Installation) -> tuple[str, str]:
    """The key and the token of web runs that are set already, or empty texts."""
    try:
        settings = installation.settings()
    except ConfigError:
        return "", ""
    return settings.api_key, settings.run_token
