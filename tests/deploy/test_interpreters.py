"""The whole way in the browser, by the oldest and the newest Python here, and as deploy.cgi."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.deploy.webspace import Visitor, WebSpace, archives, build, press_until
from tests.support.pythons import for_everybody, oldest_and_newest


@pytest.mark.parametrize("python", oldest_and_newest(), ids=str)
def test_a_site_of_this_python(python: str, tmp_path: Path) -> None:
    archive = build(tmp_path, "--with-vendor", python=python)
    with WebSpace("cgi", "/queue", python=for_everybody(python)) as space:
        go_the_whole_way(space, archive)
        done = space.install(None, "--json")
        assert done.returncode == 0, done


def test_as_deploy_cgi() -> None:
    with WebSpace("cgi", "/queue", installer="deploy.cgi") as space:
        visitor = go_the_whole_way(space, next(archives().glob("*.zip")))
        assert Visitor(space.page).get().status == 403
        visitor.post("delete")
        assert "gone" in visitor.text
        assert list(space.web_folder.glob("deploy.*")) == []


def go_the_whole_way(space: WebSpace, archive: Path) -> Visitor:
    """Upload, prove, install, do the task of the printed lines: who sees the last page."""
    space.upload_installer()
    space.upload(archive)
    visitor = Visitor(space.page).get()
    space.create(visitor.proof())
    visitor.post("proof")
    assert space.python in visitor.text
    visitor.post("begin")
    press_until(visitor, 'id="host"')
    visitor.post("database", engine="sqlite")
    press_until(visitor, 'id="key"')
    added = space.run(printed(visitor, "curl"))
    assert '"status":"pending"' in added.stdout, added
    done = space.run(printed(visitor, "cron").split(maxsplit=5)[5])
    assert done.returncode == 0, done
    tasks = space.call("GET", "/tasks?status=completed&type=example.echo")[1]["data"]["tasks"]
    assert [task["result"] for task in tasks] == [{"echoed": "hello"}]
    return visitor


def printed(visitor: Visitor, name: str) -> str:
    """The line that the last page shows under this name."""
    found = re.search(rf'<pre id="{name}">(.*?)</pre>', visitor.text, re.DOTALL)
    assert found, visitor.text
    return html.unescape(found[1])
