"""The example worker in Python, on requests alone."""

from __future__ import annotations

import sys
from typing import ClassVar

from tests.clients.conformance import Conformance
from tests.clients.support import EXAMPLES


class TestPython(Conformance):
    command = (sys.executable, str(EXAMPLES / "python" / "simple_worker.py"))
    own_handlers: ClassVar = {
        '    "example.echo": echo,': """
    "t.quiet": lambda params, job: time.sleep(6),
    "t.odd": lambda params, job: {1, 2},
    "t.false": lambda params, job: {"success": params["success"], "message": "no"},
    "example.echo": echo,"""
    }
