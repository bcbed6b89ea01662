"""The whole way in the browser, by the oldest and the newest Python here, and as deploy.cgi."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount
from tests.deploy.visitor import Visitor, press_until
from tests.support.pythons import for_everybody, oldest_and_newest

PYTHONS = oldest_and_newest()


@pytest.mark.parametrize(
    ("python", "installer"), [(PYTHONS[0], "deploy.py"), (PYTHONS[-1], "deploy.cgi")], ids=str
)
def test_a_site_of_this_python(python: str, installer: str) -> None:
    archive, runnable = bundle(python), for_everybody(python)
    with HostingAccount("cgi", "/queue", installer=installer, python=runnable) as account:
        visitor = go_the_whole_way(account, archive)
        assert Visitor(account.page).get().status == 403
        visitor.post("delete")
        assert "gone" in visitor.text
        assert list(account.web_folder.glob("deploy.*")) == []
        account.upload_installer()
        account.upload(archive)
        done = account.install(None, "--json")
        assert done.returncode == 0, done


def go_the_whole_way(account: HostingAccount, archive: Path) -> Visitor:
    """Upload, prove, install, do the task of the printed lines: who sees the last page."""
    account.upload_installer()
    account.upload(archive)
    visitor = Visitor(account.page).get()
    account.create(visitor.proof())
    visitor.post("proof")
    assert account.python in visitor.text
    visitor.post("begin")
    press_until(visitor, 'id="host"')
    visitor.post("database", engine="sqlite")
    press_until(visitor, 'id="key"')
    added = account.run(printed(visitor, "curl"))
    assert '"status":"pending"' in added.stdout, added
    done = account.run(printed(visitor, "cron").split(maxsplit=5)[5])
    assert done.returncode == 0, done
    tasks = account.call("GET", "/tasks?status=completed&type=example.echo")[1]["data"]["tasks"]
    assert [task["result"] for task in tasks] == [{"echoed": "hello"}]
    return visitor


def printed(visitor: Visitor, name: str) -> str:
    """The line that the last page shows under this name."""
    found = re.search(rf'<pre id="{name}">(.*?)</pre>', visitor.text, re.DOTALL)
    assert found, visitor.text
    return html.unescape(found[1])
