"""PyMySQL, loaded without a package that it would load where a host happens to have it.

``cryptography`` serves one way to log in, which :mod:`app.db.mysql` does over TLS instead; under
CGI it would cost every call more than all the rest of its imports.
"""

from __future__ import annotations

import sys

_hidden = "cryptography" not in sys.modules
if _hidden:
    sys.modules["cryptography"] = None  # type: ignore[assignment]
try:
    import pymysql
    from pymysql.constants import CLIENT, FIELD_TYPE
    from pymysql.converters import conversions
finally:
    if _hidden:
        del sys.modules["cryptography"]

__all__ = ["CLIENT", "FIELD_TYPE", "conversions", "pymysql"]
