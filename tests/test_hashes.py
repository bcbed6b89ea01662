"""Hashes from Python itself are those that everybody else computes."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from app.hashes import hmac_sha256, sha256

LENGTHS = (0, 1, 63, 64, 65, 1000)


@pytest.mark.parametrize("length", LENGTHS)
def test_sha256(length: int) -> None:
    assert sha256(b"x" * length).digest() == hashlib.sha256(b"x" * length).digest()


@pytest.mark.parametrize("message", [b"", b"message", b"m" * 1000])
@pytest.mark.parametrize("length", LENGTHS)
def test_hmac(length: int, message: bytes) -> None:
    key = b"k" * length
    assert hmac_sha256(key, message) == hmac.new(key, message, "sha256").hexdigest()
