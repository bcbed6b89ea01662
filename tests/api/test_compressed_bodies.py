"""Bodies that come as gzip or deflate."""

from __future__ import annotations

import functools
import gzip
import json
import zlib

import pytest

from tests.api.caller import API_KEY, Api
from tests.support.http_client import Response

BODY = {"name": "compressed", "version": "1", "param_schema": {}, "description": "größe " * 50}
PLAIN = json.dumps(BODY).encode()
RAW = zlib.compressobj(wbits=-15)
MEGABYTE = 1024 * 1024


def send(api: Api, raw: bytes, encoding: str) -> Response:
    headers = {"X-API-Key": API_KEY, "Content-Encoding": encoding}
    return api.call("POST", "/task-types/register", raw=raw, headers=headers)


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (gzip.compress(PLAIN), "gzip"),
        (gzip.compress(PLAIN), "GZip"),
        (gzip.compress(PLAIN), "x-gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (RAW.compress(PLAIN) + RAW.flush(), "deflate"),
        (PLAIN, "identity"),
        (PLAIN, ""),
    ],
)
def test_are_read(api: Api, raw: bytes, encoding: str) -> None:
    response = send(api, raw, encoding)
    assert response.status == 201
    assert api.get("/task-types/compressed").data["description"] == BODY["description"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "utf-8", "x" * 9000])
def test_others_are_415(api: Api, encoding: str) -> None:
    with api.unchanged():
        response = send(api, PLAIN, encoding)
    assert (response.status, response.code) == (415, "unsupported_media_type")
    assert "gzip or deflate" in response.error
    assert len(response.error) < 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "raw",
    [PLAIN, b"\x1f\x8b", gzip.compress(PLAIN)[:-9], zlib.compress(PLAIN)[:-9], b"\x00"],
    ids=range(5),
)
def test_what_is_not_compressed_so(api: Api, raw: bytes, encoding: str) -> None:
    with api.unchanged():
        response = send(api, raw, encoding)
    assert response.code == "invalid_json"
    assert encoding in response.error


def test_something_after_the_end(api: Api) -> None:
    with api.unchanged():
        assert send(api, gzip.compress(PLAIN) + b"more", "gzip").code == "invalid_json"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_too_large(api: Api, encoding: str) -> None:
    raw = bomb(encoding)
    assert len(raw) < MEGABYTE
    with api.unchanged():
        response = send(api, raw, encoding)
    assert response.code == "too_large"


@functools.cache
def bomb(encoding: str) -> bytes:
    """400 MB of spaces in 400 KB."""
    form = {"gzip": 31, "deflate": 15}[encoding]
    packer = zlib.compressobj(9, wbits=form)
    return b"".join(packer.compress(b" " * MEGABYTE) for _ in range(400)) + packer.flush()


def test_what_just_fits(api: Api) -> None:
    filler = b" " * (MEGABYTE - len(PLAIN))
    assert send(api, gzip.compress(PLAIN + filler), "gzip").status == 201
    assert send(api, gzip.compress(PLAIN + filler + b" "), "gzip").code == "too_large"


def test_no_body_at_all(api: Api) -> None:
    api.register("job")
    headers = {"X-API-Key": API_KEY, "Content-Encoding": "gzip"}
    assert api.call("POST", "/task-types/job/pause", raw=b"", headers=headers).status == 200
