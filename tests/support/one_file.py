"""deploy.py holds its program as a string, for the sake of Pythons that could not parse it. Here it
is plain code again, for the tools that read code: `python -m tests.support.one_file FOLDER` writes
it there, `python -m tests.support.one_file --format` formats it in place.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy.py"
BEGIN = "PROGRAM = r'''"
END = "'''  # the end of PROGRAM"
PLAIN_BEGIN, PLAIN_END = 'PROGRAM = ""', "# the end of PROGRAM"


def plain(text: str) -> str:
    """The whole file as code, each line where it is in the file."""
    head, program, tail = parts(text)
    return f"{head}{PLAIN_BEGIN}\n{program}{PLAIN_END}\n{tail}"


def parts(text: str) -> tuple[str, str, str]:
    """What is before the program, the program, and what is after it."""
    head, begin, rest = text.partition(BEGIN + "\n")
    program, end, tail = rest.partition(END + "\n")
    assert begin
    assert end
    return head, program, tail


def format_in_place() -> None:
    """As ruff formats it."""
    text = DEPLOY.read_text("utf-8")
    head, _, tail = parts(text)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "deploy.py", "-"]
    done = subprocess.run(
        command, input=plain(text), cwd=DEPLOY.parent, capture_output=True, text=True, check=True
    )
    _, _, program = done.stdout.partition(f"{PLAIN_BEGIN}\n")
    program = program.partition(f"{PLAIN_END}\n")[0]
    DEPLOY.write_text(f"{head}{BEGIN}\n{program}{END}\n{tail}", "utf-8")


def main(argument: str) -> None:
    if argument == "--format":
        format_in_place()
        return
    Path(argument).mkdir(parents=True, exist_ok=True)
    (Path(argument) / "deploy_program.py").write_text(plain(DEPLOY.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
