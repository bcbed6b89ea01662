"""The self-test's look at the dashboard: the front page leads to it, and the sign-in page arrives
with its stylesheet, script and icon. Some hosts answer these addresses themselves.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from app.install.errors import InstallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.install.installation import Installation
    from app.install.site_client import SiteClient, SiteResponse

FILE = re.compile(r'(?:href|src)="([^"]*/dashboard/static/[^"]+)"')
TYPE_OF = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Browsers take no stylesheet and no script that comes as anything else."""

AS_A_BROWSER = {"Accept": "text/html"}


class PageTest:
    """Asks for the pages as a browser does that nobody has signed in with."""

    def __init__(self, installation: Installation, web: SiteClient) -> None:
        self._url = installation.url
        self._base = urlsplit(installation.url).path.rstrip("/")
        self._web = web
        is_open = not installation.settings().require_auth
        self._first = "/dashboard" if is_open else "/dashboard/sign-in"

    def fetch_first_page(self) -> str:
        """The page that everybody may see. Raises InstallError."""
        response = self._get(self._first)
        text = response.body.decode("utf-8", "replace")
        if response.status == 200 and FILE.search(text):
            return text
        raise InstallError(
            f"{self._url}{self._first} is answered with {response.status} and is not the "
            f"dashboard's page, although {self._url}/api/health is answered. "
            + (
                "The site's logs/taskmanager.log says why."
                if response.status == 500
                else "The web server answers addresses below /dashboard itself: ask your host to "
                "pass all addresses of this folder on to the program."
            )
        )

    def problem(self, page: str) -> str:
        """What the host does with the front page, or with the files of ``page``; empty where all of
        it arrives.
        """
        return self._front_page_problem() or self._file_problem(page)

    def _front_page_problem(self) -> str:
        response = self._get("/")
        target = urlsplit(response.headers.get("location", "")).path.rstrip("/")
        if response.status in (302, 303, 307) and target == f"{self._base}/dashboard":
            return ""
        return (
            f"{self._url}/ is answered with {response.status} and does not lead to the dashboard: "
            "the web server answers it itself, usually with an index.html or a redirect of the "
            "host. Delete that file or redirect. Until then the dashboard is at "
            f"{self._url}/dashboard."
        )

    def _file_problem(self, page: str) -> str:
        for address in dict.fromkeys(FILE.findall(page)):
            path = urlsplit(address).path[len(self._base) :]
            response = self._get(path)
            expected = next((TYPE_OF[end] for end in TYPE_OF if path.endswith(end)), "")
            kind = response.headers.get("content-type", "").partition(";")[0].strip()
            if response.status != 200 or (expected and kind != expected):
                return (
                    f"{self._url}{path} is answered with {response.status} ({kind or 'no type'}) "
                    "instead of the dashboard's file, so its pages have no style. The web server "
                    "looks for such files itself: ask your host to pass addresses below "
                    "/dashboard/static on to the program (no static file handling by nginx)."
                )
        return ""

    def _get(self, path: str) -> SiteResponse:
        return self._web.request("GET", path, headers=AS_A_BROWSER)
