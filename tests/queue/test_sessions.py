"""Sessions of the dashboard: opened, found, ended, and over when their time or their key is."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import NotFound
from app.queue import api_keys, audit, sessions
from app.queue.access import Access
from app.queue.api_keys import NewKey
from app.queue.sessions import Person
from app.queue.upkeep.prune import prune_everything
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.support.queue import site_at

ADMIN = Person("admin", "admin")
DAY = 86400


def sql(site: Site, statement: str, **values: Any) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.send([(statement, values)]))[0].rows


def age(site: Site, column: str, seconds: float) -> None:
    """Let this time of every session be so many seconds ago."""
    sql(site, f"UPDATE sessions SET {column} = {site.db.dialect.after(':s')}", s=-seconds)


def session_of_key(site: Site, scopes: list[str]) -> tuple[int, str]:
    """A key, and the token of a session of it."""
    key_id = api_keys.make(site, NewKey("ann", scopes)).row["id"]
    return key_id, sessions.open_session(site, Person(f"key ann (#{key_id})", scopes[0], key_id))


def actions(site: Site) -> list[str]:
    return [row["action"] for row in audit.read(site, 100)][::-1]


def test_a_session_is_found_by_its_token(site: Site) -> None:
    token = sessions.open_session(site, ADMIN, "192.0.2.1")
    found = sessions.find(site, token)
    assert found is not None
    assert (found.name, found.role, found.key_id) == ("admin", "admin", None)
    assert found.created_at == found.last_used_at < found.expires_at


def test_each_sign_in_has_a_token_of_its_own(site: Site) -> None:
    tokens = {sessions.open_session(site, ADMIN) for _ in range(5)}
    assert len(tokens) == 5
    assert {len(each) for each in tokens} == {sessions.TOKEN_CHARACTERS}
    assert all(each.replace("-", "").replace("_", "").isalnum() for each in tokens)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "é" * 43, "\udcff" * 43, "' OR 1=1 --"])
def test_other_tokens_find_nothing(site: Site, token: str) -> None:
    sessions.open_session(site, ADMIN)
    assert sessions.find(site, token) is None


def test_the_table_alone_lets_nobody_in(site: Site) -> None:
    token = sessions.open_session(site, ADMIN)
    (row,) = sql(site, "SELECT token_hash FROM sessions")
    assert token not in str(row)
    assert sessions.find(site, row["token_hash"][:43]) is None


def test_another_api_key_signs_everybody_out(database_url: str) -> None:
    before = site_at(database_url, API_KEY="a" * 32)
    token = sessions.open_session(before, ADMIN)
    assert sessions.find(before, token) is not None
    after = site_at(database_url, API_KEY="b" * 32)
    assert sessions.find(after, token) is None
    for each in (before, after):
        each.db.close()


def test_it_ends_when_it_was_not_used_for_long(database_url: str) -> None:
    site = site_at(database_url, SESSION_MAX_IDLE=3600)
    token = sessions.open_session(site, ADMIN)
    age(site, "last_used_at", 3500)
    assert sessions.find(site, token) is not None  # which is a use
    age(site, "last_used_at", 3700)
    assert sessions.find(site, token) is None
    assert sessions.list_all(site) == []
    site.db.close()


def test_it_ends_however_much_it_is_used(database_url: str) -> None:
    site = site_at(database_url, SESSION_MAX_AGE=3600)
    token = sessions.open_session(site, ADMIN)
    (row,) = sql(
        site, f"SELECT {site.db.dialect.seconds_since('expires_at')} AS past FROM sessions"
    )
    assert -3600 <= row["past"] < -3500
    age(site, "expires_at", 1)
    assert sessions.find(site, token) is None
    site.db.close()


def test_its_use_is_noted_once_a_minute(site: Site) -> None:
    token = sessions.open_session(site, ADMIN)
    since = f"SELECT {site.db.dialect.seconds_since('last_used_at')} AS seconds FROM sessions"
    for seconds, is_noted in ((50, False), (70, True)):
        age(site, "last_used_at", seconds)
        sessions.find(site, token)
        assert (sql(site, since)[0]["seconds"] < 40) is is_noted


def test_signing_out_ends_it(site: Site) -> None:
    token, other = (sessions.open_session(site, ADMIN) for _ in range(2))
    found = sessions.find(site, token)
    assert found is not None
    for _ in range(2):
        sessions.sign_out(site, found, found.actor())
    assert sessions.find(site, token) is None
    assert sessions.find(site, other) is not None
    assert actions(site) == ["session.sign_in", "session.sign_in", "session.sign_out"]


def test_one_of_the_list_is_ended(site: Site) -> None:
    tokens = [sessions.open_session(site, Person(name, "read")) for name in ("ann", "bob")]
    bob, ann = sessions.list_all(site)
    assert (bob.name, ann.name) == ("bob", "ann")
    sessions.end(site, bob.id, ADMIN.actor("192.0.2.1"))
    assert [sessions.find(site, each) is None for each in tokens] == [False, True]
    newest = audit.read(site, 1)[0]
    assert (newest["actor"], newest["action"], newest["target"]) == (
        *("admin (dashboard)", "session.end", "bob"),
    )
    with pytest.raises(NotFound, match=f"Session {bob.id} not found"):
        sessions.end(site, bob.id)


def test_signing_out_everywhere(site: Site) -> None:
    tokens = [sessions.open_session(site, ADMIN) for _ in range(3)]
    sessions.end_all(site, ADMIN.actor())
    assert [sessions.find(site, each) for each in tokens] == [None] * 3
    assert actions(site)[-1] == "session.end_all"
    assert sessions.find(site, sessions.open_session(site, ADMIN)) is not None


def test_everywhere_is_where_a_key_signed_in(site: Site) -> None:
    admin = sessions.open_session(site, ADMIN)
    key_id, token = session_of_key(site, ["read"])
    sessions.end_all(site, None, key_id)
    assert sessions.find(site, token) is None
    assert sessions.find(site, admin) is not None


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_a_key_that_is_over_ends_its_sessions(site: Site, column: str) -> None:
    key_id, token = session_of_key(site, ["read"])
    assert sessions.find(site, token) is not None
    sql(
        site,
        f"UPDATE api_keys SET {column} = {site.db.dialect.after('-1')} WHERE id = :id",
        id=key_id,
    )
    assert sessions.find(site, token) is None
    assert sessions.list_all(site) == []


def test_revoking_and_deleting_a_key_ends_its_sessions(site: Site) -> None:
    key_id, token = session_of_key(site, ["admin"])
    api_keys.revoke(site, key_id)
    assert sessions.find(site, token) is None
    sql(site, "UPDATE api_keys SET revoked_at = NULL")
    assert sessions.find(site, token) is not None
    sql(site, "DELETE FROM api_keys")
    assert sessions.find(site, token) is None


@pytest.mark.parametrize("grace", [0, 3600])
def test_rotating_a_key_ends_its_sessions(site: Site, grace: float) -> None:
    admin = sessions.open_session(site, ADMIN)
    key_id, token = session_of_key(site, ["admin"])
    api_keys.rotate(site, key_id, grace)
    assert sessions.find(site, token) is None
    assert sessions.find(site, admin) is not None


@pytest.mark.parametrize(
    ("scopes", "patterns", "role"),
    [
        ("admin", None, "admin"),
        ("read,admin", None, "admin"),
        ("read,produce", None, "read"),
        ("produce,work", None, None),
        ("", None, None),
        ("admin", '["mail.%"]', None),
    ],
)
def test_a_session_has_the_role_that_its_key_has_now(
    site: Site, scopes: str, patterns: str | None, role: str | None
) -> None:
    _, token = session_of_key(site, ["admin"])
    sql(site, "UPDATE api_keys SET scopes = :s, type_patterns_json = :p", s=scopes, p=patterns)
    found = sessions.find(site, token)
    assert (found and found.role) == role
    assert [each.role for each in sessions.list_all(site)] == ([role] if role else [])


def test_keys_for_some_types_have_no_role() -> None:
    assert sessions.role_of(Access(1, "ann", ["admin"], ["mail.%"])) is None


def test_those_that_are_over_are_pruned(site: Site) -> None:
    gone, kept = (sessions.open_session(site, Person(name, "read")) for name in ("ann", "bob"))
    over = site.db.dialect.after("-1")
    sql(site, f"UPDATE sessions SET expires_at = {over} WHERE name = 'ann'")
    told: dict[str, int] = {}
    prune_everything(site, Budget(None), lambda kind, count: told.update({kind: count}))
    assert [row["name"] for row in sql(site, "SELECT name FROM sessions")] == ["bob"]
    assert "sessions" in told
    assert [sessions.find(site, each) is None for each in (gone, kept)] == [True, False]


def test_a_name_that_is_too_long_is_cut(site: Site) -> None:
    token = sessions.open_session(site, Person("n" * 300, "read"))
    found = sessions.find(site, token)
    assert found is not None
    assert found.name == "n" * 150
