"""Smaller bodies for browsers that take them: of what is the same for everybody.

A page with somebody's token in it is sent as it is: the size of a compressed body tells of its
content (BREACH).
"""

from __future__ import annotations

import zlib

from app.api.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest

FEWEST_BYTES = 1000
GZIP = 31
"""What zlib calls the format with gzip's head."""


class CompressedResponse(Response):
    """Another response, compressed."""

    __slots__ = ("content", "cookies")

    def __init__(self, response: Response, content: bytes) -> None:
        super().__init__(response.status, None, response.headers)
        self.headers["Content-Encoding"] = "gzip"
        self.content = content
        self.cookies = [pair for pair in response.header_list() if pair[0] == "Set-Cookie"]

    def header_list(self) -> list[tuple[str, str]]:
        return [*super().header_list(), *self.cookies]

    def body(self) -> bytes:
        return self.content


def compressed(response: Response, request: PageRequest) -> Response:
    """The response for a browser that takes gzip; for others, and where it is short, as it is."""
    response.headers["Vary"] = "Accept-Encoding"
    body = response.body()
    if len(body) < FEWEST_BYTES or "gzip" not in request.headers.get("accept-encoding", ""):
        return response
    packer = zlib.compressobj(6, zlib.DEFLATED, GZIP)
    return CompressedResponse(response, packer.compress(body) + packer.flush())
