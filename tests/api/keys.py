"""Keys with scopes, made behind the API's back, and the API called with one of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from app.queue import api_keys
from app.queue.api_keys import NewKey
from tests.api.caller import Api

_numbers = count(1)


def key_with(
    api: Api,
    scopes: Sequence[str],
    patterns: Sequence[str] | None = None,
    name: str | None = None,
    **options: Any,
) -> str:
    """The text of a new key. One without a scope cannot be made: somebody emptied its row."""
    new = NewKey(name or f"key {next(_numbers)}", scopes or ["read"], patterns, **options)
    made = api_keys.make(api.site, new)
    if not scopes:
        api.sql("UPDATE api_keys SET scopes = '' WHERE id = :id", id=made.row["id"])
    return made.text


def headers_of(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


class WithKey(Api):
    """The same API, called with another key."""

    def __init__(self, api: Api, key: str) -> None:
        super().__init__(api.site, api._way)
        self._key = key

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        options.setdefault("headers", headers_of(self._key))
        return super().call(method, path, body, **options)
