"""The journal: which steps of which plan are done, on disk.

A process that is killed leaves the last whole state, and the next one goes on from there.
"""

from __future__ import annotations

import time

from app.install.files import read_json, write_json
from installer.plans import PLANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from app.install.errors import InstallError
    from installer.detached import IncompleteStep


class Journal:
    def __init__(self, home: Path) -> None:
        self.path = home / "journal.json"
        self._content = read_json(self.path)

    @property
    def plan(self) -> str:
        """What is being done: a name of PLANS, or empty."""
        return str(self._content.get("plan", ""))

    @property
    def build(self) -> str:
        """The build that is being installed; empty before the files are there."""
        return str(self._content.get("release", ""))

    @property
    def before(self) -> str:
        """The build that served when the plan was begun."""
        return str(self._content.get("before", ""))

    @property
    def target(self) -> str:
        """The build to go back to."""
        return str(self._content.get("target", ""))

    @property
    def failure(self) -> dict[str, str]:
        """The step that failed last, its sentence and field; empty when none did."""
        failure = self._content.get("failure")
        return failure if isinstance(failure, dict) else {}

    @property
    def is_finished(self) -> bool:
        return bool(self.plan) and self.next() is None

    def begin(self, plan: str, before: str) -> None:
        # A result that nobody has read belongs to an earlier plan.
        for result in self.path.parent.glob(".htanswer-*"):
            result.unlink(missing_ok=True)
        self._content = {"plan": plan, "before": before, "began": int(time.time()), "steps": {}}
        self._write()

    def note_build(self, name: str) -> None:
        self._content["release"] = name
        self._write()

    def note_target(self, name: str) -> None:
        self._content["target"] = name
        self._write()

    def done(self, step: str, detail: str) -> None:
        self._content["steps"][step] = {"detail": detail, "at": int(time.time())}
        self._content.pop("failure", None)
        self._content.pop("part", None)
        self._write()

    def failed(self, step: str, error: InstallError) -> None:
        failure = {"step": step, "sentence": str(error), "field": error.field}
        self._content["failure"] = failure
        self._write()

    def incomplete(self, step: str, state: IncompleteStep) -> None:
        self._content["part"] = {"step": step, "detail": str(state), "part": state.part}
        self._content.pop("failure", None)
        self._write()

    def forget(self) -> None:
        """There is no plan any more."""
        self._content = {}
        self._write()

    def undo(self, *steps: str) -> None:
        for step in steps:
            self._content["steps"].pop(step, None)
        self._content.pop("failure", None)
        self._write()

    def detail(self, step: str) -> str:
        """What a step that is done has said; empty when it is not done."""
        return str(self._content.get("steps", {}).get(step, {}).get("detail", ""))

    def is_done(self, step: str) -> bool:
        return step in self._content.get("steps", {})

    def next(self) -> str | None:
        """The first step of the plan that is not done."""
        return next((step for step in PLANS.get(self.plan, []) if not self.is_done(step)), None)

    def progress(self) -> tuple[int, str]:
        """How much is done, in percent, and what is being done."""
        steps = PLANS.get(self.plan, [])
        done = float(sum(self.is_done(step) for step in steps))
        part = self._content.get("part") or {}
        if part.get("step") == self.next():
            done += min(float(part.get("part", 0)), 0.99)
        return round(100 * done / max(len(steps), 1)), str(part.get("detail", ""))

    def _write(self) -> None:
        write_json(self.path, self._content)
