"""Whom web servers and their programs run as in the tests."""

from __future__ import annotations

import os
import pwd


def account() -> str:
    """The account's name: another one than root, as on a host."""
    return "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def as_owner() -> list[str]:
    """A command prefix: as the user whom programs run as."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid", account(), "--regid", account(), "--clear-groups"]
