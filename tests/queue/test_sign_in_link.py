"""A link that signs in once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from app.queue import sign_in_link
from app.site import Site


def expire(site: Site) -> None:
    update = f"UPDATE settings SET value = {site.db.dialect.after('-1')} WHERE name LIKE :name"
    values = {"name": f"{sign_in_link.PREFIX}%"}
    site.db.run(lambda connection: connection.send([(update, values)]))


def test_it_works_once(site: Site) -> None:
    token = sign_in_link.make(site)
    assert sign_in_link.is_valid(site, token)
    assert [sign_in_link.use(site, token) for _ in range(2)] == [True, False]
    assert not sign_in_link.is_valid(site, token)


def test_for_one_of_many_who_use_it_at_once(site: Site) -> None:
    token = sign_in_link.make(site)
    with ThreadPoolExecutor(8) as threads:
        used = list(threads.map(lambda _: sign_in_link.use(site, token), range(8)))
    assert used.count(True) == 1


def test_it_ends(site: Site) -> None:
    token = sign_in_link.make(site)
    expire(site)
    assert not sign_in_link.is_valid(site, token)
    assert not sign_in_link.use(site, token)


def test_another_one_takes_its_place(site: Site) -> None:
    first, second = (sign_in_link.make(site) for _ in range(2))
    assert [sign_in_link.use(site, each) for each in (first, second)] == [False, True]


def test_other_tokens(site: Site) -> None:
    token = sign_in_link.make(site)
    rows = site.db.run(
        lambda connection: connection.query(
            "SELECT name FROM settings WHERE name LIKE 'sign-in-link.%'", {}
        )
    )
    (stored,) = (row["name"].partition(".")[2] for row in rows)
    for wrong in ("", "%", token[:-1], stored, "\udcff"):
        assert not sign_in_link.use(site, wrong)
    assert token not in stored
    assert sign_in_link.use(site, token)
