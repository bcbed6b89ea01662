"""PyMySQL, loaded without the modules that only some of its connections use.

Importing PyMySQL imports everything that any connection might need: TLS, option files, OpenSSL's
hashes. Under CGI each request pays for that, more than for all the rest of a claim. So while
PyMySQL is loaded, stand-ins take the places of those modules in ``sys.modules``; afterwards
``sys.modules`` is as it was before. A stand-in loads its module when something in it is used for
the first time. Nothing changes for the rest of the program, and a module that was loaded before
PyMySQL gets no stand-in.
"""

from __future__ import annotations

import re
import sys
from types import ModuleType

from app import hashes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Later(ModuleType):
    """Stands in for a module until something in it is used, other than what is given here."""

    def __init__(self, name: str, **given: Any) -> None:
        super().__init__(name)
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks, not PyMySQL
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(__import__(self.__name__), name)


class LaterHashes(Later):
    """``hashlib``. Logging in needs two or three hashes that Python has without OpenSSL."""

    def new(self, name: str, data: bytes = b"") -> Any:
        if name in hashes.MODULES:
            return hashes.constructor(name)(data)
        return self.__getattr__("new")(name, data)

    def __getattr__(self, name: str) -> Any:
        return hashes.constructor(name) if name in hashes.MODULES else super().__getattr__(name)


class LaterPatterns(ModuleType):
    """``re``, but a pattern is compiled when it is first used. Calls of workers use none of
    PyMySQL's.
    """

    def compile(self, *arguments: Any) -> LaterPattern:
        return LaterPattern(arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(re, name)


class LaterPattern:
    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._arguments = arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(*self._arguments), name)


def _decimal_later(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


def _option_file_later(**options: Any) -> Any:
    from pymysql.optionfile import Parser

    return Parser(**options)


def _stand_ins() -> dict[str, Any]:
    """What PyMySQL finds under the names of modules. None is an ImportError, which it expects."""
    unless_loaded = {
        "cryptography": None,  # serves one way to log in, which mysql_session.py does over TLS
        "getpass": None,  # serves those who name no user: mysql_session.py always does
        "decimal": Later("decimal", Decimal=_decimal_later),
        "hashlib": LaterHashes("hashlib"),
        "pymysql.optionfile": Later("pymysql.optionfile", Parser=_option_file_later),
        "selectors": Later("selectors"),
        "ssl": Later("ssl"),
        "traceback": Later("traceback"),
        "warnings": Later("warnings"),
    }
    new = {name: each for name, each in unless_loaded.items() if name not in sys.modules}
    return {**new, "re": LaterPatterns("re")}


_standing_in = _stand_ins()
sys.modules.update(_standing_in)
try:
    import pymysql
    from pymysql.constants import CLIENT, COMMAND, FIELD_TYPE
    from pymysql.converters import conversions
finally:
    for _name in _standing_in:
        sys.modules.pop(_name, None)
    sys.modules["re"] = re

__all__ = ["CLIENT", "COMMAND", "FIELD_TYPE", "conversions", "pymysql"]
