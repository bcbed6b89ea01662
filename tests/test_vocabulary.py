"""One word for one thing: words that were replaced by the field's own do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.one_file import plain
from tests.support.server import PROJECT

COVERED = (
    *("app", "bench", "docs", "examples", "installer", "tests", ".ci", ".github"),
    *("deploy.py", "worker.py", "passenger_wsgi.py", "schema.sql", "config.example.py"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("setup.cfg", "pyproject.toml", ".pre-commit-config.yaml"),
)
"""Files and folders, from the project's own folder on, that keep to the words."""

NOT_YET: tuple[str, ...] = ()
"""Of those, the ones still to be gone through."""

PASTED = "tests/clients/guides"
"""Code as other guides print it."""

THIS = Path(__file__).resolve()

INSTEAD = {
    r"trail": "history",
    r"wish(es)?": "claim options",
    r"signs? of life": "last seen, heartbeat",
    r"arrivals?": "last seen",
    r"HAND_ON|BURY|WAKE": "requeue, dead-letter, promote",
    r"class (Claimed|Settled|Kept|Wanted)": "ClaimResult, SettleResult, EligibleTypes",
    r"(class|->) (Answer|Reply)": "Response",
    r"Hold|Fate|Beat": "LeaseRef; promote, requeue, dead-letter; heartbeat",
    r"keepers?": "lease renewer",
    r"patience": "backoff; a number of seconds",
    r"vaults?": "installer state",
    r"tellers?": "progress reporter",
    r"outsourc\w+": "a detached process",
    r"class Again": "incomplete step",
    r"webspaces?|web_space": "hosting account",
    r"Camp|Crowd": "fleet, client pool",
    r"heed(s|ed)?": "follow, or take into account",
    r"anew": "again",
    r"shall": "should, or the present tense",
    r"for nothing": "free, or in vain",
    r"it does what there is": "it runs the waiting tasks",
    r"whilst|amidst|thereof|hence|lest|thus|astray": "a plainer word",
}
"""Each word, as a regular expression, and what to say instead: in code, comments and documents."""

NAMES = {
    "answer": "response",
    "answers": "responses",
    "reply": "response",
    "replies": "responses",
    "news": "pending updates",
    "beat": "heartbeat",
    "sight": "state snapshot",
    "fire": "chaos",
    "bury": "dead-letter",
    "wake": "promote",
}
"""Words that are fine in a sentence, and not in the name of a variable, a function or a class."""

INPUT_CODE = ("app/api", "app/queue", "tests/queue")
"""Where `fault` would mean something wrong in a call's input. Elsewhere chaos injects it."""

SUFFIXES = {".py", ".sql", ".html", ".md", ".yml", ".yaml", ".toml", ".cfg", ".php", ".js", ".sh"}


def files() -> list[Path]:
    found: list[Path] = []
    for name in COVERED:
        path = PROJECT / name
        found += path.rglob("*") if path.is_dir() else [path]
    return sorted(each for each in found if each.suffix in SUFFIXES and is_covered(each))


def is_covered(path: Path) -> bool:
    left_out = [PROJECT / name for name in (*NOT_YET, PASTED)]
    return path != THIS and not any(each == path or each in path.parents for each in left_out)


def uses(word: str, paths: list[Path]) -> list[str]:
    """The lines in which a word is used, each after its file and number."""
    # A name of a class is told from the same word in a sentence by its capital.
    case = re.IGNORECASE if word.islower() else 0
    pattern = re.compile(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])", case)
    return [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def names_in(path: Path) -> Iterator[tuple[str, int]]:
    """Every name that a Python file defines, with its line. Names of tests are sentences."""
    text = path.read_text("utf-8")
    for node in ast.walk(ast.parse(plain(text) if path == PROJECT / "deploy.py" else text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if not node.name.startswith("test_"):
                yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def words_of(name: str) -> list[str]:
    """`read_answer` and `ReadAnswer` are `read` and `answer`."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


@pytest.mark.parametrize("word", INSTEAD)
def test_the_word_is_not_used(word: str) -> None:
    used = uses(word, files())
    assert not used, f"say {INSTEAD[word]!r} instead of {word!r}:\n" + "\n".join(used)


def test_wrong_input_is_a_validation_error() -> None:
    places = [PROJECT / name for name in INPUT_CODE]
    paths = [path for place in places for path in place.rglob("*.py")]
    used = uses("faults?", sorted(paths))
    assert not used, "say 'validation error' instead of 'fault':\n" + "\n".join(used)


def test_names_are_the_fields_words() -> None:
    used = [
        f"{path.relative_to(PROJECT)}:{number}: {name} (say {NAMES[word]!r})"
        for path in files()
        if path.suffix == ".py"
        for name, number in names_in(path)
        for word in words_of(name)
        if word in NAMES
    ]
    assert not used, "\n".join(used)


def test_names_are_taken_apart() -> None:
    assert words_of("_read_answer2") == words_of("ReadAnswer") == ["read", "answer"]
    assert words_of("HTTPReply") == ["http", "reply"]


def test_what_is_covered_is_there() -> None:
    assert files()
    for name in (*COVERED, *NOT_YET):
        assert (PROJECT / name).exists(), name
