"""Templates: Jinja without Flask, everything escaped, compiled once for all processes."""

from __future__ import annotations

import os
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from app.dashboard.display import filters
from app.dashboard.display.charts import sparkline

FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "templates")
COMPILED = os.path.join(FOLDER, "__pycache__")


class CompiledTemplates(FileSystemBytecodeCache):
    """Kept beside the templates, as Python keeps its own bytecode; where that folder cannot be
    written, each process compiles what it needs.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (OSError, ValueError, EOFError, TypeError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        try:
            os.makedirs(COMPILED, exist_ok=True)
            super().dump_bytecode(bucket)
        except OSError:
            pass


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        bytecode_cache=CompiledTemplates(COMPILED),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters.FILTERS)
    environment.globals["sparkline"] = sparkline
    return environment


_kept: dict[str, Environment] = {}


def render(template: str, **values: Any) -> str:
    """The HTML of a template below ``templates/``."""
    if "environment" not in _kept:
        _kept["environment"] = _environment()
    return _kept["environment"].get_template(template).render(values)
