"""SHA-1, SHA-256 with its HMAC, and SHA-512 from Python itself.

``hashlib`` prefers OpenSSL's, and loading OpenSSL costs a request under CGI more than all the
hashing it does. Where Python was built without its own, they are hashlib's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash
    from typing import Any

MODULES = {
    "sha1": ("_sha1",),
    "sha256": ("_sha2", "_sha256"),  # _sha2 since Python 3.12
    "sha512": ("_sha2", "_sha512"),
}

BLOCK_BYTES = 64
"""The block size of SHA-256. HMAC pads its key to this length."""

_constructors: dict[str, Any] = {}


def sha256(data: bytes) -> _Hash:
    """As ``hashlib.sha256``."""
    digest: _Hash = constructor("sha256")(data)
    return digest


def hmac_sha256(key: bytes, message: bytes) -> str:
    """As hexadecimal digits. The module ``hmac`` would load OpenSSL, too."""
    if len(key) > BLOCK_BYTES:
        key = sha256(key).digest()
    key = key.ljust(BLOCK_BYTES, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    return sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def constructor(name: str) -> Any:
    """The function in ``hashlib`` of this name, one of MODULES."""
    # Python does not remember that a module is missing: each further look takes 0.2 ms.
    if name not in _constructors:
        _constructors[name] = _find(name)
    return _constructors[name]


def _find(name: str) -> Any:
    for module in MODULES[name]:
        try:
            return getattr(__import__(module), name)
        except (ImportError, AttributeError):
            continue
    import hashlib

    return getattr(hashlib, name)
