"""Readers of fields that depend on the site's settings."""

from __future__ import annotations

import pytest

from app.api import fields
from app.config import from_values
from app.errors import Invalid

KNOWN = fields.Fields(
    {},
    size=fields.BySetting(
        "MAX_PARAMS_BYTES", lambda settings: fields.integer(1, settings.max_params_bytes)
    ),
)


@pytest.mark.parametrize("most", [64, 1000])
def test_a_bound_is_the_sites(most: int) -> None:
    settings = from_values({"MAX_PARAMS_BYTES": most})
    assert KNOWN.read({"size": most}, settings) == ({"size": most}, [])
    with pytest.raises(Invalid) as raised:
        KNOWN.read({"size": most + 1}, settings)
    expected = f"size must be a whole number from 1 to {most}, and is {most + 1} (MAX_PARAMS_BYTES)"
    assert raised.value.message == expected
