"""``flask keys``: API keys with scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.commands import current_actor, current_site, group
from app.cli.output import json_option, print_facts, print_json, print_table

if TYPE_CHECKING:
    from app.queue.api_keys import KeyWithText

keys = group("keys", "Make, list, rotate and revoke API keys with scopes.")

key_id = click.argument("id", metavar="ID", type=click.IntRange(1))
expires_option = click.option(
    "--expires-at", metavar="TIME", help="When it ends, such as 2030-01-31 or 2030-01-31T12:00Z."
)


@keys.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many to show.",
)
@json_option
def list_keys(limit: int, as_json: bool) -> None:
    """List the keys, the newest first. API_KEY of the config file is not one of them."""
    from app.api import serializers
    from app.queue import api_keys

    found = [serializers.api_key(row) for row in api_keys.list_all(current_site(), limit)]
    if as_json:
        print_json({"keys": found})
        return
    print_table(
        ["id", "name", "begins with", "scopes", "types", "last used", "expires", "revoked"],
        [
            [
                each["id"],
                each["name"],
                each["hint"],
                ",".join(each["scopes"]),
                ",".join(each["type_patterns"] or ["all"]),
                each["last_used_at"],
                each["expires_at"],
                each["revoked_at"],
            ]
            for each in found
        ],
    )


@keys.command("make")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="What it may do: read, produce, work or admin. May be repeated.",
)
@click.option(
    "--type-pattern",
    "type_patterns",
    multiple=True,
    help="Only for task types like this: mail.%. May be repeated.  [default: all]",
)
@expires_option
@click.option("--prefix", help="How it begins: tm_, or sk_live_ for SDKs that want that.")
@json_option
def make_key(as_json: bool, **given: Any) -> None:
    """Make a key. It is shown once, and only its hash is stored."""
    from app.api.endpoints.keys import KEY
    from app.queue import api_keys

    values = {name: value for name, value in given.items() if value not in (None, ())}
    for name in ("scopes", "type_patterns"):
        if name in values:
            values[name] = list(values[name])
    new = api_keys.NewKey(**_checked(KEY, values))
    _show(api_keys.make(current_site(), new, current_actor()), as_json)


@keys.command("rotate")
@key_id
@click.option(
    "--grace",
    type=float,
    metavar="SECONDS",
    help="How long the old one is taken, too.  [default: 0]",
)
@expires_option
@json_option
def rotate_key(id: int, as_json: bool, **given: Any) -> None:
    """Replace a key by another of the same name, scopes and types."""
    from app.api.endpoints.keys import ROTATE
    from app.queue import api_keys

    values = {name: value for name, value in given.items() if value is not None}
    options = _checked(ROTATE, values)
    _show(api_keys.rotate(current_site(), id, **options, actor=current_actor()), as_json)


@keys.command("revoke")
@key_id
def revoke_key(id: int) -> None:
    """End a key: it is taken no longer."""
    from app.queue import api_keys

    row = api_keys.revoke(current_site(), id, current_actor())
    click.echo(f"Key {row['name']} (#{row['id']}) revoked")


def _checked(known: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The values as the API takes them. Raises UsageError."""
    from app.cli.options import wrong_options
    from app.errors import Invalid

    try:
        checked: dict[str, Any] = known.read(values, current_site().settings)[0]
    except Invalid as error:
        raise wrong_options(error, {"name": "NAME", "scopes": "--scope"}) from None
    return checked


def _show(made: KeyWithText, as_json: bool) -> None:
    from app.api import serializers

    shown = {**serializers.api_key(made.row), "key": made.text}
    if as_json:
        print_json(shown)
        return
    print_facts([(name, shown[name]) for name in ("id", "name", "scopes", "key")])
    click.echo("Copy the key now: it is not shown again.", err=True)
