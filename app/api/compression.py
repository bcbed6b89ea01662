"""Bodies that were compressed on their way: gzip and deflate."""

from __future__ import annotations

import zlib

from app.errors import ApiError

GZIP = 31
ZLIB = 15
RAW_DEFLATE = -15
"""Some clients send this as deflate, which means zlib's format."""

FORMS = {"gzip": (GZIP,), "x-gzip": (GZIP,), "deflate": (ZLIB, RAW_DEFLATE)}


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The plain body; of one that is too long, a byte more than it may have.

    Raises ApiError ``unsupported_media_type`` or ``invalid_json``.
    """
    if encoding not in FORMS:
        raise ApiError(
            "unsupported_media_type",
            f"A body with Content-Encoding {encoding[:40]!r} cannot be read here: "
            "send it plain, or as gzip or deflate",
        )
    if not body:
        return b""
    for form in FORMS[encoding]:
        plain = _plain(body, form, max_bytes + 1)
        if plain is not None:
            return plain
    raise ApiError("invalid_json", f"The body is not {encoding}, though Content-Encoding says so")


def _plain(body: bytes, form: int, most: int) -> bytes | None:
    """At most ``most`` bytes. None if the body has another format, is cut off, or has data after
    its end.
    """
    reader = zlib.decompressobj(form)
    try:
        plain = reader.decompress(body, most)
    except zlib.error:
        return None
    is_whole = reader.eof and not reader.unused_data
    return plain if is_whole or len(plain) == most else None
