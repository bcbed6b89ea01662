"""Numbered steps, how they fail, and what the program's exit code then is."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

from app.local.console import Console
from app.local.signals import Interrupted

NUMBER_OF_STEPS = 10
"""Of bootstrap.py and program.py together."""

FOLDER_ADVICE = "Copy the project into a folder that you may write to, and run it there."

EXIT_DONE = 0
EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_FAILED = 4


class StepFailed(Exception):
    """A step cannot be done. The message tells a person why and what to do about it."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


Step = tuple[str, Callable[[], str]]
"""Its title, and what does it and returns a few words about what was done."""


def take_steps(steps: Sequence[Step], console: Console, first: int) -> None:
    """Take the steps one by one, each on a numbered line. Raises StepFailed."""
    for number, (title, step) in enumerate(steps, first):
        console.begin(f"[{number}/{NUMBER_OF_STEPS}] {title}:")
        try:
            detail = step()
        except BrokenPipeError:
            raise
        except PermissionError as error:
            raise StepFailed(f"{error}. {FOLDER_ADVICE}") from None
        except OSError as error:
            raise StepFailed(str(error)) from None
        console.end(detail)


def exit_code_of(work: Callable[[Console], int]) -> int:
    """Run the work and print what ended it early, if something did."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    console = Console(sys.stdout)
    try:
        return work(console)
    except StepFailed as failure:
        console.close()
        print(f"deploy.py: {failure}", file=sys.stderr)
        return failure.exit_code
    except Interrupted as interruption:
        console.close()
        print("deploy.py: interrupted; run it again to go on", file=sys.stderr)
        return 128 + interruption.signum
    except BrokenPipeError:
        # Nobody reads the output any more. Without this Python would try to flush it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
