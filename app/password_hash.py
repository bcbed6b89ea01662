"""The hash of a password, made and checked by Werkzeug.

Loaded only where somebody signs in or sets a password: it brings OpenSSL's hashes with it.
"""

from __future__ import annotations

import unicodedata

from werkzeug.security import check_password_hash, generate_password_hash

METHODS = ("scrypt:32768:8:3", "pbkdf2:sha256:600000")
"""The first one that this Python has. scrypt takes 32 MB and a quarter of a second on a slow core:
accounts of cheap hosts have at least ten times that memory.
"""


def hash_of(password: str) -> str:
    text = _normal(password)
    for method in METHODS[:-1]:
        try:
            return generate_password_hash(text, method=method)
        except (AttributeError, ValueError, MemoryError):  # OpenSSL without it, or no memory
            continue
    return generate_password_hash(text, method=METHODS[-1])


def is_right(password: str, stored: str) -> bool:
    """Takes as long for a wrong password as for the right one."""
    return check_password_hash(stored, _normal(password))


def is_outdated(stored: str) -> bool:
    """Whether it was made with parameters that are not used any more."""
    return stored.partition("$")[0] not in METHODS


def _normal(password: str) -> str:
    """Keyboards send the same letter in different ways, ``é`` for example."""
    return unicodedata.normalize("NFKC", password)
