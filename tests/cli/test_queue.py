"""``flask queue``."""

from __future__ import annotations

from app.site import Site
from tests.cli.runner import Commands
from tests.support.queue import register


def test_the_whole_queue(site: Site, commands: Commands) -> None:
    assert commands.output("queue", "pause") == "Queue paused\n"
    shown = commands.json("queue", "show")
    assert (shown["paused"], shown["paused_types"]) == (True, [])
    assert "paused" in commands.output("queue", "show")
    assert commands.output("queue", "resume") == "Queue resumed\n"
    assert commands.json("queue", "show")["paused"] is False
    assert "queue.resume" in commands.output("audit")


def test_types_by_a_pattern(site: Site, commands: Commands) -> None:
    for name in ("mail.read", "mail.send", "sms"):
        register(site, name)
    assert commands.output("queue", "pause", "--type-pattern", "mail.%") == "2 task types paused\n"
    assert commands.json("queue", "show")["paused_types"] == ["mail.read", "mail.send"]
    told = commands.output("queue", "resume", "--type-pattern", "%.read")
    assert told == "1 task type resumed\n"
    assert commands.json("queue", "show")["paused_types"] == ["mail.send"]
    assert "backslash" in commands.error("queue", "pause", "--type-pattern", "a\\", code=2)
