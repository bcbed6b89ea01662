"""Steps about API keys: made, rotated, revoked, and used for the calls that follow."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.model import keys, values
from tests.model.machine import UNKNOWN_ID, Machine
from tests.model.state import Key, Refused
from tests.model.steps import step
from tests.support.http_client import Response
from tests.support.stopped_clock import iso

USABLE = 3
"""So many of the newest keys are used."""


class KeySteps(Machine):
    @initialize(said=values.keys)
    def begin_with_keys(self, said: dict[str, Any]) -> None:
        self.make_key("program", {"scopes": ["produce", "work"]})
        self.make_key("somebody", said)

    @step(2, name=st.sampled_from(["site", "worker"]), said=values.keys)
    def make_key(self, name: str, said: dict[str, Any]) -> None:
        key = Key(name, said["scopes"], said.get("type_patterns"))
        body = {"name": name, **said}
        if "expires_in" in body:
            key.expires_at = self.queue.now + body.pop("expires_in")
            body["expires_at"] = iso(key.expires_at)

        def model(response: Response) -> Key:
            keys.make(self.queue, key)
            key.id, key.text = response.data["id"], response.data["key"]
            key.created_at = self.queue.now
            return key

        self.post("/keys", body, model, _with_text, scope="admin", of_all_types=True)

    @step(number=st.integers(0, 5), grace=st.sampled_from([0, 60]))
    def rotate_key(self, number: int, grace: int) -> None:
        def model(response: Response) -> Key:
            key = self._known_key(number)
            # The text is in the response, if the model agrees that there is one.
            text = response.json.get("data", {}).get("key", "")
            return keys.rotate(self.queue, key, text, grace * 1000)

        path = f"/keys/{self._key_id(number)}/rotate"
        self.post(path, {"grace": grace}, model, _with_text, scope="admin", of_all_types=True)

    @step(number=st.integers(0, 5))
    def revoke_key(self, number: int) -> None:
        self.post(
            f"/keys/{self._key_id(number)}/revoke",
            {},
            lambda response: keys.revoke(self.queue, self._known_key(number)),
            _shown,
            scope="admin",
            of_all_types=True,
        )

    @step(6, number=st.integers(1, USABLE), has_old_text=st.booleans())
    def use_key(self, number: int, has_old_text: bool) -> None:
        """For the calls from now on."""
        if self.queue.keys:
            key = self.queue.keys[-number:][0]
            self.queue.key = key
            self.key_text = (key.previous_text if has_old_text else None) or key.text

    @step(5)
    def use_root_key(self) -> None:
        self.queue.key = None

    @step()
    def list_keys(self) -> None:
        def show() -> dict[str, Any]:
            found = [_shown(key) for key in reversed(self.queue.keys)]
            return {"keys": found, "count": len(found), "next_before_id": None}

        self.get("/keys", show, scope="admin", of_all_types=True)

    @step()
    def read_audit_log(self) -> None:
        response = self.api.get("/audit", limit="100")
        shown = [
            tuple(each[name] for name in ("actor", "action", "target"))
            for each in response.data["entries"]
        ]
        assert shown == self.queue.audit[::-1][:100]

    def _known_key(self, number: int) -> Key:
        if not self.queue.keys:
            raise Refused("not_found")
        return self.queue.keys[number % len(self.queue.keys)]

    def _key_id(self, number: int) -> int:
        return self._known_key(number).id if self.queue.keys else UNKNOWN_ID


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": values.Hint(key.text),
        "scopes": [each for each in keys.SCOPES if each in key.scopes],
        "type_patterns": key.type_patterns,
        "created_at": iso(key.created_at),
        "expires_at": iso(key.expires_at),
        "last_used_at": values.ANYTHING,
        "revoked_at": iso(key.revoked_at),
        "previous_until": iso(key.previous_until),
    }


def _with_text(key: Key) -> dict[str, Any]:
    return {**_shown(key), "key": key.text}
