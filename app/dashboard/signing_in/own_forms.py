"""Whether a form that was sent is one of ours, in the browser of whoever is signed in there.

Each form carries a token that follows from a secret in one of the browser's cookies, so that
nothing is stored for it. Browsers also say where a form comes from; those that say so are believed.
"""

from __future__ import annotations

from _operator import _compare_digest as compare_digest  # hmac's, without loading OpenSSL

from app.hashes import hmac_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_request import PageRequest


def token_for(secret: str) -> str:
    """What the forms in a browser with this secret carry."""
    return hmac_sha256(secret.encode("utf-8", "replace"), b"form")


def is_own_form(request: PageRequest, secret: str) -> bool:
    """Whether a form of ours in the browser with this secret sent the request. Raises ApiError."""
    if not secret or not comes_from_own_site(request):
        return False
    given = request.form.get("csrf").encode("utf-8", "replace")
    return compare_digest(given, token_for(secret).encode())


def comes_from_own_site(request: PageRequest) -> bool:
    """What the browser says, if it does: old ones, and programs, leave it to the token."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # "none" is a person who sends the form once more, by reloading the page.
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    scheme, _, host = origin.partition("://")
    if request.scheme == "https" and scheme != "https":
        return False
    return host.lower() in _own_hosts(request)


def is_surely_from_own_site(request: PageRequest) -> bool:
    """The same, where a browser that says nothing is not believed."""
    says = [request.headers.get(name) for name in ("sec-fetch-site", "origin")]
    return any(says) and says[0] in (None, "same-origin") and comes_from_own_site(request)


def _own_hosts(request: PageRequest) -> list[str]:
    """A proxy may ask for us by another name than the browser asked for it."""
    names = [request.headers.get(each, "") for each in ("host", "x-forwarded-host")]
    return [each.partition(",")[0].strip().lower() for each in names if each]
