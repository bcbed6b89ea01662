"""What somebody types to sign in, and who that is: the admin password or a key."""

from __future__ import annotations

from _operator import _compare_digest as compare_digest  # hmac's, without loading OpenSSL

from app import wording
from app.errors import TaskManagerError
from app.queue import admin_password, key_lookup, sessions
from app.queue.sessions import ADMIN, Person
from app.queue.sign_in_limit import PasswordTry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.queue.access import Access
    from app.site import Site


class SignInRefused(TaskManagerError):
    """The message says why, for the person who tried; ``seconds`` is how long to wait, if long."""

    def __init__(self, message: str, seconds: int = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


def person_with(site: Site, secret: str, address: str) -> Person:
    """Who has this password or key. Raises SignInRefused, or a DatabaseError."""
    key = secret.strip()
    if _is_same(site.settings.api_key, key):
        return Person("root key", ADMIN)
    found = key_lookup.find(site, [key])
    if found.access is not None:
        return _person_of_key(site, found.access)
    if found.reason:
        raise SignInRefused(found.reason)
    return _person_with_password(site, secret, address)


def _is_same(expected: str, given: str) -> bool:
    return expected != "" and compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _person_of_key(site: Site, access: Access) -> Person:
    role = sessions.role_of(access)
    if role is None:
        raise SignInRefused(_why_no_role(access))
    if access.is_use_due:
        key_lookup.note_use(site, access)
    return Person(f"key {access.name} (#{access.key_id})", role, access.key_id)


def _why_no_role(access: Access) -> str:
    if access.type_patterns is not None:
        return (
            f"The API key {access.name!r} is for some task types only, and these pages show all "
            "of them. Use a key for all types"
        )
    return (
        f"The API key {access.name!r} is for programs: it has neither the scope read nor admin. "
        "Use a key that has"
    )


def _person_with_password(site: Site, password: str, address: str) -> Person:
    password_try = PasswordTry(site, address)
    if password_try.seconds:
        raise SignInRefused(
            f"Too many wrong passwords. Wait {wording.span(password_try.seconds)}, or sign in "
            "with an API key, which is possible at any time",
            password_try.seconds,
        )
    if not admin_password.check(site, password):
        password_try.failed()
        raise SignInRefused("This is neither the password nor a valid API key")
    password_try.succeeded()
    return Person("admin", ADMIN)
