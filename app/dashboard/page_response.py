"""What a page answers with: HTML, a way to another page, a file."""

from __future__ import annotations

from app.api.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class BrowserResponse(Response):
    """With ``cookies``, each a value of ``Set-Cookie``, of which there may be several."""

    __slots__ = ("cookies",)

    def __init__(
        self, status: int, headers: Mapping[str, str], cookies: Sequence[str] = ()
    ) -> None:
        super().__init__(status, None, headers)
        self.cookies = cookies

    def header_list(self) -> list[tuple[str, str]]:
        return [*super().header_list(), *(("Set-Cookie", each) for each in self.cookies)]


class PageResponse(BrowserResponse):
    """A page."""

    __slots__ = ("html",)

    def __init__(self, html: str, status: int = 200, cookies: Sequence[str] = ()) -> None:
        super().__init__(status, PAGE_HEADERS, cookies)
        self.html = html

    def body(self) -> bytes:
        return self.html.encode("utf-8", "replace")


class NotModified(Response):
    """What the browser has is still right."""

    __slots__ = ()

    def __init__(self, etag: str) -> None:
        super().__init__(304, None, {"ETag": etag})


class Redirect(BrowserResponse):
    """To another page, by GET. ``notice`` is shown there once."""

    __slots__ = ()

    def __init__(
        self, address: str, notice: str, request: PageRequest, cookies: Sequence[str] = ()
    ) -> None:
        if notice:
            from app.dashboard.signing_in.cookies import cookie  # loaded when needed

            cookies = [*cookies, cookie(request, NOTICE_COOKIE, notice[:MAX_NOTICE], 60)]
        super().__init__(303, {"Location": address, "Content-Length": "0"}, cookies)


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
