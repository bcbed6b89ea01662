"""A request of a browser, independent of the server that brings it."""

from __future__ import annotations

from app.api.routes import is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class PageRequest:
    """``path`` is below the application's own address, which is ``root``: empty, or a folder that
    begins with a slash. ``headers`` have lower-case names; ``address`` is the caller's as the
    server sees it; ``scheme`` is ``http`` or ``https``.
    """

    def __init__(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: Callable[[bool], bytes] = lambda from_anybody: b"",
        address: str = "",
        root: str = "",
        scheme: str = "http",
    ) -> None:
        self.method = method
        self.path = path
        self.query = Form(query)
        self.headers = headers or {}
        self.address = address
        self.root = root
        self.scheme = scheme
        self._read = body
        self._form: Form | None = None

    @property
    def form(self) -> Form:
        """The fields that were sent. Raises ApiError when the body cannot be read."""
        return self._form or self._read_form(from_anybody=False)

    def short_form(self) -> Form:
        """The same from somebody who is not signed in: no more is read than they may send."""
        return self._form or self._read_form(from_anybody=True)

    def with_form(self, path: str, form: Form) -> PageRequest:
        """The same browser's request with another form, for another page."""
        request = PageRequest(
            "POST", path, "", self.headers, address=self.address, root=self.root, scheme=self.scheme
        )
        request._form = form
        return request

    def _read_form(self, from_anybody: bool) -> Form:
        self._form = Form(self._read(from_anybody).decode("utf-8", "replace"))
        return self._form

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def is_from_browser(self) -> bool:
        """Whether a person's browser asks, which wants pages; programs want JSON."""
        return "text/html" in self.headers.get("accept", "")

    @property
    def is_live(self) -> bool:
        """Whether a page that is open already asks what has changed."""
        return "x-live" in self.headers


class Form:
    """Fields as a form sends them, in an address or in a body; a name may come several times."""

    def __init__(self, text: str) -> None:
        # Loaded when needed: most addresses have no query.
        if text:
            from urllib.parse import parse_qsl

            self.pairs = parse_qsl(text, keep_blank_values=True)
        else:
            self.pairs = []

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Form:
        """A form with these fields."""
        form = cls("")
        form.pairs = list(pairs)
        return form

    def get(self, name: str, default: str = "") -> str:
        """The last value of this name, without blanks around it."""
        values = self.all(name)
        return values[-1].strip() if values else default

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.pairs if each == name]

    def number(self, name: str) -> int | None:
        """The last value of this name as a whole number from 1 on; None if it is none."""
        text = self.get(name)
        return int(text) if is_id(text) else None

    def __contains__(self, name: str) -> bool:
        return any(each == name for each, _ in self.pairs)
