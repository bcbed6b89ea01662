"""Patterns mean what ECMA-262 says: the same as in Node, which is asked."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

import pytest

from app.queue.schema.ecma import compiled, translate
from app.queue.schema.ecma_source import PatternError


def words(text: str) -> list[str]:
    return text.split()


NODE = """
const [patterns, texts, flags] = JSON.parse(require("fs").readFileSync(0))
const verdicts = (pattern) => {
  try {
    const expression = new RegExp(pattern, flags)
    return texts.map((text) => expression.test(text))
  } catch (error) {
    return null
  }
}
console.log(JSON.stringify(patterns.map(verdicts)))
"""

TEXTS = [
    *words(
        """a b ab aa aba bab aabb A AB 1 \u0661 \xe9 😀 😀a Ω \u017f K _ - ^ $ . [ ] && || -- ~~
        a-b a/b a|b ^$ { } a{2} {} \\"""
    ),
    *["", "\n", "a\n", "abc\n", "\na", "a b", "\t", "\x00", "\x08", "\x0b", "\x1c", "\x85"],
    *["\u00a0", "\u2028", "\u2029", "\ufeff", "\u180e", "a\u2028b", "\r", "aXb", "\U0001d7d8"],
]

EXACT = words(r"""
^[a-z]+$ ^abc$ a$ ^a ^$ $a \d ^\d+$ \D \w ^\w+$ \W \s ^\s$ \S ^\S$ . ^.$ ^..$ \b a\b \ba \B a\B
^[\d]$ ^[\w-]$ ^[^\d]$ ^[^\w]$ ^[\s]$ ^[^\s]$ ^[\D]$ ^[\W]$ ^[\S\n]$ [] [^] ^[^]$ [^]a a[]
^[[]$ ^[a&&b]+$ ^[a||b]+$ ^[!--b]+$ ^[&&]+$ ^[~~a]+$ ^[[a]$ ^[:a]+$ ^[$^]+$ ^[.]$ ^[\^a]$ ^[\]]$
^[\b]$ ^[\-a]+$ ^[a-]+$ ^[-a]+$ ^[+--]$ ^a\/b$ \x41 \u0041 ^\u{41}$ ^\u{1F600}$ ^\ud83d\ude00$
^[\ud83d\ude00]$ ^[\u{1F600}-\u{1F64F}]$ ^[^\ud800-\udfff]$ \ud83d ^😀$ ^[😀é]$ ^[^😀]$ \cH \cJ \0
^[\0]$ \t \v \f \n \r ^\p{L}+$ ^\P{L}+$ \p{Lu} \p{Script=Greek} \p{sc=Grek} \p{scx=Greek}
\p{General_Category=Lu} ^[\p{L}\d]+$ ^[^\p{L}]$ \p{Nd} \p{Alphabetic} \p{ASCII} ^\p{Any}$ \p{IDC}
(a)b (?:a)b (?<x>a)b
^(?<x>.)\k<x>$ ^(.)\1$ ^(a)|\1b$ ^(a)?\1b$ \1(a) (a\1) ^(?:(a)|b)\1$ ^\k<x>(?<x>a)$
a(?=b) a(?!b) (?<=a)b (?<!a)b (?<=a+)b a* ^a{2}$ ^a{2,}$ ^a{1,2}?b a+? a?? ^(?:a|b){2,3}$ a|b| (|a)
^[a-c]+$ ^\.$ ^\$$ ^\^$ ^\\$ ^\[$ ^\{\}$ ^\|\|$ ^\* ^(?:)$ ^a{0}$ ^(?=a)(?!b)
""")


def of_node(patterns: list[str], texts: list[str], flags: str = "u") -> list[list[bool] | None]:
    """What each pattern finds in each text; None where Node does not take the pattern."""
    done = subprocess.run(
        ["node", "-e", NODE],
        input=json.dumps([patterns, texts, flags]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[list[bool] | None] = json.loads(done.stdout)
    return found


def found_in(pattern: str, texts: list[str]) -> list[bool]:
    expression: Any = compiled(translate(pattern))
    return [expression.search(text) is not None for text in texts]


def test_patterns_of_every_kind() -> None:
    for pattern, expected in zip(EXACT, of_node(EXACT, TEXTS)):
        assert expected is not None, pattern
        found = dict(zip(TEXTS, found_in(pattern, TEXTS)))
        assert found == dict(zip(TEXTS, expected)), pattern


ATOMS = words(r"""
a b - _ . \d \w \s \D \W \S \b \B ^ $ [ab] [^a] [\d-] [[] [a&&b] [!--b] [a||b] [] [^] \/ \n \cJ \x41
\u0061 \ud83d\ude00 \u{61} \p{L} \P{L} [\p{Lu}a] [\W] [^\w] [^\s] [a-c] [\b] \0 é 😀 [😀é] [^😀] \.
[$^] [\]] \1 \2 \k<n> (?=a) (?!a) (?<=a) (?<!a) \p{Script=Greek}
""")
GROUPS = words("(%s) (?:%s) (?<n>%s) (%s|b) (?=%s) (?!%s) (?<=%s) (?<!%s) (?:%s|)")
QUANTIFIERS = words("* + ? {2} {1,2} {0,} *? +? {0}")


def made_up(chance: random.Random, depth: int = 2) -> str:
    parts = []
    for _ in range(chance.randint(1, 4)):
        if depth and chance.random() < 0.3:
            part = chance.choice(GROUPS).replace("%s", made_up(chance, depth - 1))
        else:
            part = chance.choice(ATOMS)
        if chance.random() < 0.35:
            part += chance.choice(QUANTIFIERS)
        parts.append(part)
    if chance.random() < 0.2:
        parts.insert(chance.randint(0, len(parts)), "|")
    return "".join(parts)


# Node 20 looks behind into the middle of characters that JavaScript keeps as two halves.
BASIC_TEXTS = [text for text in TEXTS if max(text, default="") < "\U00010000"]


def found_or_refused(pattern: str) -> list[bool] | str:
    try:
        return found_in(pattern, BASIC_TEXTS)
    except PatternError as error:
        return str(error)


def test_patterns_made_up() -> None:
    chance = random.Random(7)
    patterns = [made_up(chance) for _ in range(3000)]
    compared = 0
    for pattern, expected in zip(patterns, of_node(patterns, BASIC_TEXTS)):
        found = found_or_refused(pattern)
        if isinstance(found, str):
            assert expected is None or "inside a repeated part" in found, pattern
        else:
            assert found == expected, pattern
            compared += 1
    assert compared > 1000


# As in JavaScript without Unicode mode, which refuses them.
LENIENT = words(r"""^\-$ ^\_$ ^\@a ^}$ ^]$ ^{$ ^{}$ ^a{$ ^a{,2}$ ^[\w-.]+$ ^[a-\d]+$ ^\"$ ^[\_]$""")


def test_what_is_plain_without_unicode_mode_is_taken() -> None:
    patterns = [*LENIENT, r"^a\ b$"]
    for pattern, expected in zip(patterns, of_node(patterns, TEXTS, flags="")):
        assert found_in(pattern, TEXTS) == expected, pattern


# Node 20 does not know these yet.
FLAGS = {
    "^(?i:ab)$": (["AB", "aB"], ["ABc"]),
    "^(?i:a(?-i:b))$": (["Ab"], ["AB"]),
    "^a(?s:.)b$": (["a\nb"], ["ab"]),
    "(?m:^b$)": (["a\nb\nc"], ["ab"]),
    "(?m:^)b$": (["a\nb"], ["b\na"]),
}


@pytest.mark.parametrize("pattern", FLAGS)
def test_flags_of_a_part(pattern: str) -> None:
    yes, no = FLAGS[pattern]
    assert found_in(pattern, yes) == [True] * len(yes)
    assert found_in(pattern, no) == [False] * len(no)


REFUSED = {
    "(": "not closed, at character 1",
    "a)": "closes nothing, at character 2",
    "[a": "not closed",
    "*a": "nothing to repeat",
    "a**": "nothing to repeat",
    "a*+": "nothing to repeat",
    "a{2}+": "nothing to repeat",
    "^*": "nothing to repeat",
    "(?=a)*": "nothing to repeat",
    "a{2,1}": "out of order",
    "[b-a]": "out of order",
    "\\": "not ECMA-262",
    r"\A": "write ^",
    r"a\Z": "write $",
    r"\z": "write $",
    r"\q": "not ECMA-262",
    r"\07": "not ECMA-262",
    r"\u12": "not ECMA-262",
    r"\u{110000}": "beyond Unicode",
    r"\p{Nonsense}": "unknown property",
    r"\pL": "property of Unicode",
    r"\2(a)": "does not exist",
    r"\k<x>": "does not exist",
    r"\k": "name of a group",
    "(?<x>a)(?<x>b)": "two groups",
    r"(?:(a)|b)*\1": "repeated part",
    "(?P<x>a)": "write (?<name>…)",
    "(?i)a": "(?i:…)",
    "(?#text)": "leave comments out",
    "(?>a)": "not ECMA-262",
    "(?R)": "not ECMA-262",
    "(?ii:a)": "given twice",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_cannot_be_translated_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(PatternError) as refusal:
        compiled(translate(pattern))
    assert REFUSED[pattern] in str(refusal.value)


@pytest.mark.parametrize("pattern", ["(?:a){e<=1}", "a{i}", r"[[:alpha:]]", "[a[b]]", "(a)?b{-}"])
def test_nothing_is_read_as_an_extension(pattern: str) -> None:
    """Fuzzy matching, POSIX classes and sets in sets, as `regex` has them."""
    (expected,) = of_node([pattern], [*TEXTS, "l]", "ab]"], flags="")
    assert found_in(pattern, [*TEXTS, "l]", "ab]"]) == expected


@pytest.mark.parametrize(
    "pattern",
    ["a{20001}", "(?:a{200}){200}", "(?:(?:a{99}){99}){99}", "a" * 20_001, "[ab]{19999}c{99}"],
)
def test_what_is_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"too large|longer than"):
        translate(pattern)


@pytest.mark.parametrize(
    "pattern", ["^.{1,65535}$", "^(?:[a-z]{1,63}\\.){1,8}[a-z]{2,63}$", "a{0,99999999999}"]
)
def test_what_people_write_is_not_too_large(pattern: str) -> None:
    assert translate(pattern).size < 1000
    assert found_in(pattern, ["www.example.com", "aaa"])[1:] == [
        pattern != "^(?:[a-z]{1,63}\\.){1,8}[a-z]{2,63}$"
    ]
