"""What a page answers with: HTML, a way to another page, a file."""

from __future__ import annotations

from app.api.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest

NOTICE_COOKIE = "tm_notice"
MAX_NOTICE = 500

PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PageResponse(Response):
    """A page. ``etag`` names its content where a browser may ask for what has changed."""

    __slots__ = ("html",)

    def __init__(self, html: str, status: int = 200) -> None:
        super().__init__(status, None, PAGE_HEADERS)
        self.html = html

    def body(self) -> bytes:
        return self.html.encode("utf-8", "replace")


class NotModified(Response):
    """What the browser has is still right."""

    __slots__ = ()

    def __init__(self, etag: str) -> None:
        super().__init__(304, None, {"ETag": etag})


class Redirect(Response):
    """To another page, by GET. ``notice`` is shown there once."""

    __slots__ = ()

    def __init__(self, address: str, notice: str, request: PageRequest) -> None:
        super().__init__(303, None, {"Location": address, "Content-Length": "0"})
        if notice:
            from app.dashboard.cookies import cookie  # loaded when needed

            self.headers["Set-Cookie"] = cookie(request, NOTICE_COOKIE, notice[:MAX_NOTICE], 60)


class FileResponse(Response):
    """Bytes of a type, to be kept by the browser, or to be saved as ``filename``."""

    __slots__ = ("content",)

    def __init__(self, content: bytes, content_type: str, filename: str = "") -> None:
        super().__init__(200, None, {"Content-Type": content_type})
        self.content = content
        if filename:
            self.headers["Content-Disposition"] = f'attachment; filename="{filename}"'

    def body(self) -> bytes:
        return self.content
