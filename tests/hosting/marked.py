"""Releases whose responses tell of which release each loaded module is, put into sites."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from app.install import build as builder
from tests.support.checkout import copy_project
from tests.support.site import InstalledSite, compile_folder

# Added to app/api/response.py. The pause gives a switch time to come between a request's imports.
TELL_MARKS = """

def _marked(self, plain=Response.body):
    import sys
    import time

    time.sleep(0.02)
    import app.queue.candidates
    import app.queue.cancel

    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "app"]
    self.payload["marks"] = sorted({getattr(module, "MARK", "none") for module in modules})
    return plain(self)


Response.body = _marked
FIXED_HEADERS["X-Release"] = MARK
"""


def build(folder: Path, version: str, added: Mapping[str, str] | None = None) -> Path:
    """The archive of a release of this version, every module with a MARK of it.

    ``added`` is code for the end of modules: ``queue/settle`` is ``app/queue/settle.py``.
    """
    project = copy_project(folder / f"project-{version}")
    version_file = project / "app" / "version.py"
    text = version_file.read_text("utf-8")
    before = f'VERSION = "{text.split(chr(34) * 3)[2].split(chr(34))[1]}"'
    assert text.count(before) == 1
    version_file.write_text(text.replace(before, f'VERSION = "{version}"'), "utf-8")
    for module in (project / "app").rglob("*.py"):
        with module.open("a", encoding="utf-8") as file:
            file.write(f'\nMARK = "{version}"\n')
    for name, code in {"api/response": TELL_MARKS, **(added or {})}.items():
        with (project / "app" / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write(code)
    return builder.build(project, folder / f"{version}.zip")


def install(site: InstalledSite, archive: Path) -> str:
    """Put the archive's release beside the others of the site, unless it is there: its name."""
    name = builder.build_of(archive)
    folder = site.home / "releases" / name
    if folder.exists():
        return name
    vendor = next(site.home.glob("releases/*/vendor"))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    compile_folder(folder)
    # Links instead of copies: nobody writes there.
    subprocess.run(["cp", "-al", str(vendor), str(folder / "vendor")], check=True)
    site.give_to_web_server()
    return name
