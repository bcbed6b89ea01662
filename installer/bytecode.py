"""Bytecode for every module of a build, so that no request has to make it."""

from __future__ import annotations

import py_compile
import sys
import time

from installer.detached import IncompleteStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def compile_modules(folder: Path, deadline: float) -> str:
    """Raises IncompleteStep, and goes on where it was."""
    modules = sorted(folder.rglob("*.py"))
    for number, path in enumerate(modules, 1):
        compiled = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        if not compiled.is_file():
            # Unchecked: files that a host moves or restores from a backup get other times.
            py_compile.compile(
                str(path),
                str(compiled),
                quiet=2,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        if time.monotonic() > deadline and number < len(modules):
            raise IncompleteStep(f"{number} of {len(modules)} modules", number / len(modules))
    return f"{len(modules)} modules"
