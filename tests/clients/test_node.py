"""The example worker for Node, on fetch alone."""

from __future__ import annotations

from typing import ClassVar

from tests.clients.conformance import Conformance
from tests.clients.support import EXAMPLES


class TestNode(Conformance):
    command = ("node", str(EXAMPLES / "node" / "worker.mjs"))
    own_handlers: ClassVar = {
        "const handlers = {": """const handlers = {
  "t.quiet": () => sleep(6000),

  "t.odd": () => 10n,

  "t.false": ({ success }) => ({ success, message: "no" }),
"""
    }
