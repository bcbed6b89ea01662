"""Commands run inside the tests' own process, on the queue of a test."""

from __future__ import annotations

import json
from typing import Any

from click.testing import Result
from flask.ctx import AppContext

from app.server.flask_app import create_app
from app.site import Site


class Commands:
    """``flask`` commands of one site."""

    def __init__(self, site: Site) -> None:
        self._app = create_app(site)
        self._runner = self._app.test_cli_runner()

    def context(self) -> AppContext:
        """For code that a command would run."""
        return self._app.app_context()

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Whatever comes of it. An unexpected exception is raised here."""
        result = self._runner.invoke(args=list(arguments), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def output(self, *arguments: str, stdin: str | None = None) -> str:
        """What a command that succeeds prints."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.output(*arguments, "--json"))

    def error(self, *arguments: str, code: int = 1) -> str:
        """The last line of standard error of a command that fails."""
        result = self.run(*arguments)
        assert result.exit_code == code, (result.exit_code, result.stderr)
        return result.stderr.splitlines()[-1]
